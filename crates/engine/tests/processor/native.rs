//! Native tasks: answered once, in order of urgency, cancelled, timed out, drained.

use std::collections::HashMap;
use std::time::Duration;

use noizylab_engine::operations::Operation;
use noizylab_engine::processor::words;

use crate::wire::{CLOSED, FAILED, Got, RESULTS, SCALED, Segment, native, processor, with_idle_timeout};

/// Runs for ever unless it is stopped.
const ENDLESS: Segment<'_> =
    Segment { operation: Operation::Compute as u32, data: r#"[{"iterations":1e15}]"#, ..SIMPLE };
const SIMPLE: Segment<'_> = Segment {
    operation: Operation::Echo as u32,
    group: 1,
    priority: 0,
    retries: 0,
    timeout: 0.0,
    cancellable: false,
    data: "[1]",
    count: 1,
};

#[test]
fn every_task_is_answered_exactly_once() {
    let (processor, mut inbox) = processor(4);
    const TASKS: u32 = 20_000;
    let data = format!("[{}]", (0..TASKS).map(|n| format!("[{n},1]")).collect::<Vec<_>>().join(","));
    for group in 1..=3 {
        let operation = native(Operation::Aggregate);
        let segment = Segment { operation, group, data: &data, count: TASKS, ..Segment::default() };
        processor.submit(&segment.write(), Vec::new()).unwrap();
    }
    let mut answers: HashMap<(u64, u32), f64> = HashMap::new();
    while answers.len() < 3 * TASKS as usize {
        let Got { group, index, count, frame, .. } = inbox.next_of(RESULTS);
        for (position, value) in frame.chunks_exact(8).enumerate() {
            let value = f64::from_le_bytes(value.try_into().unwrap());
            assert!(position < count as usize);
            let before = answers.insert((group, index + u32::try_from(position).unwrap()), value);
            assert!(before.is_none(), "answered twice");
        }
    }
    assert!(answers.iter().all(|(&(_, index), &sum)| sum == f64::from(index) + 1.0));
    assert_eq!(processor.words().get(words::PROCESSED), f64::from(3 * TASKS));
    assert_eq!(processor.words().get(words::QUEUED), 0.0);
}

#[test]
fn more_urgent_tasks_start_first_and_equal_ones_in_their_order() {
    let (processor, mut inbox) = processor(1);
    let blocker = Segment { group: 99, cancellable: true, ..ENDLESS };
    processor.submit(&blocker.write(), Vec::new()).unwrap();
    let mut wire = Vec::new();
    for (group, priority) in [(1, 0), (2, 5), (3, -1), (4, 5)] {
        wire.extend(Segment { group, priority, ..SIMPLE }.write());
    }
    processor.submit(&wire, Vec::new()).unwrap();
    processor.cancel(99, true);
    let order: Vec<u64> = (0..4).map(|_| inbox.next_of(RESULTS).group).collect();
    assert_eq!(order, [2, 4, 1, 3]);
}

#[test]
fn a_deadline_stops_what_runs_and_what_waits() {
    let (processor, mut inbox) = processor(1);
    processor.submit(&Segment { group: 1, timeout: 30.0, ..ENDLESS }.write(), Vec::new()).unwrap();
    processor.submit(&Segment { group: 2, timeout: 20.0, ..ENDLESS }.write(), Vec::new()).unwrap();
    let mut failed: Vec<u64> = (0..2)
        .map(|_| {
            let got = inbox.next_of(FAILED);
            assert!(got.text().contains("ERR_PROCESSOR_TIMEOUT"), "{}", got.text());
            got.group
        })
        .collect();
    failed.sort_unstable();
    assert_eq!(failed, [1, 2]);
    processor.submit(&Segment { group: 3, ..SIMPLE }.write(), Vec::new()).unwrap();
    assert_eq!(inbox.next_of(RESULTS).group, 3);
}

#[test]
fn an_error_is_tried_again_as_often_as_allowed() {
    let (processor, mut inbox) = processor(1);
    let operation = native(Operation::FileInfo);
    let data = r#"["/no/such/file"]"#;
    processor.submit(&Segment { operation, data, retries: 2, ..SIMPLE }.write(), Vec::new()).unwrap();
    let got = inbox.next_of(RESULTS);
    assert!(got.text().contains("ERR_PROCESSOR_IO"), "{}", got.text());
    assert_eq!(processor.words().get(words::RETRIED), 2.0);
    assert_eq!(processor.words().get(words::FAILED), 1.0);
}

#[test]
fn a_shutdown_finishes_what_it_has_and_takes_no_more() {
    let (processor, mut inbox) = processor(2);
    processor.submit(&Segment { data: "[1,2,3]", count: 3, ..SIMPLE }.write(), Vec::new()).unwrap();
    processor.shutdown(None, false).expect("no timer is needed");
    assert_eq!(processor.submit(&SIMPLE.write(), Vec::new()).unwrap_err().code(), "ERR_PROCESSOR_SHUT_DOWN");
    let mut answered = 0;
    loop {
        let got = inbox.next();
        match got.kind {
            RESULTS => answered += got.count,
            CLOSED => break,
            _ => {}
        }
    }
    assert_eq!(answered, 3);
}

#[test]
fn a_shutdown_without_patience_fails_what_is_not_finished() {
    for (patience, force) in [(None, true), (Some(Duration::from_millis(10)), false)] {
        let (processor, mut inbox) = processor(1);
        processor.submit(&ENDLESS.write(), Vec::new()).unwrap();
        processor.submit(&Segment { group: 2, timeout: 1e7, ..ENDLESS }.write(), Vec::new()).unwrap();
        processor.shutdown(patience, force).expect("there is a runtime");
        let mut failed = 0;
        loop {
            let got = inbox.next();
            match got.kind {
                FAILED => {
                    assert!(got.text().contains("ERR_PROCESSOR_SHUT_DOWN"), "{}", got.text());
                    failed += got.count;
                }
                CLOSED => break,
                _ => {}
            }
        }
        assert_eq!(failed, 2);
    }
}

#[test]
fn idle_threads_end_and_come_back_with_the_load() {
    let (processor, mut inbox) = with_idle_timeout(2, Duration::from_millis(5));
    assert_eq!(processor.start(), 2);
    while inbox.next_of(SCALED).count > 0 {}
    processor.submit(&SIMPLE.write(), Vec::new()).unwrap();
    assert_eq!(inbox.next_of(SCALED).count, 1);
    inbox.next_of(RESULTS);
}

#[test]
fn damaged_submissions_are_refused_whole() {
    let (processor, _inbox) = processor(1);
    let good = SIMPLE.write();
    for damaged in [&good[..good.len() - 1], &good[..40], &[&good[..], &[0; 8]].concat()] {
        assert_eq!(processor.submit(damaged, Vec::new()).unwrap_err().code(), "ERR_CORE_UNREADABLE");
    }
    let unknown = Segment { operation: 9999, ..SIMPLE }.write();
    assert_eq!(processor.submit(&unknown, Vec::new()).unwrap_err().code(), "ERR_CORE_UNREADABLE");
    assert_eq!(processor.words().get(words::QUEUED), 0.0);
}

#[test]
fn data_that_is_no_json_array_fails_its_tasks_and_nothing_else() {
    let (processor, mut inbox) = processor(1);
    let operation = native(Operation::Aggregate);
    processor.submit(&Segment { operation, data: "[1,2", count: 2, ..SIMPLE }.write(), Vec::new()).unwrap();
    let got = inbox.next_of(RESULTS);
    assert!(got.text().contains("ERR_PROCESSOR_INVALID_DATA"), "{}", got.text());
    processor.submit(&Segment { group: 2, ..SIMPLE }.write(), Vec::new()).unwrap();
    while inbox.next_of(RESULTS).group != 2 {}
}
