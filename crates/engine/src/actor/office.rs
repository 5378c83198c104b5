//! An office: what comes from other threads to one load of the face, and goes from it to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::table;
use crate::bridge::{Frame, Layout, Outbox, Record, RecordKind};

static LAST: AtomicU32 = AtomicU32::new(0);

/// One thread's part in the traffic between threads.
#[derive(Debug)]
pub struct Office {
    number: u32,
    /// That of the thread that has started this one and can end it; 0: nobody can.
    owner: AtomicU32,
    outbox: Arc<Outbox>,
    channel: u32,
}

/// What one office tells another in one go. What the bytes mean is the affair of `ts/actor/`.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// The number of the office that sends.
    pub from: u32,
    /// What it says.
    pub bytes: &'a [u8],
}

impl Office {
    /// Opens the office of a load, whose post goes to `channel`.
    pub fn open(outbox: Arc<Outbox>, channel: u32) -> Arc<Self> {
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let office = Arc::new(Self { number, owner: AtomicU32::new(0), outbox, channel });
        table::open(Arc::clone(&office));
        office
    }

    /// Its number: never used again.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The number of the office whose thread has started this one's and can end it; 0: there is none.
    pub fn owner(&self) -> u32 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Says who can end this office's thread.
    pub fn set_owner(&self, number: u32) {
        self.owner.store(number, Ordering::Relaxed);
    }

    /// The load has ended, and all its processes with it.
    pub fn close(&self) {
        table::close(self.number);
    }

    /// Takes post for its load.
    pub fn post(&self, Post { from, bytes }: Post<'_>) {
        let frame = Frame { layout: Layout::Mixed, count: 0, bytes: bytes.to_vec() };
        let record = Record {
            channel: self.channel,
            kind: RecordKind::ActorPost,
            group: 0,
            index: from,
            count: 0,
            frame,
            credit: None,
        };
        self.outbox.send(record);
    }

    pub(super) fn tell_gone(&self, number: u32) {
        self.outbox.send(Record::notice(self.channel, RecordKind::ActorOfficeGone, number, 0));
    }
}
