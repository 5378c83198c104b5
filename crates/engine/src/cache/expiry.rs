//! What ends when: a heap of deadlines.
//!
//! A deadline is not taken out when its entry is replaced or leaves; it is recognised as void when it comes up, and void ones are swept when they are the most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slots::Slots;
use crate::error::Error;

/// Fewer void deadlines are not worth a sweep.
const FEW: usize = 64;

/// The deadlines of a shard.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// Bits of the time (times are positive, so the bits are in the order of the times), slot.
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Expiry {
    /// Makes room for one more deadline; fails where there is no memory.
    pub fn reserve(&mut self) -> Result<(), Error> {
        self.heap
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory { bytes: self.heap.len() * size_of::<(u64, u32)>() })
    }

    /// The entry in `slot` leaves at this time; `entries` is the number of all entries of the shard.
    pub fn push(&mut self, slots: &Slots, slot: u32, leaves: f64, entries: usize) {
        if leaves == f64::INFINITY {
            return;
        }
        if self.heap.len() > 2 * entries + FEW {
            self.heap.retain(|&Reverse((time, slot))| is_true(slots, slot, time));
        }
        self.heap.push(Reverse((leaves.to_bits(), slot)));
    }

    /// A slot whose entry leaves at `now` or before; its deadline is forgotten.
    pub fn pop_due(&mut self, slots: &Slots, now: f64) -> Option<u32> {
        while let Some(&Reverse((time, slot))) = self.heap.peek() {
            let due = f64::from_bits(time) <= now;
            let is_true = is_true(slots, slot, time);
            if is_true && !due {
                return None;
            }
            self.heap.pop();
            if is_true {
                return Some(slot);
            }
        }
        None
    }

    /// The time of the next deadline.
    pub fn next(&self) -> Option<f64> {
        self.heap.peek().map(|&Reverse((time, _))| f64::from_bits(time))
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.heap = BinaryHeap::new();
    }
}

fn is_true(slots: &Slots, slot: u32, time: u64) -> bool {
    slots.entry(slot).and_then(super::entry::Entry::life).is_some_and(|life| life.leaves.to_bits() == time)
}
