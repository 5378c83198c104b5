//! Who is told of changes.
//!
//! A watch is bounded in the events that are on their way, and a session in the bytes. Where its client does not keep up, a watch ends, and the client knows
//! that it has missed something: events are never left out in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::asker::Asker;
use super::session::Credit;

/// Most bytes of late frames on their way, for a session.
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
    events: Arc<AtomicU64>,
    session: OnTheWay,
}

/// Bytes of late frames that a session has not been handed yet. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct OnTheWay(Arc<AtomicU64>);

impl OnTheWay {
    /// Counts a frame until the credit is dropped; `false`: the client does not keep up.
    pub fn credit(&self, bytes: usize) -> (Credit, bool) {
        let bytes = bytes as u64;
        let all = self.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (Box::new(Counted { count: Arc::clone(&self.0), by: bytes }), all <= MOST_BYTES)
    }
}

/// Takes its part off a count when dropped.
struct Counted {
    count: Arc<AtomicU64>,
    by: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(self.by, Ordering::Relaxed);
    }
}

impl Watch {
    /// A watch of keys that begin with `prefix`; at most `most` events are on their way.
    pub fn new(asker: Asker, prefix: &[u8], most: u32, session: OnTheWay) -> Self {
        Self { asker, prefix: prefix.into(), most: u64::from(most), events: Arc::default(), session }
    }

    /// Whether it is for this key.
    pub fn sees(&self, key: &[u8]) -> bool {
        key.starts_with(&self.prefix)
    }

    /// Room for one more event of so many bytes; `None`: the client does not keep up.
    pub fn credit(&self, bytes: usize) -> Option<Credit> {
        let events = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        let event = Counted { count: Arc::clone(&self.events), by: 1 };
        let (credit, fits) = self.session.credit(bytes);
        (fits && events <= self.most).then(|| Box::new((event, credit)) as Credit)
    }
}
