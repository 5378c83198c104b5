//! The other end of the wire: writes submissions, reads records.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use noizylab_engine::bridge::outbox::Drain;
use noizylab_engine::bridge::{Outbox, Wake};
use noizylab_engine::operations::Operation;
use noizylab_engine::processor::{Config, Processor};

/// One segment to submit; see `processor/batch.rs` for the fields.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    pub operation: u32,
    pub group: u64,
    pub priority: i32,
    pub retries: u32,
    pub timeout: f64,
    pub cancellable: bool,
    /// JSON text of an array.
    pub data: &'a str,
    pub count: u32,
}

/// The number of a native operation.
pub fn native(operation: Operation) -> u32 {
    u32::from(operation as u16)
}

/// The number of a user's operation.
pub fn hosted(number: u32) -> u32 {
    (1 << 16) + number
}

impl Default for Segment<'_> {
    fn default() -> Self {
        let operation = native(Operation::Echo);
        Self {
            operation,
            group: 1,
            priority: 0,
            retries: 0,
            timeout: 0.0,
            cancellable: false,
            data: "[1]",
            count: 1,
        }
    }
}

impl Segment<'_> {
    pub fn write(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for field in [self.operation, 0, self.count, u32::try_from(self.data.len()).unwrap()] {
            wire.extend_from_slice(&field.to_le_bytes());
        }
        wire.extend_from_slice(&(self.group as f64).to_le_bytes());
        wire.extend_from_slice(&0u32.to_le_bytes());
        wire.extend_from_slice(&self.priority.to_le_bytes());
        wire.extend_from_slice(&self.retries.to_le_bytes());
        wire.extend_from_slice(&0u32.to_le_bytes());
        wire.extend_from_slice(&self.timeout.to_le_bytes());
        wire.extend_from_slice(&u32::from(self.cancellable).to_le_bytes());
        wire.resize(64, 0);
        wire.extend_from_slice(self.data.as_bytes());
        wire.resize(wire.len().next_multiple_of(8), 0);
        wire
    }
}

/// Kinds of record, as on the wire.
pub const RESULTS: u32 = 1;
pub const FAILED: u32 = 2;
pub const HOSTS_WANTED: u32 = 4;
pub const HOST_END: u32 = 5;
pub const CLOSED: u32 = 6;
pub const SCALED: u32 = 7;
pub const WORK: u32 = 8;
pub const LEND: u32 = 18;

/// A record as it was drained.
#[derive(Debug)]
pub struct Got {
    pub kind: u32,
    pub group: u64,
    pub index: u32,
    pub count: u32,
    pub frame: Vec<u8>,
}

impl Got {
    /// The frame as text, whatever its layout: for looking for a part of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.frame).into_owned()
    }
}

struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(&self) {
        let _ = self.0.send(());
    }
}

/// An isolate's end of an outbox.
pub struct Inbox {
    pub outbox: Arc<Outbox>,
    bell: Receiver<()>,
    waiting: std::collections::VecDeque<Got>,
}

impl Inbox {
    pub fn new() -> Self {
        let (sender, bell) = channel();
        Self { outbox: Arc::new(Outbox::new(Box::new(Bell(sender)))), bell, waiting: Default::default() }
    }

    /// The next record; waits for it.
    pub fn next(&mut self) -> Got {
        while self.waiting.is_empty() {
            self.bell.recv_timeout(Duration::from_secs(30)).expect("a record comes");
            self.drain();
        }
        self.waiting.pop_front().unwrap()
    }

    /// The next record of this kind; others are dropped.
    pub fn next_of(&mut self, kind: u32) -> Got {
        loop {
            let got = self.next();
            if got.kind == kind {
                return got;
            }
        }
    }

    fn drain(&mut self) {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.outbox.drain_into(&mut buffer) {
                Drain::Written(0) => return,
                Drain::Needs(bytes) => buffer = vec![0; bytes],
                Drain::Written(written) => self.parse(&buffer[..written]),
            }
        }
    }

    fn parse(&mut self, mut wire: &[u8]) {
        while !wire.is_empty() {
            let field = |at: usize| u32::from_le_bytes(wire[at..at + 4].try_into().unwrap());
            let length = field(28) as usize;
            self.waiting.push_back(Got {
                kind: field(4),
                group: f64::from_le_bytes(wire[8..16].try_into().unwrap()) as u64,
                index: field(16),
                count: field(20),
                frame: wire[32..32 + length].to_vec(),
            });
            wire = &wire[32 + length.next_multiple_of(8)..];
        }
    }
}

/// A processor and the inbox of its owner.
pub fn processor(max_workers: usize) -> (Arc<Processor>, Inbox) {
    with_idle_timeout(max_workers, Duration::from_secs(60))
}

pub fn with_idle_timeout(max_workers: usize, idle_timeout: Duration) -> (Arc<Processor>, Inbox) {
    let inbox = Inbox::new();
    let config = Config { max_workers, min_workers: 0, auto_scale: true, idle_timeout };
    (Processor::new(config, 1, Arc::clone(&inbox.outbox)), inbox)
}
