//! The completion list under real threads.
#![cfg(not(feature = "model"))]

use std::sync::Arc;
use std::thread;

use noizylab_lockfree::CompletionList;

#[test]
fn every_value_is_drained_once_and_in_the_order_of_its_producer() {
    const PRODUCERS: usize = 4;
    const EACH: usize = 50_000;
    let list = Arc::new(CompletionList::new());
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let list = Arc::clone(&list);
            thread::spawn(move || (0..EACH).for_each(|n| _ = list.push((producer, n))))
        })
        .collect();
    let mut next = [0; PRODUCERS];
    while next.iter().sum::<usize>() < PRODUCERS * EACH {
        for (producer, n) in list.drain(false) {
            assert_eq!(n, next[producer]);
            next[producer] += 1;
        }
    }
    for producer in producers {
        producer.join().expect("a producer does not panic");
    }
    assert!(list.is_empty());
}

#[test]
fn only_a_push_to_an_empty_list_asks_for_a_wake_up() {
    let list = CompletionList::new();
    assert!(list.push(1));
    assert!(!list.push(2));
    assert_eq!(list.drain(false).collect::<Vec<_>>(), [1, 2]);
    assert!(list.push(3));
}

#[test]
fn what_was_never_taken_is_dropped_with_the_list() {
    let value = Arc::new(());
    let list = CompletionList::new();
    list.push(Arc::clone(&value));
    list.push(Arc::clone(&value));
    let mut drained = list.drain(false);
    assert!(drained.next().is_some());
    list.push(Arc::clone(&value));
    drop(drained);
    drop(list);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_backlog_holds_producers_above_its_limit_and_starts_them_once() {
    let backlog = noizylab_lockfree::Backlog::new(10);
    backlog.add(10);
    assert!(!backlog.must_wait());
    backlog.add(1);
    assert!(backlog.must_wait());
    assert!(backlog.remove(5));
    assert!(!backlog.remove(5));
    assert!(!backlog.must_wait());
}
