//! The options of a processor, already checked by the face.

use std::time::Duration;

/// How a processor runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most tasks (chunks) that run at once, and most threads of either kind.
    pub max_workers: usize,
    /// Native threads that stay when there is nothing to do.
    pub min_workers: usize,
    /// Whether idle workers end after `idle_timeout`.
    pub auto_scale: bool,
    /// How long a worker waits for work before it ends.
    pub idle_timeout: Duration,
}

/// Bytes of results that the isolate has not taken yet: above, workers start nothing new.
pub(crate) const MOST_UNDELIVERED: usize = 4 << 20;
