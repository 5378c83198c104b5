//! Who runs a broker: the object of the face that is told what happens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::bridge::{Frame, Outbox, Record, RecordKind};
use crate::payload::Tag;

/// So many log lines may wait for the isolate; what comes beyond is counted and told.
const MOST_LINES: u64 = 10_000;

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words that everybody uses")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// The level of a number from the face: 0 (debug) to 3 (error).
    pub fn from_u32(value: u32) -> Self {
        [Self::Debug, Self::Info, Self::Warn].get(value as usize).copied().unwrap_or(Self::Error)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The way to the object of the face.
#[derive(Debug)]
pub struct Owner {
    outbox: Arc<Outbox>,
    channel: u32,
    least: Level,
    waiting: Arc<AtomicU64>,
    dropped: AtomicU64,
}

/// Given back when a log line has been handed over.
struct Line(Arc<AtomicU64>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Owner {
    /// The object is known as `channel`; log lines below `least` are not wanted.
    pub fn new(outbox: Arc<Outbox>, channel: u32, least: Level) -> Self {
        Self { outbox, channel, least, waiting: Arc::default(), dropped: AtomicU64::new(0) }
    }

    /// Whether a line of this level is wanted.
    pub fn wants(&self, level: Level) -> bool {
        level >= self.least
    }

    /// Logs a line; `fields` is a JSON object. The isolate that does not keep up loses lines, and is told how many.
    pub fn log(&self, level: Level, message: &str, fields: Value) {
        if !self.wants(level) {
            return;
        }
        if self.waiting.load(Ordering::Relaxed) >= MOST_LINES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.send_line(Level::Warn, "Log lines dropped", &json!({ "lines": dropped }));
        }
        self.send_line(level, message, &fields);
    }

    /// Tells something: `index` and `count` by kind, and a text.
    pub fn tell(&self, kind: RecordKind, index: u32, text: &str) {
        let frame = Frame::single(Tag::Text, text.as_bytes());
        let record = Record { frame, ..Record::notice(self.channel, kind, index, 1) };
        self.outbox.send(record);
    }

    fn send_line(&self, level: Level, message: &str, fields: &Value) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let line = json!({ "level": level.word(), "message": message, "fields": fields });
        let frame = Frame::single(Tag::Json, line.to_string().as_bytes());
        let credit = Some(Box::new(Line(Arc::clone(&self.waiting))) as _);
        self.outbox.send(Record {
            frame,
            credit,
            ..Record::notice(self.channel, RecordKind::BrokerLog, 0, 1)
        });
    }
}
