//! One computation of a missing value for all isolates.
//!
//! The first who asks for a key owns its flight and computes. The others wait, and are told the outcome. When the owner's
//! isolate ends, the next one in line takes over.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::bridge::{Frame, Outbox, Record, RecordKind};

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

impl Asker {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.outbox, &other.outbox)
            && (self.channel, self.ticket) == (other.channel, other.ticket)
    }

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

#[derive(Debug)]
struct Flight {
    owner: Asker,
    waiters: VecDeque<Asker>,
}

impl Flight {
    /// The next waiter owns the flight; `false`: there is none, and the flight is over.
    fn pass_on(&mut self) -> bool {
        let Some(next) = self.waiters.pop_front() else { return false };
        next.tell(Outcome::TakeOver, Frame::empty());
        self.owner = next;
        true
    }

    /// An isolate has ended. `false`: the flight is over.
    fn forget(&mut self, outbox: &Arc<Outbox>) -> bool {
        self.waiters.retain(|waiter| !Arc::ptr_eq(&waiter.outbox, outbox));
        !Arc::ptr_eq(&self.owner.outbox, outbox) || self.pass_on()
    }
}

#[derive(Debug, Default)]
struct State {
    by_key: HashMap<Box<[u8]>, Flight>,
    /// Their keys were set or deleted meanwhile: the outcome answers those who wait already, and is not kept.
    overtaken: Vec<Flight>,
}

/// The flights of a cache.
#[derive(Debug, Default)]
pub(super) struct Flights {
    state: Mutex<State>,
    /// Number of keys in flight, so that changes of a cache without flights take no lock.
    keys: AtomicUsize,
}

impl Flights {
    /// Somebody misses a key.
    pub fn begin(&self, key: &[u8], asker: Asker) -> Begin {
        let mut state = self.state.lock();
        if let Some(flight) = state.by_key.get_mut(key) {
            flight.waiters.push_back(asker);
            return Begin::Wait;
        }
        state.by_key.insert(key.into(), Flight { owner: asker, waiters: VecDeque::new() });
        self.keys.store(state.by_key.len(), Ordering::SeqCst);
        Begin::Compute
    }

    /// The owner has an outcome; all that wait are told. `keep` is called, before they are, where the outcome may be kept.
    pub fn land<T>(&self, key: &[u8], owner: &Asker, frame: &Frame, keep: impl FnOnce() -> T) -> Option<T> {
        let mut state = self.state.lock();
        let is_current = state.by_key.get(key).is_some_and(|flight| flight.owner.is(owner));
        let flight = if is_current {
            state.by_key.remove(key)
        } else {
            let at = state.overtaken.iter().position(|flight| flight.owner.is(owner));
            at.map(|at| state.overtaken.swap_remove(at))
        }?;
        self.keys.store(state.by_key.len(), Ordering::SeqCst);
        // Under the lock, so that a change of the key comes before (and overtakes the flight) or after.
        let kept = is_current.then(keep);
        drop(state);
        for waiter in flight.waiters {
            waiter.tell(Outcome::Done, frame.clone());
        }
        kept
    }

    /// A key is changed by somebody else: who asks from now on wants what is true after that.
    pub fn overtake(&self, key: &[u8]) {
        if self.keys.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut state = self.state.lock();
        if let Some(flight) = state.by_key.remove(key) {
            state.overtaken.push(flight);
        }
        self.keys.store(state.by_key.len(), Ordering::SeqCst);
    }

    /// All keys are changed.
    pub fn overtake_all(&self) {
        let mut state = self.state.lock();
        let State { by_key, overtaken } = &mut *state;
        overtaken.extend(by_key.drain().map(|(_, flight)| flight));
        self.keys.store(0, Ordering::SeqCst);
    }

    /// An isolate (one load of the face) has ended; its outbox is closed.
    pub fn forget(&self, outbox: &Arc<Outbox>) {
        let mut state = self.state.lock();
        state.by_key.retain(|_, flight| flight.forget(outbox));
        state.overtaken.retain_mut(|flight| flight.forget(outbox));
        self.keys.store(state.by_key.len(), Ordering::SeqCst);
    }
}
