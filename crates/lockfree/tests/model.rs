//! The pieces under the model checker: every interleaving that the memory model allows.
//!
//! `cargo test -p noizylab-lockfree --features model --release`; `LOOM_MAX_PREEMPTIONS` bounds the search.
#![cfg(feature = "model")]

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use noizylab_lockfree::{CompletionList, SlotWords};

#[test]
fn two_producers_and_a_consumer_lose_nothing_and_keep_the_order() {
    loom::model(|| {
        let list = Arc::new(CompletionList::new());
        let producers: Vec<_> = [0, 10]
            .into_iter()
            .map(|base| {
                let list = Arc::clone(&list);
                thread::spawn(move || {
                    list.push(base);
                    list.push(base + 1);
                })
            })
            .collect();
        let mut seen: Vec<i32> = list.drain(false).collect();
        for producer in producers {
            producer.join().expect("a producer does not panic");
        }
        seen.extend(list.drain(false));
        let of = |base: i32| seen.iter().copied().filter(|n| n / 10 == base / 10).collect::<Vec<_>>();
        assert_eq!(of(0), [0, 1]);
        assert_eq!(of(10), [10, 11]);
        assert_eq!(seen.len(), 4);
    });
}

/// Two producers of one value each, which count the wake-ups that they owe.
fn two_that_wake(list: &Arc<CompletionList<i32>>, wakes: &Arc<AtomicUsize>) -> Vec<thread::JoinHandle<()>> {
    let producer = |n| {
        let (list, wakes) = (Arc::clone(list), Arc::clone(wakes));
        thread::spawn(move || {
            if list.push(n) {
                wakes.fetch_add(1, Ordering::Release);
            }
        })
    };
    vec![producer(0), producer(1)]
}

/// A consumer that polls for a while is not woken meanwhile, and when it stops it knows of all that was not announced.
#[test]
fn a_consumer_that_stops_polling_leaves_nothing_behind() {
    loom::model(|| {
        let list = Arc::new(CompletionList::new());
        let wakes = Arc::new(AtomicUsize::new(0));
        let producers = two_that_wake(&list, &wakes);
        list.start_polling();
        let mut seen = list.drain(true).count();
        let is_left = list.stop_polling();
        if is_left {
            seen += list.drain(false).count();
        }
        for producer in producers {
            producer.join().expect("a producer does not panic");
        }
        // What came after it had stopped was announced; the wake-up before it began may have been answered by its drain.
        let announced = wakes.load(Ordering::Acquire);
        let left = list.drain(false).count();
        assert!(left == 0 || announced > 0, "{left} left without a wake-up");
        assert_eq!(seen + left, 2);
    });
}

/// The bridge's rule: whoever pushes to an empty list wakes; the consumer drains after each wake-up. When all is quiet
/// and every wake-up was answered, nothing is left behind.
#[test]
fn a_wake_up_per_empty_list_is_enough() {
    loom::model(|| {
        let list = Arc::new(CompletionList::new());
        let wakes = Arc::new(AtomicUsize::new(0));
        let producers = two_that_wake(&list, &wakes);
        let mut answered = 0;
        let mut seen = 0;
        if wakes.load(Ordering::Acquire) > answered {
            answered += 1;
            seen += list.drain(false).count();
        }
        for producer in producers {
            producer.join().expect("a producer does not panic");
        }
        let owed = wakes.load(Ordering::Acquire);
        assert!((1..=2).contains(&owed));
        for _ in answered..owed {
            seen += list.drain(false).count();
        }
        assert_eq!(seen, 2, "a value without a wake-up");
    });
}

/// A cell whose unsynchronized use the model checker reports.
struct Tracked(loom::cell::UnsafeCell<u32>);

// SAFETY: the test hands the cell from one thread to another through the list; the checker proves that this is enough.
unsafe impl Send for Tracked {}

#[test]
fn what_a_producer_wrote_before_the_push_is_seen_by_the_consumer() {
    loom::model(|| {
        let list = Arc::new(CompletionList::new());
        let producer = {
            let list = Arc::clone(&list);
            thread::spawn(move || {
                for n in 1..=2 {
                    let value = Tracked(loom::cell::UnsafeCell::new(0));
                    // SAFETY: nobody else has the cell yet.
                    value.0.with_mut(|cell| unsafe { *cell = n });
                    list.push(value);
                }
            })
        };
        for value in list.drain(false) {
            // SAFETY: the list handed the cell to this thread alone.
            value.0.with(|cell| assert_ne!(unsafe { *cell }, 0));
        }
        producer.join().expect("a producer does not panic");
    });
}

/// A producer that was told to wait is always started again once the consumer has taken everything.
#[test]
fn a_waiting_producer_is_started_again() {
    loom::model(|| {
        let backlog = Arc::new(noizylab_lockfree::Backlog::new(1));
        let consumer = {
            let backlog = Arc::clone(&backlog);
            backlog.add(1);
            backlog.add(1);
            thread::spawn(move || usize::from(backlog.remove(1)) + usize::from(backlog.remove(1)))
        };
        let waits = backlog.must_wait();
        let starts = consumer.join().expect("the consumer does not panic");
        assert!(!waits || starts >= 1, "told to wait and never started");
    });
}

/// The cache's rule: an isolate that holds a decoded value asks the version word alone. Once it has heard, in whatever way, that the
/// entry was changed, it must not answer with the old value.
#[test]
fn an_isolate_that_has_heard_of_a_change_does_not_see_the_old_value() {
    loom::model(|| {
        let words = Arc::new(SlotWords::default());
        let entry = Arc::new(Mutex::new("old"));
        let told = Arc::new(AtomicUsize::new(0));
        // The isolate decodes the entry under the lock of its slot.
        let (decoded, version) = {
            let entry = entry.lock().expect("nobody panics");
            (*entry, words.version())
        };
        let writer = {
            let (words, entry, told) = (Arc::clone(&words), Arc::clone(&entry), Arc::clone(&told));
            thread::spawn(move || {
                let mut entry = entry.lock().expect("nobody panics");
                words.bump();
                *entry = "new";
                drop(entry);
                told.store(1, Ordering::Release);
            })
        };
        let heard = told.load(Ordering::Acquire) == 1;
        let answer = if words.version() == version { decoded } else { *entry.lock().expect("nobody panics") };
        assert!(!heard || answer == "new");
        writer.join().expect("the writer does not panic");
        assert_ne!(words.version(), version);
    });
}

/// Isolates stamp without a lock, and the engine looks meanwhile. Hits may be lost or counted twice, but the engine sees no tick at which the slot was not used,
/// and never more hits than one a tick and isolate, the old ones included.
#[test]
fn a_stamp_is_always_one_of_those_that_were_made() {
    loom::model(|| {
        let words = Arc::new(SlotWords::default());
        words.reset(1);
        let isolates: Vec<_> = [2, 3]
            .into_iter()
            .map(|tick| {
                let words = Arc::clone(&words);
                thread::spawn(move || words.hit(tick))
            })
            .collect();
        let seen = words.take_hits();
        assert!(seen <= 2);
        assert!((1..=3).contains(&words.stamped(3)));
        for isolate in isolates {
            isolate.join().expect("an isolate does not panic");
        }
        assert!((1..=3).contains(&words.stamped(3)));
        assert!(words.take_hits() <= 2);
        assert_eq!(words.take_hits(), 0);
    });
}
