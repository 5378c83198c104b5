//! Memory of an isolate, which the test plays: it is touched in the isolate's turns only, and given back whatever happens.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use noizylab_engine::bridge::Wake;
use noizylab_engine::memory::{Hold, Lender, Lent, Memory, Turn};
use noizylab_engine::operations::Operation;
use noizylab_engine::payload::Element;
use noizylab_engine::processor::Processor;

use crate::wire::{Got, Inbox, LEND, RESULTS, Segment, native, processor};

/// The tests ask for themselves.
struct Silent;

impl Wake for Silent {
    fn wake(&self) {}
}

/// An isolate: its lender, and the holds on the arrays that it has lent.
struct Isolate {
    lender: Lender,
    holds: Vec<Weak<Hold>>,
    returned: usize,
    processor: Arc<Processor>,
    inbox: Inbox,
}

impl Isolate {
    fn new(threads: usize) -> Self {
        let (processor, inbox) = processor(threads);
        Self { lender: Lender::new(Box::new(Silent)), holds: Vec::new(), returned: 0, processor, inbox }
    }

    /// Lends an array to one task more.
    fn lend(&mut self, values: &mut [f64], shared: bool) -> Lent {
        let memory = Memory { pointer: values.as_mut_ptr().cast(), bytes: size_of_val(values) };
        // SAFETY: the array is alive.
        if let Some(copy) = unsafe { Lent::copied(Element::F64, memory, shared) }.unwrap() {
            return copy;
        }
        let hold = self.lender.hold(self.holds.len() as u64, Arc::clone(&self.inbox.outbox));
        self.holds.push(Arc::downgrade(&hold));
        // SAFETY: the tests keep the array until the hold has come back, and tell where they do not.
        unsafe { Lent::held(Element::F64, memory, shared, hold) }
    }

    /// Submits a task for each array, as one group.
    fn submit(&self, operation: Operation, group: u64, arrays: Vec<Lent>) {
        let count = u32::try_from(arrays.len()).unwrap();
        let segment = Segment {
            operation: native(operation),
            group,
            count,
            cancellable: true,
            data: "",
            ..Segment::default()
        };
        let mut wire = segment.write();
        wire[4..8].copy_from_slice(&2u32.to_le_bytes());
        wire[12..16].copy_from_slice(&(count * 16).to_le_bytes());
        wire[56..60].copy_from_slice(&count.to_le_bytes());
        for _ in 0..count {
            wire.extend_from_slice(&[9, 0, 0, 0, 4, 0, 0, 0]);
        }
        for slot in 0..count {
            wire.extend_from_slice(&u64::from(slot).to_le_bytes());
        }
        self.processor.submit(&wire, arrays).unwrap();
    }

    /// The next record of this kind, with a turn whenever one is asked for.
    fn next_of(&mut self, kind: u32) -> Got {
        loop {
            let got = self.inbox.next();
            if got.kind == LEND {
                self.turn();
            } else if got.kind == kind {
                return got;
            }
        }
    }

    /// The isolate's turn, until nobody waits for it.
    fn turn(&self) {
        loop {
            self.lender.begin_turn();
            if self.lender.lend(Instant::now() + Duration::from_millis(8)) == Turn::Done {
                return;
            }
        }
    }

    /// Waits until all holds but at most `left` have come back.
    fn until_returned(&mut self, left: usize) {
        while self.holds.len() > left + self.returned {
            self.returned += self.lender.take_returned().len();
            std::thread::yield_now();
        }
    }
}

fn scattered(length: usize) -> Vec<f64> {
    (0..length).map(|index| ((index * 7919) % length) as f64).collect()
}

#[test]
fn an_array_is_read_in_the_isolates_turn_and_given_back() {
    let mut isolate = Isolate::new(2);
    let mut values = scattered(100_000);
    let lent = isolate.lend(&mut values, false);
    isolate.submit(Operation::Sum, 1, vec![lent]);
    let frame = isolate.next_of(RESULTS).frame;
    assert_eq!(f64::from_le_bytes(frame[..8].try_into().unwrap()), 100_000.0 * 99_999.0 / 2.0);
    isolate.until_returned(0);
}

/// Two sorts of one array had it as `&mut` at the same time: numbers were lost and others came in their place.
#[test]
fn tasks_on_one_array_take_turns_and_lose_no_number() {
    for shared in [false, true] {
        let mut isolate = Isolate::new(4);
        let (mut values, mut sorted) = (scattered(300_000), scattered(300_000));
        sorted.sort_by(f64::total_cmp);
        for group in 0..12 {
            let operation = if group % 3 == 2 { Operation::Max } else { Operation::Sort };
            let lent = isolate.lend(&mut values, shared);
            isolate.submit(operation, group, vec![lent]);
        }
        for _ in 0..12 {
            isolate.next_of(RESULTS);
        }
        isolate.until_returned(0);
        assert!(values == sorted);
    }
}

#[test]
fn detached_memory_is_not_touched_and_its_task_fails() {
    for operation in [Operation::Sum, Operation::Sort, Operation::Gzip, Operation::Histogram] {
        let mut isolate = Isolate::new(1);
        let mut values = scattered(100_000);
        let lent = isolate.lend(&mut values, false);
        drop(values);
        isolate.submit(operation, 1, vec![lent, Lent::Gone]);
        while isolate.inbox.next().kind != LEND {}
        assert_eq!(isolate.lender.begin_turn(), [0]);
        isolate.holds[0].upgrade().unwrap().set_detached();
        isolate.lender.lend(Instant::now() + Duration::from_secs(1));
        let text: String = (0..2).map(|_| isolate.next_of(RESULTS).text()).collect();
        assert_eq!(text.matches("ERR_PROCESSOR_DETACHED").count(), 2, "{text}");
        isolate.until_returned(0);
    }
}

/// The arrays of tasks that were aborted while they waited were kept until the tasks' turn came.
#[test]
fn arrays_of_tasks_that_were_given_up_come_back_before_their_turn() {
    let mut isolate = Isolate::new(1);
    let mut values = scattered(1 << 20);
    // Without a turn of the isolate the first one goes on for ever.
    for group in 0..100 {
        let lent = isolate.lend(&mut values, false);
        isolate.submit(Operation::Sum, group, vec![lent]);
    }
    while isolate.inbox.next().kind != LEND {}
    for group in 1..100 {
        isolate.processor.cancel(group, true);
    }
    isolate.until_returned(3);
    isolate.processor.cancel(0, true);
    isolate.until_returned(0);
}

#[test]
fn a_closed_processor_gives_back_what_it_was_lent() {
    for shared in [false, true] {
        let mut isolate = Isolate::new(2);
        let mut values = scattered(1 << 20);
        let arrays = (0..200).map(|_| isolate.lend(&mut values, shared)).collect();
        isolate.submit(Operation::Sum, 1, arrays);
        isolate.next_of(RESULTS);
        isolate.processor.close();
        isolate.until_returned(0);
    }
}

#[test]
fn the_end_of_an_isolate_waits_for_nothing_that_waits_for_it() {
    let mut isolate = Isolate::new(2);
    let mut values = scattered(1 << 20);
    let arrays = (0..2).map(|_| isolate.lend(&mut values, false)).collect();
    isolate.submit(Operation::Sort, 1, arrays);
    while isolate.inbox.next().kind != LEND {}
    isolate.lender.end();
    drop(values);
    assert!(isolate.next_of(RESULTS).text().contains("ERR_PROCESSOR_CANCELLED"));
    isolate.until_returned(0);
}

#[test]
fn the_end_of_an_isolate_waits_for_shared_memory_that_is_in_use() {
    let mut isolate = Isolate::new(1);
    let mut values = scattered(1 << 20);
    for group in 0..20 {
        let lent = isolate.lend(&mut values, true);
        isolate.submit(Operation::Sort, group, vec![lent]);
    }
    isolate.next_of(RESULTS);
    isolate.processor.close();
    isolate.lender.end();
    // Nothing reads or writes it any more.
    let before = values.clone();
    isolate.until_returned(0);
    assert!(values == before);
}

#[test]
fn small_arrays_are_copied_when_they_are_submitted() {
    let mut isolate = Isolate::new(1);
    let mut values = vec![1.0; 100];
    let lent = isolate.lend(&mut values, false);
    values.fill(7.0);
    drop(values);
    isolate.submit(Operation::Sum, 1, vec![lent]);
    let frame = isolate.next_of(RESULTS).frame;
    assert_eq!(f64::from_le_bytes(frame[..8].try_into().unwrap()), 100.0);
}
