//! The way out: what the engine has to tell one load of the face.
//!
//! Systems [`send`](Outbox::send) records from any thread. The first record in an empty outbox wakes the isolate; the face
//! then drains all that is there into memory of its own. On the wire a record is a header of 32 bytes and the bytes
//! of its frame, padded to a multiple of 8 (all little endian; `ts/bridge/bridge.ts` reads it):
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | channel: u32, which object of the face it is for |
//! | 4..8 | kind: u32, [`RecordKind`] |
//! | 8..16 | group: f64 |
//! | 16..20 | index: u32 |
//! | 20..24 | count: u32 |
//! | 24..28 | layout of the frame: u32 |
//! | 28..32 | length of the frame: u32 |

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use noizylab_lockfree::CompletionList;
use parking_lot::Mutex;

use super::frame::{Frame, align8};
use crate::error::Error;
use crate::payload::Tag;

/// Length of a record's header on the wire, in bytes.
pub const HEADER: usize = 32;

/// What a record tells. The numbers are part of the contract with `ts/bridge/bridge.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RecordKind {
    /// Results of tasks `index..index + count` of `group`, in the frame.
    Results = 1,
    /// Tasks `index..index + count` of `group` failed, all with the one error in the frame.
    Failed = 2,
    /// The queue has room again.
    Room = 3,
    /// `count` more hosts are wanted.
    HostsWanted = 4,
    /// Host `index` is to be terminated; it holds nothing any more.
    HostEnd = 5,
    /// The processor has finished all that it will finish.
    Closed = 6,
    /// The number of native workers is now `count`.
    Scaled = 7,
    /// To a host: there is work to take.
    Work = 8,
    /// What has become of a missing key that the face asked for: `index` says what.
    Flight = 9,
    /// To a client in the broker's own process: a frame of the broker's protocol, as it is.
    BrokerFrame = 10,
    /// To a client in the broker's own process: the broker has stopped.
    BrokerGone = 11,
    /// To a broker's owner: a line for the log.
    BrokerLog = 12,
    /// To a broker's owner: it listens (`index` 1), or why not.
    BrokerStarted = 13,
    /// To a broker's owner: no request is in flight any more (`index` 1), or the time for that is over.
    BrokerDrained = 14,
    /// To a broker's owner: nobody has asked for so long.
    BrokerIdle = 15,
    /// To an office of actors: post from the office `index`, of the kind `count`.
    ActorPost = 16,
    /// To an office of actors: the office `index` is closed, and its processes are gone.
    ActorOfficeGone = 17,
    /// To the bridge itself: workers wait for the isolate's turn to lend its memory.
    Lend = 18,
    /// The system refused what a processor needs: the face calls it again in `count` milliseconds, for it may have no thread that could.
    Retry = 20,
}

/// One thing that the engine tells the face.
pub struct Record {
    /// Which object of the face it is for.
    pub channel: u32,
    /// What it tells.
    pub kind: RecordKind,
    /// The group of tasks that it is about.
    pub group: u64,
    /// First task of the group, or a number by kind.
    pub index: u32,
    /// Number of tasks, or a number by kind.
    pub count: u32,
    /// Values.
    pub frame: Frame,
    /// Dropped when the record has been delivered (or can never be): back-pressure hangs on it.
    pub credit: Option<Box<dyn Any + Send>>,
}

impl Record {
    /// A record without values.
    pub fn notice(channel: u32, kind: RecordKind, index: u32, count: u32) -> Self {
        Self { channel, kind, group: 0, index, count, frame: Frame::empty(), credit: None }
    }

    fn wire_length(&self) -> usize {
        HEADER + align8(self.frame.bytes.len())
    }

    /// Writes the record's header: so much of the beginning of `out`.
    pub fn write_header(&self, out: &mut [u8]) {
        let bytes = &self.frame.bytes;
        out[0..4].copy_from_slice(&self.channel.to_le_bytes());
        out[4..8].copy_from_slice(&(self.kind as u32).to_le_bytes());
        out[8..16].copy_from_slice(&(self.group as f64).to_le_bytes());
        out[16..20].copy_from_slice(&self.index.to_le_bytes());
        out[20..24].copy_from_slice(&self.count.to_le_bytes());
        out[24..28].copy_from_slice(&(self.frame.layout as u32).to_le_bytes());
        let length = u32::try_from(bytes.len()).expect("a frame is shorter than 4 GiB");
        out[28..32].copy_from_slice(&length.to_le_bytes());
    }

    fn write(&self, out: &mut [u8]) {
        self.write_header(out);
        let bytes = &self.frame.bytes;
        out[HEADER..HEADER + bytes.len()].copy_from_slice(bytes);
    }

    /// What the face is told in place of this record where there is no memory for it there. `None`: it cannot do without.
    fn refused(&self) -> Option<Self> {
        let error = || {
            Frame::single(
                Tag::Error,
                Error::OutOfMemory { bytes: self.frame.bytes.len() }.to_json().as_bytes(),
            )
        };
        let (kind, frame) = match self.kind {
            RecordKind::Results | RecordKind::Failed => (RecordKind::Failed, error()),
            RecordKind::Flight => (RecordKind::Flight, error()),
            RecordKind::BrokerFrame => (RecordKind::BrokerGone, Frame::empty()),
            _ => return None,
        };
        Some(Self { frame, group: self.group, ..Self::notice(self.channel, kind, self.index, self.count) })
    }
}

/// Wakes the isolate that an outbox belongs to. Called from any thread, also after the isolate has ended.
pub trait Wake: Send + Sync {
    /// Makes the isolate drain its outboxes soon.
    fn wake(&self);
}

/// What [`Outbox::drain_into`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Drain {
    /// This many bytes were written; 0: nothing waits.
    Written(usize),
    /// Nothing was written: the next record needs a buffer of this many bytes.
    Needs(usize),
}

/// Records on their way to one load of the face.
pub struct Outbox {
    fresh: CompletionList<Record>,
    /// Only the isolate's thread takes this lock.
    taken: Mutex<Taken>,
    mail: Arc<Mail>,
    closed: AtomicBool,
    wake: Box<dyn Wake>,
}

/// What the isolate's thread knows of its outbox.
#[derive(Default)]
struct Taken {
    /// Drained from `fresh` but not yet taken by the face.
    records: VecDeque<Record>,
    /// The face looks by itself: it is not woken.
    polls: bool,
}

/// A number that grows with each record that is sent, to be mapped into the isolate: so it sees without a call whether there is mail.
#[derive(Debug, Default)]
pub struct Mail(AtomicU32);

impl Mail {
    /// The memory, for mapping: its address and its length in bytes.
    pub fn memory(&self) -> (*const u8, usize) {
        (self.0.as_ptr().cast_const().cast(), size_of::<AtomicU32>())
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("closed", &self.closed).finish_non_exhaustive()
    }
}

impl Outbox {
    /// An outbox whose isolate is woken by `wake`.
    pub fn new(wake: Box<dyn Wake>) -> Self {
        Self {
            fresh: CompletionList::new(),
            taken: Mutex::default(),
            mail: Arc::default(),
            closed: AtomicBool::new(false),
            wake,
        }
    }

    /// Sends a record. After [`close`](Self::close) it is dropped.
    pub fn send(&self, record: Record) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let owes_wake = self.fresh.push(record);
        self.mail.0.fetch_add(1, Ordering::SeqCst);
        // Closed between the first look and the push: either this look sees it, or `close` sees the record.
        if self.closed.load(Ordering::SeqCst) {
            drop(self.fresh.drain(false));
        } else if owes_wake {
            self.wake.wake();
        }
    }

    /// The number of records that were ever sent, modulo 2^32.
    pub fn mail(&self) -> Arc<Mail> {
        Arc::clone(&self.mail)
    }

    /// Whether the face looks by itself from now on, and is not woken. Turned off, `true`: something waits that nobody will announce.
    pub fn poll(&self, on: bool) -> bool {
        let mut taken = self.taken.lock();
        taken.polls = on;
        if on {
            self.fresh.start_polling();
            return false;
        }
        self.fresh.stop_polling() || !taken.records.is_empty()
    }

    /// Whether the face has something to drain.
    pub fn has_mail(&self) -> bool {
        !self.fresh.is_empty() || !self.taken.lock().records.is_empty()
    }

    /// Moves as many records as fit into `out`, oldest first.
    pub fn drain_into(&self, out: &mut [u8]) -> Drain {
        let mut taken = self.taken.lock();
        let fresh = self.fresh.drain(taken.polls);
        taken.records.extend(fresh);
        let mut written = 0;
        while let Some(record) = taken.records.front() {
            let length = record.wire_length();
            let Some(room) = out.get_mut(written..written + length) else {
                return if written == 0 { Drain::Needs(length) } else { Drain::Written(written) };
            };
            record.write(room);
            written += length;
            taken.records.pop_front();
        }
        Drain::Written(written)
    }

    /// Takes the next record out of what the last drain has left: its frame is too large to be copied.
    pub fn take_next(&self) -> Option<Record> {
        self.taken.lock().records.pop_front()
    }

    /// Puts a record that was taken out back.
    pub fn put_back(&self, record: Record) {
        self.taken.lock().records.push_front(record);
    }

    /// The face has no memory for the next record: it becomes one that says so. `false`: the face cannot do without, and is to try again later.
    pub fn refuse_next(&self) -> bool {
        let mut taken = self.taken.lock();
        let Some(next) = taken.records.front_mut() else { return true };
        let Some(refused) = next.refused() else { return false };
        *next = refused;
        true
    }

    /// The isolate is gone: drops what waits and all that will come.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // Whoever had counted its record before saw an open outbox: what it has pushed is seen below.
        self.mail.0.load(Ordering::SeqCst);
        let mut taken = self.taken.lock();
        taken.records.clear();
        taken.polls = false;
        drop(self.fresh.drain(false));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::bridge::Layout;

    struct Count(Arc<AtomicUsize>);

    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn outbox() -> (Outbox, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        (Outbox::new(Box::new(Count(Arc::clone(&wakes)))), wakes)
    }

    fn result(bytes: &[u8]) -> Record {
        let frame = Frame { layout: Layout::Json, count: 1, bytes: bytes.to_vec() };
        Record { channel: 7, kind: RecordKind::Results, group: 9, index: 1, count: 1, frame, credit: None }
    }

    #[test]
    fn many_records_cost_one_wake_up() {
        let (outbox, wakes) = outbox();
        (0..100).for_each(|_| outbox.send(result(b"[1]")));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(outbox.drain_into(&mut [0; 8192]), Drain::Written(100 * 40));
        assert!(!outbox.has_mail());
        outbox.send(result(b"[1]"));
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_does_not_fit_comes_with_the_next_drain_in_order() {
        let (outbox, _) = outbox();
        outbox.send(result(b"[1]"));
        outbox.send(result(&[b' '; 100]));
        let mut buffer = [0; 64];
        assert_eq!(outbox.drain_into(&mut buffer), Drain::Written(40));
        assert_eq!(&buffer[32..35], b"[1]");
        assert!(outbox.has_mail());
        assert_eq!(outbox.drain_into(&mut buffer), Drain::Needs(136));
        assert_eq!(outbox.drain_into(&mut [0; 136]), Drain::Written(136));
        assert_eq!(outbox.drain_into(&mut buffer), Drain::Written(0));
    }

    #[test]
    fn a_large_record_is_taken_as_it_is_or_becomes_one_that_says_why_not() {
        let (outbox, _) = outbox();
        outbox.send(result(&[b' '; 100]));
        outbox.send(Record::notice(7, RecordKind::ActorPost, 1, 0));
        assert_eq!(outbox.drain_into(&mut []), Drain::Needs(136));
        let record = outbox.take_next().expect("the first");
        assert_eq!(record.frame.bytes.len(), 100);
        outbox.put_back(record);
        assert!(outbox.refuse_next());
        let refused = outbox.take_next().expect("the first");
        assert_eq!(
            (refused.kind, refused.group, refused.index, refused.count),
            (RecordKind::Failed, 9, 1, 1)
        );
        assert!(refused.frame.bytes[8..].starts_with(br#"{"code":"ERR_CORE_OUT_OF_MEMORY""#));
        assert!(!outbox.refuse_next());
        assert!(outbox.has_mail());
    }

    #[test]
    fn who_looks_by_itself_is_not_woken_and_misses_nothing_when_it_stops() {
        let (outbox, wakes) = outbox();
        let mail = |outbox: &Outbox| outbox.mail.0.load(Ordering::Relaxed);
        outbox.poll(true);
        outbox.send(result(b"[1]"));
        outbox.send(result(b"[1]"));
        assert_eq!((wakes.load(Ordering::Relaxed), mail(&outbox)), (0, 2));
        assert_eq!(outbox.drain_into(&mut [0; 8192]), Drain::Written(80));
        assert!(!outbox.has_mail());
        outbox.send(result(b"[1]"));
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
        assert!(outbox.poll(false));
        assert_eq!(outbox.drain_into(&mut [0; 8192]), Drain::Written(40));
        assert!(!outbox.poll(false));
        outbox.send(result(b"[1]"));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
    }

    /// A record that was sent while the outbox closed used to stay in it, and its credit with it, until nobody held the outbox.
    #[test]
    fn a_record_that_is_sent_while_the_outbox_closes_gives_its_credit_back() {
        for _ in 0..2000 {
            let (outbox, _) = outbox();
            let credit = Arc::new(());
            let begin = std::sync::Barrier::new(3);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let record = Record { credit: Some(Box::new(Arc::clone(&credit))), ..result(b"[]") };
                        begin.wait();
                        outbox.send(record);
                    });
                }
                begin.wait();
                outbox.close();
            });
            assert_eq!(Arc::strong_count(&credit), 1);
        }
    }

    #[test]
    fn a_closed_outbox_drops_records_and_returns_their_credit() {
        let (outbox, wakes) = outbox();
        let credit = Arc::new(());
        let with_credit = || Record { credit: Some(Box::new(Arc::clone(&credit))), ..result(b"[]") };
        outbox.send(with_credit());
        outbox.close();
        outbox.send(with_credit());
        assert_eq!(Arc::strong_count(&credit), 1);
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
    }
}
