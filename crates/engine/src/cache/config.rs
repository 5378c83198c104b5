//! The bounds of a shared cache, already checked by the face.

use super::policy::Policy;

/// Shards are not made for fewer entries or bytes each: one order is more exact than several.
const SHARD_ENTRIES: u64 = 8192;
const SHARD_BYTES: u64 = 4 << 20;
const MOST_SHARDS: u64 = 16;

/// What a cache is bounded by. `u64::MAX` is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Most entries.
    pub max_entries: u64,
    /// Most bytes of keys, values and what is kept beside them.
    pub max_bytes: u64,
    /// Most bytes of one entry, counted as above.
    pub max_entry_bytes: u64,
    /// Who leaves.
    pub policy: Policy,
}

impl Config {
    /// Into how many parts the cache is cut; a power of two.
    pub(super) fn shards(&self) -> usize {
        let fit = (self.max_entries / SHARD_ENTRIES).min(self.max_bytes / SHARD_BYTES);
        1 << fit.clamp(1, MOST_SHARDS).ilog2()
    }
}
