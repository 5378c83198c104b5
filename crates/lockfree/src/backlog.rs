//! Back-pressure from a slow consumer to many producers.
//!
//! Producers [`add`](Backlog::add) what they hand over and stop when [`must_wait`](Backlog::must_wait) says so; the consumer
//! [`remove`](Backlog::remove)s what it took and is told once when the producers are to be started again. The flag and the
//! size are a store-then-load pair on either side (Dekker's pattern), hence the sequentially consistent fences.

use crate::sync::{AtomicBool, AtomicUsize, Ordering, fence};

/// The weight of what is handed over and not yet taken, with a limit that producers respect before they begin anew.
#[derive(Debug)]
pub struct Backlog {
    weight: AtomicUsize,
    limit: usize,
    waiting: AtomicBool,
}

impl Backlog {
    /// A backlog that asks producers to wait above `limit`.
    pub fn new(limit: usize) -> Self {
        Self { weight: AtomicUsize::new(0), limit, waiting: AtomicBool::new(false) }
    }

    /// Something of this weight is handed over.
    pub fn add(&self, weight: usize) {
        self.weight.fetch_add(weight, Ordering::Relaxed);
    }

    /// Whether a producer must not begin. After `true` a later [`remove`](Self::remove) is certain to return `true`.
    pub fn must_wait(&self) -> bool {
        if self.weight.load(Ordering::Relaxed) <= self.limit {
            return false;
        }
        self.waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // The consumer may have taken everything between the first look and the flag, and not have seen it.
        self.weight.load(Ordering::Relaxed) > self.limit
    }

    /// Something of this weight was taken. `true`: producers wait and may begin again; the caller starts them.
    pub fn remove(&self, weight: usize) -> bool {
        let left = self.weight.fetch_sub(weight, Ordering::Relaxed) - weight;
        fence(Ordering::SeqCst);
        left <= self.limit
            && self.waiting.load(Ordering::Relaxed)
            && self.waiting.swap(false, Ordering::Relaxed)
    }
}
