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
    /// The key was set or deleted meanwhile: the outcome answers, but is not kept.
    void: bool,
}

/// The flights of a cache.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_key: Mutex<HashMap<Box<[u8]>, Flight>>,
    /// Their number, so that changes of a cache without flights take no lock.
    count: AtomicUsize,
}

impl Flights {
    /// Somebody misses a key.
    pub fn begin(&self, key: &[u8], asker: Asker) -> Begin {
        let mut flights = self.by_key.lock();
        if let Some(flight) = flights.get_mut(key) {
            flight.waiters.push_back(asker);
            return Begin::Wait;
        }
        flights.insert(key.into(), Flight { owner: asker, waiters: VecDeque::new(), void: false });
        self.count.store(flights.len(), Ordering::SeqCst);
        Begin::Compute
    }

    /// The owner has an outcome; all that wait are told. `keep` is called, before they are, where the outcome may be kept.
    pub fn land<T>(&self, key: &[u8], owner: &Asker, frame: &Frame, keep: impl FnOnce() -> T) -> Option<T> {
        let mut flights = self.by_key.lock();
        if !flights.get(key).is_some_and(|flight| flight.owner.is(owner)) {
            return None;
        }
        let flight = flights.remove(key)?;
        self.count.store(flights.len(), Ordering::SeqCst);
        // Under the lock, so that a change of the key comes before (and makes the flight void) or after.
        let kept = (!flight.void).then(keep);
        drop(flights);
        for waiter in flight.waiters {
            waiter.tell(Outcome::Done, frame.clone());
        }
        kept
    }

    /// A key is changed by somebody else.
    pub fn void(&self, key: &[u8]) {
        if self.count.load(Ordering::SeqCst) > 0
            && let Some(flight) = self.by_key.lock().get_mut(key)
        {
            flight.void = true;
        }
    }

    /// All keys are changed.
    pub fn void_all(&self) {
        for flight in self.by_key.lock().values_mut() {
            flight.void = true;
        }
    }

    /// An isolate (one load of the face) has ended; its outbox is closed.
    pub fn forget(&self, outbox: &Arc<Outbox>) {
        let mut flights = self.by_key.lock();
        let orphaned: Vec<Box<[u8]>> = flights
            .iter_mut()
            .filter_map(|(key, flight)| {
                flight.waiters.retain(|waiter| !Arc::ptr_eq(&waiter.outbox, outbox));
                Arc::ptr_eq(&flight.owner.outbox, outbox).then(|| key.clone())
            })
            .collect();
        for key in orphaned {
            pass_on(&mut flights, &key);
        }
        self.count.store(flights.len(), Ordering::SeqCst);
    }
}

/// The next waiter owns the flight; without one it ends.
fn pass_on(flights: &mut HashMap<Box<[u8]>, Flight>, key: &[u8]) {
    let Some(flight) = flights.get_mut(key) else { return };
    match flight.waiters.pop_front() {
        Some(next) => {
            next.tell(Outcome::TakeOver, Frame::empty());
            flight.owner = next;
        }
        None => {
            flights.remove(key);
        }
    }
}
