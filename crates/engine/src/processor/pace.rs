//! How many tasks a worker takes at once: enough to make the hand-over cheap, few enough to share the work evenly and to
//! deliver results often. This is guided self-scheduling (C. D. Polychronopoulos, D. J. Kuck, 1987) with a measured time
//! per task as a second bound.

use std::collections::HashMap;
use std::time::Duration;

use super::batch::Target;

/// What one hand-over should take.
const TARGET: Duration = Duration::from_millis(2);
/// A chunk may be so many times as large as the largest one seen: the first measurements are of single tasks.
const GROWTH: u32 = 16;
/// No chunk is larger.
const LARGEST: u32 = 1 << 16;
/// More targets than this are forgotten together; they are measured anew within a few chunks.
const MOST_TARGETS: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Nanoseconds per task, smoothed.
    per_task: f64,
    /// Largest chunk so far.
    largest: u32,
}

/// Measured times, by what runs the task.
#[derive(Debug, Default)]
pub(crate) struct Pace(HashMap<Target, Measured>);

impl Pace {
    /// How many tasks of `target` fit into `budget` nanoseconds. Unknown tasks are measured one by one first.
    pub fn chunk(&self, target: Target, budget: f64) -> u32 {
        match self.0.get(&target) {
            None => 1,
            Some(measured) => {
                let fit = (budget / measured.per_task).clamp(1.0, f64::from(LARGEST)) as u32;
                fit.min(measured.largest.saturating_mul(GROWTH))
            }
        }
    }

    /// Nanoseconds that `tasks` tasks of `target` will take; all of the budget if that is not known.
    pub fn cost(&self, target: Target, tasks: u32) -> f64 {
        self.0.get(&target).map_or(Self::budget(), |measured| measured.per_task * f64::from(tasks))
    }

    /// Nanoseconds that one hand-over should take.
    pub fn budget() -> f64 {
        TARGET.as_nanos() as f64
    }

    /// Learns from a chunk of `tasks` tasks.
    pub fn learn(&mut self, target: Target, tasks: u32, elapsed: Duration) {
        if self.0.len() >= MOST_TARGETS && !self.0.contains_key(&target) {
            self.0.clear();
        }
        let now = (elapsed.as_nanos() as f64 / f64::from(tasks.max(1))).max(1.0);
        let measured = self.0.entry(target).or_insert(Measured { per_task: now, largest: 1 });
        // Downwards at once (the first run of anything is slow), upwards by halves (one slow task is no rule).
        measured.per_task = now.min((measured.per_task + now) / 2.0);
        measured.largest = measured.largest.max(tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: Target = Target::Native(1);

    #[test]
    fn an_unknown_task_is_measured_alone_and_chunks_then_grow_to_the_target() {
        let mut pace = Pace::default();
        assert_eq!(pace.chunk(SUM, Pace::budget()), 1);
        let mut sizes = Vec::new();
        for _ in 0..5 {
            let size = pace.chunk(SUM, Pace::budget());
            sizes.push(size);
            pace.learn(SUM, size, Duration::from_micros(u64::from(size)));
        }
        assert_eq!(sizes, [1, 16, 256, 2000, 2000]);
    }

    #[test]
    fn slow_tasks_stay_alone() {
        let mut pace = Pace::default();
        pace.learn(SUM, 1, Duration::from_millis(50));
        assert_eq!(pace.chunk(SUM, Pace::budget()), 1);
    }
}
