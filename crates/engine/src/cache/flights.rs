//! One computation of a missing value for all isolates: the [`flights`] of a cache, whose askers are told by records.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::bridge::{Frame, Outbox, Record, RecordKind};
use crate::flights;

/// Who asks: an isolate, and its number for the question.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Where the answer goes.
    pub outbox: Arc<Outbox>,
    /// The object of the face that asks.
    pub channel: u32,
    /// The number of the question; it comes back with the answer.
    pub ticket: u64,
}

impl PartialEq for Asker {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.outbox, &other.outbox)
            && (self.channel, self.ticket) == (other.channel, other.ticket)
    }
}

impl Eq for Asker {}

impl Hash for Asker {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.outbox), self.channel, self.ticket).hash(state);
    }
}

impl Asker {
    fn tell(&self, outcome: Outcome, frame: Frame) {
        let record = Record {
            channel: self.channel,
            kind: RecordKind::Flight,
            group: self.ticket,
            index: outcome as u32,
            count: 1,
            frame,
            credit: None,
        };
        self.outbox.send(record);
    }
}

/// What an asker is told. The numbers are part of the contract with `ts/cache/shared-store.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// The value or the error of the computation is in the frame.
    Done = 0,
    /// The owner has gone: compute it yourself.
    TakeOver = 1,
}

/// What to do about a missing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Compute it, then [`Flights::land`].
    Compute,
    /// Wait for a record.
    Wait,
}

/// The flights of a cache.
#[derive(Debug, Default)]
pub(super) struct Flights {
    state: Mutex<flights::Flights<Asker>>,
    /// Number of keys in flight, so that changes of a cache without flights take no lock.
    keys: AtomicUsize,
}

impl Flights {
    /// Somebody misses a key.
    pub fn begin(&self, key: &[u8], asker: Asker) -> Begin {
        let mut state = self.state.lock();
        let computes = state.begin(key, asker);
        self.keys.store(state.keys(), Ordering::SeqCst);
        if computes { Begin::Compute } else { Begin::Wait }
    }

    /// The owner has an outcome; all that wait are told. `keep` is called, before they are, where the outcome may be kept.
    pub fn land<T>(&self, key: &[u8], owner: &Asker, frame: &Frame, keep: impl FnOnce() -> T) -> Option<T> {
        let mut state = self.state.lock();
        let landed = state.land(key, owner)?;
        self.keys.store(state.keys(), Ordering::SeqCst);
        // Under the lock, so that a change of the key comes before (and overtakes the flight) or after.
        let kept = landed.is_current.then(keep);
        drop(state);
        for waiter in landed.waiters {
            waiter.tell(Outcome::Done, frame.clone());
        }
        kept
    }

    /// A key is changed by somebody else: whoever asks from now on wants what is true after that.
    pub fn overtake(&self, key: &[u8]) {
        if self.keys.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut state = self.state.lock();
        state.overtake(key);
        self.keys.store(state.keys(), Ordering::SeqCst);
    }

    /// All keys are changed.
    pub fn overtake_all(&self) {
        let mut state = self.state.lock();
        state.overtake_all();
        self.keys.store(0, Ordering::SeqCst);
    }

    /// An isolate (one load of the face) has ended; its outbox is closed.
    pub fn forget(&self, outbox: &Arc<Outbox>) {
        let mut state = self.state.lock();
        for next in state.leave_all(|asker| Arc::ptr_eq(&asker.outbox, outbox)) {
            next.tell(Outcome::TakeOver, Frame::empty());
        }
        self.keys.store(state.keys(), Ordering::SeqCst);
    }
}
