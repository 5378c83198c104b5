//! What a shared cache takes that holds nothing: programs use names freely, and caches live as long as the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use noizylab_engine::cache::{Cache, Config, Item, Policy};

/// Counts what is allocated. The file has one test, so nobody else counts.
struct Counting;

static ALLOCATED: AtomicIsize = AtomicIsize::new(0);

// SAFETY: all is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The smallest took 32 KB, and for ever.
#[test]
fn a_cache_that_holds_nothing_takes_less_than_two_kilobytes() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        for max_entries in [1, 1000, 1_000_000] {
            let config = Config { max_entries, max_bytes: u64::MAX, max_entry_bytes: u64::MAX, policy };
            drop(Cache::new(config)); // what is made once
            let before = ALLOCATED.load(Ordering::Relaxed);
            let cache = Box::new(Cache::new(config));
            let empty = ALLOCATED.load(Ordering::Relaxed) - before;
            assert!(empty < 2048, "{empty} bytes of an empty cache for {max_entries} entries, {policy:?}");
            cache
                .set(Item { key: b"key", value: b"value", tag: 3, ttl: f64::INFINITY, stale: 0.0 })
                .expect("it fits");
            cache.clear();
            let cleared = ALLOCATED.load(Ordering::Relaxed) - before;
            assert!(
                cleared < 2048,
                "{cleared} bytes of a cleared cache for {max_entries} entries, {policy:?}"
            );
        }
    }
}
