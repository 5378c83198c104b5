//! Counters of processes: each has a slot of eight words, which its own thread writes and all can read.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::bridge::Words;

/// Words of a slot. Their meaning is the affair of `ts/actor/counters.ts`.
pub const WORDS: usize = 8;
/// Slots of a segment.
pub const SLOTS: usize = 1024;

/// A segment: the words of 1024 slots, one after another.
pub type Segment = Words<{ WORDS * SLOTS }>;

#[derive(Default)]
struct Slots {
    segments: Vec<Arc<Segment>>,
    free: Vec<u32>,
    /// The slots below this one were handed out at least once.
    end: u32,
}

static ALL: LazyLock<Mutex<Slots>> = LazyLock::new(Mutex::default);

/// A slot of one's own, with all words 0 at first; given back, and cleared, when dropped.
#[derive(Debug)]
pub struct Slot(u32);

impl Slot {
    /// Takes a slot.
    pub fn take() -> Self {
        let mut slots = ALL.lock();
        let number = slots.free.pop().unwrap_or_else(|| {
            if slots.end as usize == slots.segments.len() * SLOTS {
                slots.segments.push(Arc::default());
            }
            slots.end += 1;
            slots.end - 1
        });
        Self(number)
    }

    /// Its number: the slot `number % 1024` of the segment `number / 1024`.
    pub fn number(&self) -> u32 {
        self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = ALL.lock();
        let number = self.0 as usize;
        let segment = &slots.segments[number / SLOTS];
        for word in 0..WORDS {
            segment.set(number % SLOTS * WORDS + word, 0.0);
        }
        slots.free.push(self.0);
    }
}

/// A segment by its number, for mapping.
pub fn segment(number: u32) -> Option<Arc<Segment>> {
    ALL.lock().segments.get(number as usize).cloned()
}

/// The word at `field` of a slot, for isolates that cannot map its segment; 0 where there is none.
pub fn get(slot: u32, field: u32) -> f64 {
    word(slot, field).map_or(0.0, |(segment, index)| segment.get(index))
}

/// Sets the word at `field` of a slot, as [`get`] reads it.
pub fn set(slot: u32, field: u32, value: f64) {
    if let Some((segment, index)) = word(slot, field) {
        segment.set(index, value);
    }
}

fn word(slot: u32, field: u32) -> Option<(Arc<Segment>, usize)> {
    let (slot, field) = (slot as usize, field as usize);
    let segment = segment((slot / SLOTS) as u32)?;
    (field < WORDS).then(|| (segment, slot % SLOTS * WORDS + field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_its_owners_until_it_is_given_back_and_begins_at_zero() {
        let slots: Vec<Slot> = (0..3000).map(|_| Slot::take()).collect();
        let mut numbers: Vec<u32> = slots.iter().map(Slot::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 3000);
        let number = slots[5].number() as usize;
        let found = segment((number / SLOTS) as u32).expect("in use");
        found.set(number % SLOTS * WORDS + 2, 7.0);
        drop(slots);
        assert_eq!(found.get(number % SLOTS * WORDS + 2), 0.0);
        let again: Vec<Slot> = (0..3000).map(|_| Slot::take()).collect();
        assert!(again.iter().any(|slot| slot.number() as usize == number));
        assert_eq!(found.get(number % SLOTS * WORDS + 2), 0.0);
    }

    #[test]
    fn a_word_that_is_written_by_number_is_that_of_the_mapped_segment() {
        let slot = Slot::take();
        let number = slot.number();
        set(number, 3, 7.0);
        let mapped = segment(number / SLOTS as u32).expect("in use");
        assert_eq!(mapped.get(number as usize % SLOTS * WORDS + 3), 7.0);
        assert_eq!(get(number, 3), 7.0);
        // Beyond a slot lies another's, and beyond the last segment nothing.
        set(number, WORDS as u32, 9.0);
        assert_eq!(get(number + 1, 0), 0.0);
        set(u32::MAX, 0, 9.0);
        assert_eq!((get(number, WORDS as u32), get(u32::MAX, 0)), (0.0, 0.0));
    }
}
