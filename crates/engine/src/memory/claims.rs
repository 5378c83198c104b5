//! Claims on ranges of memory: one writer or any number of readers, in all threads of the process.
//!
//! Claims are granted in the order in which they were made, as far as they overlap: neither a reader nor a writer starves. A claim
//! is made by a worker thread before it touches anything, and a worker makes one at a time: they cannot wait for each other in a ring.

use std::ops::Range;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::cancel::Cancel;
use crate::error::Error;

/// Between two looks at the flag of a task that waits.
const PATIENCE: Duration = Duration::from_millis(10);

static CLAIMS: Claims = Claims { made: Mutex::new(Vec::new()), changed: Condvar::new() };
struct Claims {
    /// In the order in which they were made; as many as there are workers at most.
    made: Mutex<Vec<Entry>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    range: Range<usize>,
    writes: bool,
}

impl Entry {
    fn excludes(&self, other: &Self) -> bool {
        let overlaps = self.range.start < other.range.end && other.range.start < self.range.end;
        overlaps && (self.writes || other.writes)
    }
}

/// A right to read or to write a range of addresses, until dropped.
#[derive(Debug)]
pub(super) struct Claim(u64);

impl Claim {
    /// Waits until nothing that was claimed before excludes it.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once `cancel` is set.
    pub fn make(range: Range<usize>, writes: bool, cancel: &Cancel) -> Result<Self, Error> {
        let mut made = CLAIMS.made.lock();
        let number = made.last().map_or(1, |last| last.number + 1);
        made.push(Entry { number, range, writes });
        let claim = Self(number);
        loop {
            let at = made.iter().position(|entry| entry.number == number).unwrap_or_default();
            if !made[..at].iter().any(|before| before.excludes(&made[at])) {
                return Ok(claim);
            }
            if cancel.is_cancelled() {
                drop(made); // the claim that is dropped takes the lock
                return Err(Error::Cancelled);
            }
            CLAIMS.changed.wait_for(&mut made, PATIENCE);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut made = CLAIMS.made.lock();
        made.retain(|entry| entry.number != self.0);
        if !made.is_empty() {
            CLAIMS.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// The tests share the claims of the process: each has addresses of its own.
    fn claim(range: Range<usize>, writes: bool) -> Claim {
        Claim::make(range, writes, &Cancel::default()).expect("not cancelled")
    }

    #[test]
    fn readers_share_a_range_and_a_writer_waits_for_them() {
        let (first, second) = (claim(1000..2000, false), claim(1500..2500, false));
        let (sender, written) = channel();
        let writer = thread::spawn(move || {
            let claim = claim(1999..2001, true);
            sender.send(()).expect("the test waits");
            drop(claim);
        });
        drop(first);
        assert!(written.try_recv().is_err());
        drop(second);
        written.recv().expect("the writer had its turn");
        writer.join().expect("the writer ends");
    }

    #[test]
    fn ranges_that_only_touch_do_not_wait() {
        let _writer = claim(3000..4000, true);
        let _next = claim(4000..5000, true);
    }

    #[test]
    fn a_claim_that_is_given_up_leaves_nothing_behind() {
        let writer = claim(5000..6000, true);
        let cancel = Cancel::default();
        cancel.cancel();
        Claim::make(5000..5001, false, &cancel).expect_err("cancelled while it waits");
        drop(writer);
        let _next = claim(5000..6000, true);
    }
}
