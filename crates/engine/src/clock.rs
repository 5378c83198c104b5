//! The time as a control word: milliseconds of a monotonic clock that JavaScript reads from mapped memory, where asking
//! the system costs as much as a cache hit.
//!
//! A thread refreshes the word about every millisecond while somebody wants it. It cannot know who reads; so it parks after
//! [`AWAKE`] by setting the word to 0, and whoever reads 0 calls [`wake`]: one call in many thousand reads, and an
//! idle process wakes nobody.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::bridge::Words;

/// How often the word is refreshed.
const TICK: Duration = Duration::from_millis(1);
/// How long the word is refreshed after a [`wake`].
const AWAKE: Duration = Duration::from_millis(64);

/// How long after a refusal the system is asked again for the thread.
const NEXT_TRY: Duration = Duration::from_secs(1);

struct Clock {
    /// Read by isolates. Written under `thread`.
    word: Arc<Words<1>>,
    thread: Mutex<Thread>,
    wanted: Condvar,
}

/// The thread that refreshes the word.
#[derive(Default)]
struct Thread {
    /// There is one; the limit of threads may forbid it.
    runs: bool,
    /// When it was refused.
    refused: Option<Instant>,
    /// Until when it refreshes the word; `None`: it is parked.
    until: Option<Instant>,
}

impl Thread {
    /// Whether there is one, if need be from now on.
    fn ensure(&mut self) -> bool {
        if !self.runs && self.refused.is_none_or(|refused| refused.elapsed() > NEXT_TRY) {
            let builder = thread::Builder::new().name("noizylab-clock".to_owned());
            self.runs = builder.spawn(|| refresh(clock())).is_ok();
            self.refused = (!self.runs).then(Instant::now);
        }
        self.runs
    }
}

/// Milliseconds since the first call in this process, plus one: never 0. A multiple of a 1024th, so that adding whole milliseconds and
/// taking the time off again is exact.
pub fn now() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let milliseconds = START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1000.0;
    (milliseconds * 1024.0).floor() / 1024.0 + 1.0
}

/// The word: [`now`] as it was at most about a millisecond ago, or 0 while nobody refreshes it.
pub fn word() -> Arc<Words<1>> {
    Arc::clone(&clock().word)
}

/// The time as isolates read it: the word, or [`wake`] where it stands at 0. Who compares times with theirs takes this one.
pub fn read() -> f64 {
    match clock().word.get(0) {
        0.0 => wake(),
        time => time,
    }
}

/// Has the word refreshed for a while, and returns the time now.
pub fn wake() -> f64 {
    let clock = clock();
    let mut thread = clock.thread.lock();
    let time = now();
    if !thread.ensure() {
        return time; // the word stays 0: every reader asks
    }
    clock.word.set(0, time);
    thread.until = Some(Instant::now() + AWAKE);
    clock.wanted.notify_one();
    time
}

fn clock() -> &'static Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(|| Clock { word: Arc::default(), thread: Mutex::default(), wanted: Condvar::new() })
}

fn refresh(clock: &Clock) {
    let mut thread = clock.thread.lock();
    loop {
        match thread.until {
            Some(end) if Instant::now() < end => {
                clock.word.set(0, now());
                parking_lot::MutexGuard::unlocked(&mut thread, || thread::sleep(TICK));
            }
            Some(_) => {
                clock.word.set(0, 0.0);
                thread.until = None;
            }
            None => clock.wanted.wait(&mut thread),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_to_the_time_is_what_is_left_at_that_time() {
        for ttl in [1.0, 60_000.0, 86_400_000.0, 1e12] {
            for _ in 0..1000 {
                let time = now();
                assert_eq!(time + ttl - time, ttl);
            }
        }
    }

    #[test]
    fn the_word_runs_for_a_while_after_each_wake_and_then_parks() {
        let word = word();
        let woken = wake();
        assert!(woken >= 1.0);
        let mut last = woken;
        let mut steps = 0;
        loop {
            let read = word.get(0);
            if read == 0.0 {
                break;
            }
            assert!(read >= last, "the clock went back from {last} to {read}");
            steps += usize::from(read > last);
            last = read;
            thread::yield_now();
        }
        assert!(steps > 1);
        assert!(wake() >= last);
        assert!(word.get(0) != 0.0);
    }
}
