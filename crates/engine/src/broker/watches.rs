//! Who is told of changes.
//!
//! A watch is bounded in the events that are on their way and in their bytes. Where its client does not keep up, it ends, and the client knows that it
//! has missed something: events are never left out in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::flights::Asker;
use super::session::Credit;

/// Most bytes of events on their way, for a watch.
const MOST_BYTES: u64 = 64 << 20;

/// What has happened to a key. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    /// It has a new value.
    Set = 1,
    /// It was deleted.
    Deleted = 2,
    /// It was found to be expired.
    Expired = 3,
}

/// A watch.
#[derive(Debug)]
pub(super) struct Watch {
    /// Who watches.
    pub asker: Asker,
    prefix: Box<[u8]>,
    most: u64,
    on_the_way: Arc<OnTheWay>,
}

#[derive(Debug, Default)]
struct OnTheWay {
    events: AtomicU64,
    bytes: AtomicU64,
}

/// Given back when an event has been handed over.
struct Event {
    bytes: u64,
    of: Arc<OnTheWay>,
}

impl Drop for Event {
    fn drop(&mut self) {
        self.of.events.fetch_sub(1, Ordering::Relaxed);
        self.of.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Watch {
    /// A watch of keys that begin with `prefix`; at most `most` events are on their way.
    pub fn new(asker: Asker, prefix: &[u8], most: u32) -> Self {
        Self { asker, prefix: prefix.into(), most: u64::from(most), on_the_way: Arc::default() }
    }

    /// Whether it is for this key.
    pub fn sees(&self, key: &[u8]) -> bool {
        key.starts_with(&self.prefix)
    }

    /// Room for one more event of so many bytes; `None`: the client does not keep up.
    pub fn credit(&self, bytes: usize) -> Option<Credit> {
        let of = Arc::clone(&self.on_the_way);
        let bytes = bytes as u64;
        let events = of.events.fetch_add(1, Ordering::Relaxed) + 1;
        let all = of.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let event = Event { bytes, of };
        (events <= self.most && all <= MOST_BYTES).then(|| Box::new(event) as Credit)
    }
}
