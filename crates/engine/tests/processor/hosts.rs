//! Hosts, played by the test: they take, give back, and die.

use std::sync::Arc;
use std::time::Duration;

use noizylab_engine::processor::{Processor, WORD_PROGRESS, words};

use crate::wire::{
    FAILED, HOST_END, HOSTS_WANTED, Inbox, RESULTS, Segment, WORK, hosted, processor, with_idle_timeout,
};

/// A host's end: its number, its inbox and its control words.
struct Host {
    id: u32,
    inbox: Inbox,
    words: Arc<noizylab_engine::bridge::Words<4>>,
}

/// One segment of a chunk as a host reads it.
#[derive(Debug)]
struct Piece {
    count: u32,
    group: u64,
    index: u32,
    attempt: u32,
    data: String,
}

impl Host {
    fn start(processor: &Arc<Processor>, id: u32) -> Self {
        let inbox = Inbox::new();
        processor.host_starting(id, true);
        let words = processor.attach_host(id, Arc::clone(&inbox.outbox)).expect("the host is wanted");
        Self { id, inbox, words }
    }

    /// Waits for work and takes it: the number of the chunk and its segments.
    fn take(&mut self, processor: &Arc<Processor>) -> (f64, Vec<Piece>) {
        let wire = processor.take_for_host(self.id).unwrap_or_else(|| {
            self.inbox.next_of(WORK);
            processor.take_for_host(self.id).expect("a woken host has work")
        });
        let field = |at: usize| u32::from_le_bytes(wire[at..at + 4].try_into().unwrap());
        let mut at = 16;
        let pieces = (0..field(8))
            .map(|_| {
                let length = field(at + 12) as usize;
                let piece = Piece {
                    count: field(at + 4),
                    group: f64::from_le_bytes(wire[at + 16..at + 24].try_into().unwrap()) as u64,
                    index: field(at + 24),
                    attempt: field(at + 28),
                    data: String::from_utf8(wire[at + 32..at + 32 + length].to_vec()).unwrap(),
                };
                at += 32 + length.next_multiple_of(8);
                piece
            })
            .collect();
        (f64::from_le_bytes(wire[..8].try_into().unwrap()), pieces)
    }

    /// Gives the first `done` tasks of a chunk back, each with its data as result.
    fn finish(&self, processor: &Arc<Processor>, (number, pieces): &(f64, Vec<Piece>), done: u32) {
        let mut wire = number.to_le_bytes().to_vec();
        wire.extend_from_slice(&u32::try_from(pieces.len()).unwrap().to_le_bytes());
        wire.extend_from_slice(&done.to_le_bytes());
        let mut left = done;
        for piece in pieces {
            let count = left.min(piece.count);
            left -= count;
            let result = format!("[{}]", vec!["7"; count as usize].join(","));
            for field in [0, count, 0, u32::try_from(result.len()).unwrap()] {
                wire.extend_from_slice(&field.to_le_bytes());
            }
            wire.extend_from_slice(&[0; 16]);
            wire.extend_from_slice(result.as_bytes());
            wire.resize(wire.len().next_multiple_of(8), 0);
        }
        assert!(processor.finish_for_host(self.id, &wire));
    }
}

fn tasks(group: u64, data: &str, count: u32) -> Segment<'_> {
    Segment { operation: hosted(0), group, data, count, ..Segment::default() }
}

/// Lets the pace of operation 0 be known, so that chunks are larger than one task.
fn warm_up(processor: &Arc<Processor>, host: &mut Host, inbox: &mut Inbox) {
    processor.submit(&tasks(1000, "[0]", 1).write(), Vec::new()).unwrap();
    let chunk = host.take(processor);
    host.finish(processor, &chunk, 1);
    inbox.next_of(RESULTS);
}

#[test]
fn tasks_ask_for_hosts_and_wake_them() {
    let (processor, mut inbox) = processor(2);
    processor.submit(&tasks(1, "[1,2,3]", 3).write(), Vec::new()).unwrap();
    assert_eq!(inbox.next_of(HOSTS_WANTED).count, 2);
    let mut host = Host::start(&processor, 1);
    let chunk = host.take(&processor);
    assert_eq!((chunk.1[0].group, chunk.1[0].data.as_str()), (1, "[1]"));
    host.finish(&processor, &chunk, 1);
    assert_eq!(inbox.next_of(RESULTS).text(), "[7]");
}

#[test]
fn what_a_host_gives_back_unfinished_runs_again_in_its_place() {
    let (processor, mut inbox) = processor(1);
    let mut host = Host::start(&processor, 1);
    warm_up(&processor, &mut host, &mut inbox);
    processor.submit(&tasks(1, "[1,2,3,4,5,6,7,8]", 8).write(), Vec::new()).unwrap();
    let chunk = host.take(&processor);
    assert!(chunk.1[0].count > 1);
    host.finish(&processor, &chunk, 1);
    let got = inbox.next_of(RESULTS);
    assert_eq!((got.index, got.count), (0, 1));
    assert_eq!(host.take(&processor).1[0].index, 1);
}

#[test]
fn the_task_that_a_dead_host_was_at_fails_and_its_neighbours_run_again() {
    let (processor, mut inbox) = processor(1);
    let mut host = Host::start(&processor, 1);
    warm_up(&processor, &mut host, &mut inbox);
    processor.submit(&tasks(1, "[0,1,2,3,4,5,6,7]", 8).write(), Vec::new()).unwrap();
    let held = host.take(&processor).1[0].count;
    assert!(held >= 3, "{held}");
    host.words.set(WORD_PROGRESS, 1.0);
    processor.host_lost(1, "it ran out of memory");
    let got = inbox.next_of(FAILED);
    assert_eq!((got.group, got.index, got.count), (1, 1, 1));
    assert!(got.text().contains("ERR_PROCESSOR_WORKER_DIED") && got.text().contains("out of memory"));
    assert_eq!(processor.words().get(words::RERUN), f64::from(held - 1));

    let mut second = Host::start(&processor, 2);
    let mut answered = Vec::new();
    while answered.len() < 7 {
        let chunk = second.take(&processor);
        for piece in &chunk.1 {
            answered.extend(piece.index..piece.index + piece.count);
        }
        let done = chunk.1.iter().map(|piece| piece.count).sum();
        second.finish(&processor, &chunk, done);
    }
    answered.sort_unstable();
    assert_eq!(answered, [0, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_task_with_retries_survives_the_death_of_its_host() {
    let (processor, mut inbox) = processor(1);
    let mut host = Host::start(&processor, 1);
    processor.submit(&Segment { retries: 1, ..tasks(1, "[5]", 1) }.write(), Vec::new()).unwrap();
    host.take(&processor);
    processor.host_lost(1, "exit");
    let mut second = Host::start(&processor, 2);
    let chunk = second.take(&processor);
    assert_eq!(chunk.1[0].attempt, 1);
    second.finish(&processor, &chunk, 1);
    assert_eq!(inbox.next_of(RESULTS).text(), "[7]");
}

#[test]
fn a_deadline_ends_the_host_and_what_it_gives_back_later_is_ignored() {
    let (processor, mut inbox) = processor(1);
    let mut host = Host::start(&processor, 1);
    processor.submit(&Segment { timeout: 20.0, ..tasks(1, "[5]", 1) }.write(), Vec::new()).unwrap();
    let chunk = host.take(&processor);
    let (mut ended, mut failed) = (0, 0);
    while ended + failed < 2 {
        match inbox.next() {
            got if got.kind == HOST_END => ended += 1,
            got if got.kind == FAILED => failed += got.count,
            got => assert_ne!(got.kind, RESULTS),
        }
    }
    host.finish(&processor, &chunk, 1);
    assert_eq!(processor.words().get(words::PROCESSED), 0.0);
    assert_eq!(processor.words().get(words::FAILED), 1.0);
}

#[test]
fn hosts_that_die_before_they_work_do_not_start_for_ever() {
    let (processor, mut inbox) = processor(1);
    processor.submit(&tasks(1, "[1,2]", 2).write(), Vec::new()).unwrap();
    for id in 1..=3 {
        inbox.next_of(HOSTS_WANTED);
        processor.host_starting(id, true);
        processor.host_lost(id, "its flags are wrong");
    }
    let got = inbox.next_of(FAILED);
    assert_eq!(got.count, 2);
    assert!(got.text().contains("its flags are wrong"));
}

#[test]
fn an_idle_host_is_ended() {
    let (processor, mut inbox) = with_idle_timeout(1, Duration::from_millis(5));
    let _host = Host::start(&processor, 1);
    assert_eq!(inbox.next_of(HOST_END).index, 1);
    assert_eq!(processor.words().get(words::HOSTS), 0.0);
}

/// Data was sent to a host that was being ended: the task failed, and the data was gone.
#[test]
fn a_host_that_is_held_is_not_ended_for_being_idle() {
    let (processor, mut inbox) = with_idle_timeout(2, Duration::from_millis(100));
    let _held = Host::start(&processor, 1);
    assert!(processor.hold_host(1, true));
    let _idle = Host::start(&processor, 2);
    assert_eq!(inbox.next_of(HOST_END).index, 2);
    assert_eq!(processor.words().get(words::HOSTS), 1.0);
    processor.hold_host(1, false);
    assert_eq!(inbox.next_of(HOST_END).index, 1);
    assert!(!processor.hold_host(1, true));
}

#[test]
fn a_host_that_nobody_asked_for_is_started_only_where_there_is_room() {
    let (processor, mut inbox) = processor(2);
    assert!(processor.host_starting(1, false));
    processor.submit(&tasks(1, "[1,2]", 2).write(), Vec::new()).unwrap();
    // One is coming, so one more is wanted; with that there is no room.
    assert_eq!(inbox.next_of(HOSTS_WANTED).count, 1);
    assert!(!processor.host_starting(2, false));
    assert!(processor.host_starting(2, true));
    assert!(!processor.host_starting(3, false));
}
