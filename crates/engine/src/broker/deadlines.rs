//! Who is due when: a heap of times.
//!
//! A deadline is not taken out when it is over or moves. Who is popped is asked: a later time is put back, a void one is dropped. Void
//! ones are swept when they are the most, so the heap is bounded by twice the number of those who wait.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Error;

/// Fewer void deadlines are not worth a sweep.
const FEW: usize = 1024;

/// Times with who waits for them.
#[derive(Debug)]
pub(super) struct Deadlines<T> {
    /// Bits of the time: times are positive, so the bits are in their order.
    heap: BinaryHeap<Reverse<(u64, T)>>,
}

impl<T: Ord> Default for Deadlines<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new() }
    }
}

impl<T: Ord> Deadlines<T> {
    /// Makes room for one more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn reserve(&mut self) -> Result<(), Error> {
        let bytes = (self.heap.len() + 1) * size_of::<(u64, T)>();
        self.heap.try_reserve(1).map_err(|_| Error::OutOfMemory { bytes })
    }

    /// `who` is due at `time`. `count`: how many wait in truth; `is_true` says whether one of the heap is still so.
    pub fn push(&mut self, time: f64, who: T, count: usize, is_true: impl Fn(f64, &T) -> bool) {
        if self.heap.len() > 2 * count + FEW {
            let mut all = std::mem::take(&mut self.heap).into_vec();
            all.retain(|Reverse((time, who))| is_true(f64::from_bits(*time), who));
            // Whoever left and came again at the same time stands there twice.
            all.sort_unstable();
            all.dedup();
            self.heap = all.into();
        }
        self.heap.push(Reverse((time.max(0.0).to_bits(), who)));
    }

    /// One that is due at `now`, with its time.
    pub fn pop_due(&mut self, now: f64) -> Option<(f64, T)> {
        let &Reverse((time, _)) = self.heap.peek()?;
        if f64::from_bits(time) > now {
            return None;
        }
        self.heap.pop().map(|Reverse((time, who))| (f64::from_bits(time), who))
    }

    /// The time of the next one, which may be void.
    pub fn next(&self) -> Option<f64> {
        self.heap.peek().map(|Reverse((time, _))| f64::from_bits(*time))
    }

    /// Bytes of its memory.
    pub fn memory(&self) -> usize {
        self.heap.capacity() * size_of::<(u64, T)>()
    }
}
