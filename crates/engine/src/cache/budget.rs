//! The bounds of a cache: what is reserved never exceeds them, at any time, whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes and entries, with their limits.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: AtomicU64,
    entries: AtomicU64,
    max_bytes: u64,
    max_entries: u64,
}

impl Budget {
    pub fn new(max_bytes: u64, max_entries: u64) -> Self {
        Self { bytes: AtomicU64::new(0), entries: AtomicU64::new(0), max_bytes, max_entries }
    }

    /// Takes all that is asked for, or nothing.
    pub fn reserve(&self, bytes: u64, entries: u64) -> bool {
        if !add_within(&self.entries, entries, self.max_entries) {
            return false;
        }
        if !add_within(&self.bytes, bytes, self.max_bytes) {
            self.entries.fetch_sub(entries, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Gives back.
    pub fn release(&self, bytes: u64, entries: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.entries.fetch_sub(entries, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }
}

fn add_within(total: &AtomicU64, more: u64, max: u64) -> bool {
    let added = |now: u64| now.checked_add(more).filter(|&sum| sum <= max);
    total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_ok()
}
