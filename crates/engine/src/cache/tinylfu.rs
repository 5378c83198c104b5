//! W-TinyLFU: a small window of new entries, in front of a main part that a frequency filter guards (G. Einziger, R. Friedman, B. Manes,
//! "TinyLFU: A Highly Efficient Cache Admission Policy", 2017), with a window whose share others adapt (`climber.rs`).
//!
//! Isolates count hits in the stamps of the slots; the policy looks at a stamp when the slot is at the head of a list, and moves it then as the
//! hits would have. So hits cost no lock, and an entry is judged by all its hits at the moment when it matters.

use std::hash::BuildHasher;

use super::Hasher;
use super::entry::Entry;
use super::sketch::Sketch;
use super::slots::{List, NONE, Slots};

const WINDOW: u32 = 0;
const PROBATION: u32 = 1;
const PROTECTED: u32 = 2;
/// Share of the main part that is protected.
const PROTECTED_SHARE: f64 = 0.8;
/// A candidate that is seen so often may get in against a victim that is seen more often, once in `LUCK` times: else an
/// attacker who knows the hash could keep it out.
const WARM: u8 = 6;
const LUCK: u32 = 128;

#[derive(Debug)]
struct Queue {
    list: List,
    weight: u64,
}

/// The order of a shard.
#[derive(Debug)]
pub(super) struct TinyLfu {
    /// Window, probation, protected.
    queues: [Queue; 3],
    sketch: Sketch,
    entries: u64,
    /// Entries weigh their bytes; else all weigh the same.
    by_bytes: bool,
    /// Left the window for want of room, and has still to be admitted: or [`NONE`].
    candidate: u32,
    /// State of the generator behind `LUCK` (xorshift).
    random: u32,
}

impl TinyLfu {
    /// The order of a shard that is bounded in bytes, or in entries.
    pub fn new(by_bytes: bool) -> Self {
        let queue = || Queue { list: List::EMPTY, weight: 0 };
        Self {
            queues: [queue(), queue(), queue()],
            sketch: Sketch::new(64),
            entries: 0,
            by_bytes,
            candidate: NONE,
            random: 0x9e37_79b9,
        }
    }

    /// A slot comes in.
    pub fn insert(&mut self, slots: &mut Slots, slot: u32, hash: u64) {
        self.entries += 1;
        // Without memory for a larger one the old one goes on, with more confusions.
        if self.entries as usize > self.sketch.entries()
            && let Some(sketch) = Sketch::try_new(2 * self.entries as usize)
        {
            self.sketch = sketch;
        }
        self.candidate = NONE;
        self.sketch.increment(hash);
        self.push(slots, slot, WINDOW);
    }

    /// A slot leaves.
    pub fn remove(&mut self, slots: &mut Slots, slot: u32) {
        self.entries -= 1;
        self.unlink(slots, slot);
        if self.candidate == slot {
            self.candidate = NONE;
        }
    }

    /// `change` puts another entry with the same key into a slot.
    pub fn replace(&mut self, slots: &mut Slots, slot: u32, change: impl FnOnce(&mut Slots)) {
        let queue = slots.link(slot).place;
        self.unlink(slots, slot);
        change(slots);
        self.push(slots, slot, queue);
    }

    /// All slots have left.
    pub fn clear(&mut self) {
        *self = Self::new(self.by_bytes);
    }

    /// The slot that has to leave, still in its place, before an entry of `incoming` bytes comes in. `share` is that of the window.
    pub fn victim(&mut self, slots: &mut Slots, incoming: u64, share: f64, hasher: &Hasher) -> Option<u32> {
        let incoming = if self.by_bytes { incoming } else { 1 };
        self.drain_window(slots, incoming, share, hasher);
        let Some(victim) = self.settled_head(slots, PROBATION, hasher) else {
            let head = self.settled_head(slots, PROTECTED, hasher);
            return head.or_else(|| self.settled_head(slots, WINDOW, hasher));
        };
        let candidate = self.candidate;
        if candidate == NONE || candidate == victim || slots.link(candidate).place != PROBATION {
            self.candidate = NONE;
            return Some(victim);
        }
        self.settle(slots, candidate, hasher);
        let frequency =
            |slot| slots.entry(slot).map_or(0, |entry| self.sketch.frequency(hasher.hash_one(entry.key())));
        let (new, old) = (frequency(candidate), frequency(victim));
        if new > old || (new >= WARM && self.draw().is_multiple_of(LUCK)) {
            return Some(victim);
        }
        self.candidate = NONE;
        Some(candidate)
    }

    /// Makes room in the window: what it loses stands for admission.
    fn drain_window(&mut self, slots: &mut Slots, incoming: u64, share: f64, hasher: &Hasher) {
        let total: u64 = self.queues.iter().map(|queue| queue.weight).sum();
        let target = (share * total as f64) as u64;
        let target = target.max(incoming);
        while self.queues[WINDOW as usize].weight + incoming > target {
            let Some(head) = self.settled_head(slots, WINDOW, hasher) else { break };
            self.unlink(slots, head);
            self.push(slots, head, PROBATION);
            if self.candidate == NONE {
                self.candidate = head;
            }
        }
    }

    /// The head of a queue once all before it with hits have moved on.
    fn settled_head(&mut self, slots: &mut Slots, queue: u32, hasher: &Hasher) -> Option<u32> {
        loop {
            let head = self.queues[queue as usize].list.head;
            if head == NONE {
                return None;
            }
            if !self.settle(slots, head, hasher) {
                return Some(head);
            }
            self.unlink(slots, head);
            if queue == PROBATION {
                self.push(slots, head, PROTECTED);
                self.demote(slots, hasher);
            } else {
                self.push(slots, head, queue);
            }
        }
    }

    /// What is too much for the protected part goes back on probation.
    fn demote(&mut self, slots: &mut Slots, hasher: &Hasher) {
        let main = self.queues[PROBATION as usize].weight + self.queues[PROTECTED as usize].weight;
        let target = (PROTECTED_SHARE * main as f64) as u64;
        while self.queues[PROTECTED as usize].weight > target {
            let head = self.queues[PROTECTED as usize].list.head;
            if head == NONE {
                break;
            }
            let was_hit = self.settle(slots, head, hasher);
            self.unlink(slots, head);
            self.push(slots, head, if was_hit { PROTECTED } else { PROBATION });
        }
    }

    /// Counts the hits of a slot since it was looked at last; whether there were any.
    fn settle(&mut self, slots: &Slots, slot: u32, hasher: &Hasher) -> bool {
        let hits = slots.words(slot).take_hits();
        if hits > 0
            && let Some(entry) = slots.entry(slot)
        {
            let hash = hasher.hash_one(entry.key());
            for _ in 0..hits {
                self.sketch.increment(hash);
            }
        }
        hits > 0
    }

    fn push(&mut self, slots: &mut Slots, slot: u32, queue: u32) {
        let weight = self.weight(slots, slot);
        let queue_of = &mut self.queues[queue as usize];
        queue_of.weight += weight;
        queue_of.list.push(slots, slot, queue);
    }

    fn unlink(&mut self, slots: &mut Slots, slot: u32) {
        let weight = self.weight(slots, slot);
        let queue = &mut self.queues[slots.link(slot).place as usize];
        queue.weight -= weight;
        queue.list.unlink(slots, slot);
    }

    fn weight(&self, slots: &Slots, slot: u32) -> u64 {
        if self.by_bytes { slots.entry(slot).map_or(0, Entry::own_cost) } else { 1 }
    }

    fn draw(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }
}
