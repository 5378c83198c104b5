//! What is under way to one office: bounded by those who send, who see here how much there is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// The post that has been sent to one office and not yet been taken by its thread.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    bytes: Arc<AtomicUsize>,
    /// By the office that sends: how many posts of it were taken.
    pub(super) taken: Mutex<HashMap<u32, Arc<AtomicU64>>>,
}

/// Room for one post, given back when the post was taken or can never be.
#[derive(Debug)]
pub(super) struct Room {
    length: usize,
    bytes: Arc<AtomicUsize>,
    taken: Arc<AtomicU64>,
}

impl Traffic {
    /// Counts a post of so many bytes from an office. Returns what is under way with it.
    pub(super) fn add(&self, from: u32, length: usize) -> (Room, usize) {
        let taken = Arc::clone(self.taken.lock().entry(from).or_default());
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        (Room { length, bytes: Arc::clone(&self.bytes), taken }, before + length)
    }

    /// Bytes that are under way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many posts of an office were taken.
    pub(super) fn taken(&self, from: u32) -> u64 {
        self.taken.lock().get(&from).map_or(0, |taken| taken.load(Ordering::Relaxed))
    }

    /// An office is closed and sends no more.
    pub(super) fn forget(&self, from: u32) {
        self.taken.lock().remove(&from);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.length, Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::Relaxed);
    }
}
