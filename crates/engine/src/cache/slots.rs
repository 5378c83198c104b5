//! Slots: where entries live, and the control words by which isolates know them.
//!
//! An isolate that has decoded an entry keeps the value, the slot and the version it saw. It may answer from there as long as
//! the slot's version word is still the same: that is two loads from mapped memory and no call. At a hit it stamps the slot
//! (`noizylab_lockfree::slot_words` has both words and their rules).

use std::sync::Arc;

use noizylab_lockfree::SlotWords;

use super::entry::Entry;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Slots that are made at once.
pub(super) const PART: usize = 1024;
/// Words of 32 bits that a slot has.
const WORDS: usize = 2;

/// The control words of [`PART`] slots.
#[derive(Debug)]
pub struct Segment([SlotWords; PART]);

impl Segment {
    /// The memory, for mapping into an isolate: its address and its length in bytes.
    pub fn memory(&self) -> (*const u8, usize) {
        (self.0.as_ptr().cast(), size_of_val(&self.0))
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
    entries: Box<[Option<Entry>]>,
    links: Box<[Link]>,
}

/// The slots of one shard.
#[derive(Debug, Default)]
pub(super) struct Slots {
    parts: Vec<Part>,
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
        (self.parts.len() * PART) as u32
    }

    /// A free slot, with new ones made if needed; `register` gives a new segment its number in the cache.
    pub fn take(&mut self, register: impl FnOnce(&Arc<Segment>) -> u32) -> u32 {
        if self.free.is_none() {
            self.grow(register);
        }
        let slot = self.free.expect("there are new ones");
        let next = self.link(slot).next;
        self.free = (next != NONE).then_some(next);
        slot
    }

    fn grow(&mut self, register: impl FnOnce(&Arc<Segment>) -> u32) {
        let words = Arc::new(Segment(std::array::from_fn(|_| SlotWords::default())));
        let first = self.capacity();
        let links = (0..PART as u32).map(|at| {
            let next = if at + 1 == PART as u32 { NONE } else { first + at + 1 };
            Link { prev: NONE, next, place: 0 }
        });
        let links = links.collect();
        let entries = std::iter::repeat_with(|| None).take(PART).collect();
        self.parts.push(Part { number: register(&words), words, entries, links });
        self.free = Some(first);
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

    /// Empties all slots; returns how many entries there were, and what they were counted as.
    pub fn clear(&mut self) -> (u64, u64) {
        let (mut entries, mut bytes) = (0, 0);
        for part in &mut self.parts {
            for (entry, words) in part.entries.iter_mut().zip(&part.words.0) {
                if let Some(entry) = entry.take() {
                    words.bump();
                    entries += 1;
                    bytes += entry.own_cost();
                }
            }
        }
        let capacity = self.capacity();
        self.free = (capacity > 0).then_some(0);
        for slot in 0..capacity {
            self.link_mut(slot).next = if slot + 1 == capacity { NONE } else { slot + 1 };
        }
        (entries, bytes)
    }

    /// The entry in a slot.
    pub fn entry(&self, slot: u32) -> Option<&Entry> {
        let (part, at) = Self::split(slot);
        self.parts.get(part)?.entries[at].as_ref()
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
        (slot as usize / PART, slot as usize % PART)
    }
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
