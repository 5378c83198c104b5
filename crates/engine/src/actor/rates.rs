//! A rate limiter for all threads: for each key a sliding window log, the exact times of what was let through within the last window.
//!
//! A log holds runs: one item for all units of the same millisecond, with the count of all units up to its end. What has left the window is
//! dropped once, and when there will be room for any number of units is a binary search: a request costs O(1) amortised, whatever the number
//! of units. `ts/actor/rate-window.ts` is the same for one thread.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;

use crate::error::Error;

/// Keys that each consumption looks at, to drop those of which nothing counts: more than the one it may add.
const LOOKS: usize = 2;

static RATES: LazyLock<Mutex<HashMap<String, Weak<Rates>>>> = LazyLock::new(Mutex::default);

/// What a limiter answers. Counts are units, times milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Whether the request may go ahead, or has been counted.
    pub allowed: bool,
    /// What counted in the window before this request.
    pub current: f64,
    /// What is left of the limit, less what was counted now; 0 where the request is not allowed.
    pub remaining: f64,
    /// Until the oldest unit leaves the window; the whole window where there is none.
    pub reset: f64,
    /// Until the same request will be allowed; 0 where it is, infinite where it never will be.
    pub retry_after: f64,
}

/// The units of one key.
#[derive(Debug, Default)]
struct Log {
    /// The time, then how many units there were in all when the run ended.
    runs: VecDeque<(f64, f64)>,
    /// How many units have left the window.
    past: f64,
}

impl Log {
    fn count(&self) -> f64 {
        self.runs.back().map_or(0.0, |(_, total)| total - self.past)
    }

    /// Drops what has left the window: all units of times up to `now - window`.
    fn advance(&mut self, now: f64, window: f64) {
        let cutoff = now - window;
        // Whoever read the clock first may come second; that is no clock that was set back.
        if self.runs.back().is_some_and(|&(time, _)| time > now + window) {
            // It was: what would lie in the future counts as of now.
            let total = self.past + self.count();
            self.runs.clear();
            self.runs.push_back((now, total));
        }
        while let Some(&(time, total)) = self.runs.front()
            && time <= cutoff
        {
            self.past = total;
            self.runs.pop_front();
        }
    }

    fn add(&mut self, now: f64, cost: f64) {
        let total = self.past + self.count() + cost;
        match self.runs.back_mut() {
            Some((time, last)) if *time >= now => *last = total,
            _ => self.runs.push_back((now, total)),
        }
    }

    /// The time of the unit with which so many have left the window.
    fn time_of(&self, units: f64) -> Option<f64> {
        let target = self.past + units;
        let at = self.runs.partition_point(|&(_, total)| total < target);
        self.runs.get(at).map(|&(time, _)| time)
    }
}

#[derive(Debug, Default)]
struct Logs {
    by_key: indexmap::IndexMap<Box<str>, Log>,
    /// Goes round all keys, a few steps with each consumption.
    hand: usize,
}

/// A limiter that all threads share by its name.
#[derive(Debug)]
pub struct Rates {
    limit: f64,
    window: f64,
    logs: Mutex<Logs>,
}

/// The limiter of a name: the first who asks makes it, and it lives as long as somebody has it. Fails with [`Error::RateMismatch`] where it was made with
/// another limit or window.
pub fn open(name: &str, limit: f64, window: f64) -> Result<Arc<Rates>, Error> {
    let mut all = RATES.lock();
    if let Some(rates) = all.get(name).and_then(Weak::upgrade) {
        if (rates.limit, rates.window) != (limit, window) {
            let theirs = format!("maxRequests {}, windowMs {}", rates.limit, rates.window);
            let given = format!("maxRequests {limit}, windowMs {window}");
            return Err(Error::RateMismatch { name: name.to_owned(), theirs, given });
        }
        return Ok(rates);
    }
    let rates = Arc::new(Rates { limit, window, logs: Mutex::default() });
    all.retain(|_, rates| rates.strong_count() > 0);
    all.insert(name.to_owned(), Arc::downgrade(&rates));
    Ok(rates)
}

impl Rates {
    /// Whether `cost` units are let through at the time `now`; they are counted if `consume` and allowed.
    pub fn ask(&self, key: &str, cost: f64, now: f64, consume: bool) -> Answer {
        let mut logs = self.logs.lock();
        let log = logs.by_key.get_mut(key).and_then(|log| {
            log.advance(now, self.window);
            (log.count() > 0.0).then_some(&*log)
        });
        let current = log.map_or(0.0, Log::count);
        let missing = current + cost - self.limit;
        let allowed = missing <= 0.0;
        let reset =
            log.and_then(|log| log.runs.front()).map_or(self.window, |(time, _)| time + self.window - now);
        let retry_after = match log {
            _ if allowed => 0.0,
            Some(log) if missing <= current => {
                log.time_of(missing).map_or(0.0, |time| time + self.window - now)
            }
            _ => f64::INFINITY,
        };
        let taken = if consume && allowed { cost } else { 0.0 };
        if taken > 0.0 {
            match logs.by_key.get_mut(key) {
                Some(log) => log.add(now, cost),
                None => logs.by_key.entry(key.into()).or_default().add(now, cost),
            }
            logs.drop_some(now, self.window);
        }
        let remaining = if allowed { self.limit - current - taken } else { 0.0 };
        Answer { allowed, current, remaining, reset, retry_after }
    }

    /// Forgets what was counted for a key; whether there was anything at the time `now`.
    pub fn reset(&self, key: &str, now: f64) -> bool {
        let Some(mut log) = self.logs.lock().by_key.swap_remove(key) else { return false };
        log.advance(now, self.window);
        log.count() > 0.0
    }

    /// The keys of which anything counts at the time `now`; the others are dropped.
    pub fn keys(&self, now: f64) -> Vec<String> {
        let mut logs = self.logs.lock();
        logs.by_key.retain(|_, log| {
            log.advance(now, self.window);
            log.count() > 0.0
        });
        logs.by_key.keys().map(|key| key.to_string()).collect()
    }
}

impl Logs {
    fn drop_some(&mut self, now: f64, window: f64) {
        for _ in 0..LOOKS {
            if self.hand >= self.by_key.len() {
                self.hand = 0;
            }
            let Some((_, log)) = self.by_key.get_index_mut(self.hand) else { return };
            log.advance(now, window);
            if log.count() > 0.0 {
                self.hand += 1;
            } else {
                // The last one comes here in its place.
                self.by_key.swap_remove_index(self.hand);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides() {
        let rates = open("rates-slides", 3.0, 100.0).expect("new");
        for now in [0.0, 10.0, 20.0] {
            assert!(rates.ask("key", 1.0, now, true).allowed);
        }
        let refused = rates.ask("key", 2.0, 50.0, true);
        assert_eq!(
            refused,
            Answer { allowed: false, current: 3.0, remaining: 0.0, reset: 50.0, retry_after: 60.0 }
        );
        assert_eq!(rates.ask("key", 4.0, 50.0, false).retry_after, f64::INFINITY);
        assert_eq!(rates.ask("key", 2.0, 110.0, false).remaining, 2.0);
        assert!(rates.ask("key", 2.0, 110.0, true).allowed);
        assert!(rates.reset("key", 110.0) && !rates.reset("key", 110.0));
    }

    #[test]
    fn a_question_leaves_no_key_and_idle_keys_go() {
        let rates = open("rates-keys", 1.0, 10.0).expect("new");
        rates.ask("asked", 1.0, 0.0, false);
        assert!(rates.keys(0.0).is_empty());
        for i in 0..1000 {
            rates.ask(&i.to_string(), 1.0, f64::from(i) * 20.0, true);
        }
        assert!(rates.logs.lock().by_key.len() < 4);
    }

    #[test]
    fn one_name_is_one_limiter_for_as_long_as_somebody_has_it() {
        let first = open("rates-name", 1.0, 10.0).expect("new");
        let second = open("rates-name", 1.0, 10.0).expect("the same");
        assert!(first.ask("key", 1.0, 0.0, true).allowed && !second.ask("key", 1.0, 0.0, true).allowed);
        assert!(matches!(open("rates-name", 2.0, 10.0), Err(Error::RateMismatch { .. })));
        drop((first, second));
        assert!(open("rates-name", 2.0, 10.0).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_nothing_and_holds_nothing_for_ever() {
        let rates = open("rates-clock", 2.0, 100.0).expect("new");
        rates.ask("key", 2.0, 1000.0, true);
        assert_eq!(rates.ask("key", 1.0, 500.0, false).retry_after, 100.0);
        assert!(rates.ask("key", 1.0, 600.0, false).allowed);
    }

    #[test]
    fn who_read_the_clock_first_and_comes_second_changes_nothing() {
        let rates = open("rates-race", 3.0, 100.0).expect("new");
        rates.ask("key", 1.0, 0.0, true);
        rates.ask("key", 1.0, 51.0, true);
        assert!(rates.ask("key", 1.0, 50.0, true).allowed);
        assert_eq!(rates.ask("key", 1.0, 52.0, false).retry_after, 48.0);
        assert_eq!(rates.ask("key", 3.0, 120.0, false).retry_after, 31.0);
    }
}
