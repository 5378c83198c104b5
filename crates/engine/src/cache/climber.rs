//! Finds the share of the window by trying: a step in one direction, and on while the hit ratio grows, back when it falls (G. Einziger, O. Eytan,
//! R. Friedman, B. Manes, "Adaptive Software Cache Management", 2018).

/// First share of the window.
const START: f64 = 0.01;
/// First step, and the step after the hit ratio has changed much.
const STEP: f64 = 0.04;
/// What is left of a step after each trial.
const DECAY: f64 = 0.98;
/// A change of the hit ratio by so much means that the load is another one.
const RESTART: f64 = 0.05;
/// Requests of a trial, per entry.
const TRIAL: u64 = 10;
/// The share stays within these.
const SMALLEST: f64 = 0.001;
const LARGEST: f64 = 0.8;

/// The state of the search.
#[derive(Debug)]
pub(super) struct Climber {
    share: f64,
    step: f64,
    /// Hits and misses when the trial began.
    since: (u64, u64),
    last_ratio: f64,
}

impl Default for Climber {
    fn default() -> Self {
        Self { share: START, step: -STEP, since: (0, 0), last_ratio: 0.0 }
    }
}

impl Climber {
    /// The share of the window from now on, 0 to 1, where the cache of `entries` has met so many hits and misses so far.
    pub fn observe(&mut self, hits: u64, misses: u64, entries: u64) -> f64 {
        let (new_hits, new_misses) = (hits.saturating_sub(self.since.0), misses.saturating_sub(self.since.1));
        let requests = new_hits + new_misses;
        if requests >= TRIAL * entries.max(1) {
            let ratio = new_hits as f64 / requests as f64;
            let change = ratio - self.last_ratio;
            let amount = if change >= 0.0 { self.step } else { -self.step };
            self.step = if change.abs() >= RESTART { STEP.copysign(amount) } else { amount * DECAY };
            self.share = (self.share + amount).clamp(SMALLEST, LARGEST);
            (self.last_ratio, self.since) = (ratio, (hits, misses));
        }
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_where_that_pays_and_shrinks_where_it_does_not() {
        for (best, name) in [(0.5, "large"), (0.0, "small")] {
            let mut climber = Climber::default();
            let (mut hits, mut misses, mut share) = (0, 0, START);
            for _ in 0..200 {
                // The nearer to the best share, the more hits.
                let ratio = 0.9 - (share - best).abs();
                hits += (ratio * 1000.0) as u64;
                misses += ((1.0 - ratio) * 1000.0) as u64;
                share = climber.observe(hits, misses, 100);
            }
            assert!((share - best).abs() < 0.15, "{name}: {share}");
        }
    }

    #[test]
    fn nothing_changes_before_a_trial_is_over() {
        let mut climber = Climber::default();
        assert_eq!(climber.observe(5, 4, 1), START);
        assert_ne!(climber.observe(5, 5, 1), START);
    }
}
