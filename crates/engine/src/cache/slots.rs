//! Slots: where entries live, and the control words by which isolates know them.
//!
//! An isolate that has decoded an entry keeps the value, the slot and the version it saw. It may answer from there as long as
//! the slot's version word is still the same: that is two loads from mapped memory and no call. At a hit it stamps the slot
//! (`noizylab_lockfree::slot_words` has both words and their rules).

use std::sync::Arc;

use noizylab_lockfree::SlotWords;

use super::entry::Entry;
use crate::error::Error;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Slots of a part, once there are as many: the first parts are smaller, so that a small cache is small.
const PART: usize = 1024;
/// Slots of the first part; each of the next ones doubles them, up to [`PART`].
const FIRST: usize = 16;
/// Parts that are smaller than [`PART`]; together they are as large.
const SMALL_PARTS: usize = (PART / FIRST).ilog2() as usize + 1;
/// Words of 32 bits that a slot has.
const WORDS: usize = 2;

/// The control words of the slots of a part.
#[derive(Debug)]
pub struct Segment(Box<[SlotWords]>);

impl Segment {
    /// The memory, for mapping into an isolate: its address and its length in bytes.
    pub fn memory(&self) -> (*const u8, usize) {
        (self.0.as_ptr().cast(), size_of_val(&*self.0))
    }
}

/// Where a policy keeps a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub prev: u32,
    pub next: u32,
    /// Which of the policy's lists it is in.
    pub place: u32,
}

#[derive(Debug)]
struct Part {
    /// Number of the segment in its cache.
    number: u32,
    words: Arc<Segment>,
    /// Empty, as are the links, while the part is not in use: its words stay, because isolates may have mapped them.
    entries: Box<[Option<Entry>]>,
    links: Box<[Link]>,
}

/// The slots of one shard.
#[derive(Debug, Default)]
pub(super) struct Slots {
    parts: Vec<Part>,
    /// How many of the parts, from the first on, are in use.
    used: usize,
    /// Free slots, linked by `next`.
    free: Option<u32>,
}

/// Where an isolate finds the words of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the segment.
    pub segment: u32,
    /// Index of the version word in it; the stamp follows.
    pub at: u32,
    /// The version now.
    pub version: u32,
}

impl Slots {
    /// Number of slots, free ones included.
    pub fn capacity(&self) -> u32 {
        start_of(self.used) as u32
    }

    /// A free slot, with new ones made if needed; `register` gives a new segment its number in the cache. Fails where there is no memory.
    pub fn take(&mut self, register: impl FnOnce(&Arc<Segment>) -> Result<u32, Error>) -> Result<u32, Error> {
        let slot = match self.free {
            Some(slot) => slot,
            None => self.grow(register)?,
        };
        let next = self.link(slot).next;
        self.free = (next != NONE).then_some(next);
        Ok(slot)
    }

    /// Puts one more part to use; its first slot.
    fn grow(&mut self, register: impl FnOnce(&Arc<Segment>) -> Result<u32, Error>) -> Result<u32, Error> {
        let (first, end) = (start_of(self.used), start_of(self.used + 1));
        let links = filled(end - first, |at| {
            let next = if first + at + 1 == end { NONE } else { (first + at + 1) as u32 };
            Link { prev: NONE, next, place: 0 }
        })?;
        let entries = filled(end - first, |_| None)?;
        if let Some(part) = self.parts.get_mut(self.used) {
            (part.entries, part.links) = (entries, links);
        } else {
            let wanted = size_of::<Part>();
            self.parts.try_reserve(1).map_err(|_| Error::OutOfMemory { bytes: wanted })?;
            let words = Arc::new(Segment(filled(end - first, |_| SlotWords::default())?));
            self.parts.push(Part { number: register(&words)?, words, entries, links });
        }
        self.used += 1;
        self.free = Some(first as u32);
        Ok(first as u32)
    }

    /// Puts an entry into a slot. What was known of the slot is void.
    pub fn fill(&mut self, slot: u32, entry: Entry) -> Option<Entry> {
        self.words(slot).bump();
        let (part, at) = Self::split(slot);
        self.parts[part].entries[at].replace(entry)
    }

    /// Takes the entry out of a slot and frees it. What was known of the slot is void.
    pub fn empty(&mut self, slot: u32) -> Option<Entry> {
        self.words(slot).bump();
        let next = self.free.replace(slot).unwrap_or(NONE);
        self.link_mut(slot).next = next;
        let (part, at) = Self::split(slot);
        self.parts[part].entries[at].take()
    }

    /// Empties all slots and gives their memory back, but for the words; returns how many entries there were, and what they were counted as.
    pub fn clear(&mut self) -> (u64, u64) {
        let (mut entries, mut bytes) = (0, 0);
        for part in &mut self.parts[..self.used] {
            for (entry, words) in part.entries.iter().zip(&part.words.0) {
                if let Some(entry) = entry {
                    words.bump();
                    entries += 1;
                    bytes += entry.own_cost();
                }
            }
            (part.entries, part.links) = (Box::default(), Box::default());
        }
        (self.used, self.free) = (0, None);
        (entries, bytes)
    }

    /// The entry in a slot.
    pub fn entry(&self, slot: u32) -> Option<&Entry> {
        let (part, at) = Self::split(slot);
        self.parts.get(part)?.entries.get(at)?.as_ref()
    }

    /// Where isolates find the words of a slot.
    pub fn place(&self, slot: u32) -> Place {
        let (part, at) = Self::split(slot);
        let version = self.words(slot).version();
        Place { segment: self.parts[part].number, at: (at * WORDS) as u32, version }
    }

    pub fn link(&self, slot: u32) -> Link {
        let (part, at) = Self::split(slot);
        self.parts[part].links[at]
    }

    pub fn link_mut(&mut self, slot: u32) -> &mut Link {
        let (part, at) = Self::split(slot);
        &mut self.parts[part].links[at]
    }

    /// The words of a slot.
    pub fn words(&self, slot: u32) -> &SlotWords {
        let (part, at) = Self::split(slot);
        &self.parts[part].words.0[at]
    }

    fn split(slot: u32) -> (usize, usize) {
        let slot = slot as usize;
        if slot >= PART {
            (SMALL_PARTS - 1 + slot / PART, slot % PART)
        } else if slot < FIRST {
            (0, slot)
        } else {
            let start = 1 << slot.ilog2();
            ((start / FIRST).ilog2() as usize + 1, slot - start)
        }
    }
}

/// The first slot of a part; that of a part that is not there is the number of slots.
fn start_of(part: usize) -> usize {
    match part {
        0 => 0,
        _ if part < SMALL_PARTS => FIRST << (part - 1),
        _ => (part - SMALL_PARTS + 1) * PART,
    }
}

/// So many values, or an error where there is no memory for them.
fn filled<T>(count: usize, make: impl FnMut(usize) -> T) -> Result<Box<[T]>, Error> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Error::OutOfMemory { bytes: count * size_of::<T>() })?;
    all.extend((0..count).map(make));
    Ok(all.into_boxed_slice())
}

/// A doubly linked list of slots; its links stand in the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub head: u32,
    pub tail: u32,
}

impl List {
    pub const EMPTY: Self = Self { head: NONE, tail: NONE };

    /// Appends a slot.
    pub fn push(&mut self, slots: &mut Slots, slot: u32, place: u32) {
        *slots.link_mut(slot) = Link { prev: self.tail, next: NONE, place };
        match self.tail {
            NONE => self.head = slot,
            tail => slots.link_mut(tail).next = slot,
        }
        self.tail = slot;
    }

    /// Appends all slots of another list; their places stay as they are.
    pub fn append(&mut self, slots: &mut Slots, other: Self) {
        if other.head == NONE {
            return;
        }
        match self.tail {
            NONE => self.head = other.head,
            tail => {
                slots.link_mut(tail).next = other.head;
                slots.link_mut(other.head).prev = tail;
            }
        }
        self.tail = other.tail;
    }

    /// Takes out a slot that is in this list.
    pub fn unlink(&mut self, slots: &mut Slots, slot: u32) {
        let Link { prev, next, .. } = slots.link(slot);
        match prev {
            NONE => self.head = next,
            prev => slots.link_mut(prev).next = next,
        }
        match next {
            NONE => self.tail = prev,
            next => slots.link_mut(next).prev = prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_one_place_and_parts_follow_each_other() {
        let mut slot = 0;
        for part in 0..SMALL_PARTS + 3 {
            assert_eq!(start_of(part), slot as usize);
            for at in 0..start_of(part + 1) - start_of(part) {
                assert_eq!(Slots::split(slot), (part, at));
                slot += 1;
            }
        }
    }

    #[test]
    fn a_cleared_part_keeps_its_words_and_their_versions() {
        let mut slots = Slots::default();
        let mut registered = 0;
        let mut fill = |slots: &mut Slots| {
            let slot = slots
                .take(|_| {
                    registered += 1;
                    Ok(registered)
                })
                .expect("there is memory");
            slots.fill(slot, Entry::new(b"k", b"v", 0, None).expect("there is memory"));
            slots.place(slot)
        };
        let before: Vec<Place> = (0..3000).map(|_| fill(&mut slots)).collect();
        assert_eq!(slots.clear().0, 3000);
        assert_eq!(slots.capacity(), 0);
        let after: Vec<Place> = (0..3000).map(|_| fill(&mut slots)).collect();
        for (one, other) in before.iter().zip(&after) {
            assert_eq!((one.segment, one.at), (other.segment, other.at));
            assert_ne!(one.version, other.version);
        }
    }
}
