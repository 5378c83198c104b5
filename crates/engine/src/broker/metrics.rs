//! What is counted: requests by action, refusals, and how long the handling of a request took.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::refusal::Refusal;

/// What a request does, as the figures name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the word of `ACTIONS`")]
pub enum Action {
    Get,
    Set,
    Del,
    List,
    Ping,
    Stats,
    Health,
    Lease,
    Release,
    Metrics,
    Mget,
    Mset,
    Incr,
    Cas,
    Renew,
    GetOrSet,
    Land,
    Watch,
    Cancel,
    Unknown,
}

/// The actions by name, in the order of [`Action`].
pub const ACTIONS: [&str; 20] = [
    "get", "set", "del", "list", "ping", "stats", "health", "lease", "release", "metrics", "mget", "mset",
    "incr", "cas", "renew", "getOrSet", "land", "watch", "cancel", "unknown",
];

/// Buckets of the histogram: eight for each power of two of nanoseconds.
const BUCKETS: usize = 8 * 64;

/// Counters of a broker. They are updated without order among them.
#[derive(Debug)]
pub(super) struct Metrics {
    is_on: bool,
    total: [AtomicU64; ACTIONS.len()],
    failed: [AtomicU64; ACTIONS.len()],
    refused: [AtomicU64; Refusal::COUNT],
    latency: Box<[AtomicU64]>,
    pub compressed: AtomicU64,
    pub uncompressed: AtomicU64,
    pub bytes_before: AtomicU64,
    pub bytes_after: AtomicU64,
}

impl Metrics {
    /// Counters at 0; those that are off stay there.
    pub fn new(is_on: bool) -> Self {
        Self {
            is_on,
            total: [const { AtomicU64::new(0) }; ACTIONS.len()],
            failed: [const { AtomicU64::new(0) }; ACTIONS.len()],
            refused: [const { AtomicU64::new(0) }; Refusal::COUNT],
            latency: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            compressed: AtomicU64::new(0),
            uncompressed: AtomicU64::new(0),
            bytes_before: AtomicU64::new(0),
            bytes_after: AtomicU64::new(0),
        }
    }

    /// Whether anything is counted.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A request was handled in so much time.
    pub fn count(&self, action: Action, refusal: Option<Refusal>, took: Duration) {
        if !self.is_on {
            return;
        }
        self.total[action as usize].fetch_add(1, Relaxed);
        if let Some(refusal) = refusal {
            self.failed[action as usize].fetch_add(1, Relaxed);
            self.refused[refusal as usize].fetch_add(1, Relaxed);
        }
        self.latency[bucket(took)].fetch_add(1, Relaxed);
    }

    /// A request was refused before it was known what it wants.
    pub fn count_refusal(&self, refusal: Refusal) {
        if self.is_on {
            self.refused[refusal as usize].fetch_add(1, Relaxed);
        }
    }

    /// A value was stored that takes `after` bytes, and `before` when unpacked.
    pub fn count_value(&self, compressed: Option<(u64, u64)>) {
        if !self.is_on {
            return;
        }
        let Some((before, after)) = compressed else {
            self.uncompressed.fetch_add(1, Relaxed);
            return;
        };
        self.compressed.fetch_add(1, Relaxed);
        self.bytes_before.fetch_add(before, Relaxed);
        self.bytes_after.fetch_add(after, Relaxed);
    }

    /// Requests and failures of an action.
    pub fn of(&self, action: usize) -> (u64, u64) {
        (self.total[action].load(Relaxed), self.failed[action].load(Relaxed))
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.total.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// How often a refusal was given.
    pub fn refusals(&self, refusal: usize) -> u64 {
        self.refused[refusal].load(Relaxed)
    }

    /// Compressed bytes by bytes before; 0 where nothing was compressed.
    pub fn compression_ratio(&self) -> f64 {
        match self.bytes_before.load(Relaxed) {
            0 => 0.0,
            before => self.bytes_after.load(Relaxed) as f64 / before as f64,
        }
    }

    /// So many milliseconds did the handling take at most for this share of the requests; within an eighth.
    pub fn latency(&self, share: f64) -> f64 {
        let counts: Vec<u64> = self.latency.iter().map(|count| count.load(Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper_end(bucket) / 1e6;
            }
        }
        0.0
    }
}

fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(8);
    let power = nanos.ilog2() as usize;
    8 * power + (nanos >> (power - 3)) as usize % 8
}

/// Nanoseconds that a bucket ends at.
fn upper_end(bucket: usize) -> f64 {
    let (power, eighth) = (bucket / 8, bucket % 8);
    2f64.powi(power as i32) * (1.0 + (eighth as f64 + 1.0) / 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_an_eighth() {
        let metrics = Metrics::new(true);
        for micros in 1..=1000 {
            metrics.count(Action::Get, None, Duration::from_micros(micros));
        }
        for (share, milliseconds) in [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99)] {
            let told = metrics.latency(share);
            assert!(told >= milliseconds && told <= milliseconds * 1.13, "{share}: {told}");
        }
    }

    #[test]
    fn counters_that_are_off_stay_at_zero() {
        let metrics = Metrics::new(false);
        metrics.count(Action::Get, Some(Refusal::NotFound), Duration::from_secs(1));
        metrics.count_value(Some((10, 5)));
        assert_eq!((metrics.requests(), metrics.latency(0.5), metrics.compression_ratio()), (0, 0.0, 0.0));
    }

    #[test]
    fn every_action_has_its_name() {
        assert_eq!(ACTIONS[Action::Unknown as usize], "unknown");
        assert_eq!(ACTIONS[Action::GetOrSet as usize], "getOrSet");
    }

    #[test]
    fn any_time_has_a_bucket() {
        for took in [Duration::ZERO, Duration::from_nanos(9), Duration::MAX] {
            assert!(bucket(took) < BUCKETS);
        }
    }
}
