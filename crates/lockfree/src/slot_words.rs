//! The two words of a cache's slot that isolates and the engine share without a lock.
//!
//! The **version** tells an isolate whether the value that it has decoded is still the slot's. The engine changes it under the lock of the slot, before
//! the call that changes the entry returns; it never goes back. An isolate reads it alone.
//!
//! The **stamp** tells the engine of hits that isolates answer themselves: the tick of the last one (24 bits), and how many there
//! were since the engine looked (8 bits, at most one counted a tick and isolate). Isolates load and store it, which is no single step: of concurrent
//! hits one may be lost, or counted twice, but the tick is always one at which the slot was used or looked at.
//!
//! JavaScript reads and writes the same memory in `ts/cache/shared-store.ts`.

use crate::sync::{AtomicU32, Ordering};

const HITS: u32 = 0xff;
const TICKS: u32 = 0x00ff_ffff;
/// A tick that seems further away than this is not old but ahead: half of the ring.
const FARTHEST: u32 = TICKS / 2;

/// The words of one slot.
#[derive(Debug)]
#[repr(C)]
pub struct SlotWords {
    version: AtomicU32,
    stamp: AtomicU32,
}

impl Default for SlotWords {
    fn default() -> Self {
        Self { version: AtomicU32::new(0), stamp: AtomicU32::new(0) }
    }
}

impl SlotWords {
    /// The version now.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Relaxed)
    }

    /// What was known of the slot is void. Under the lock of the slot.
    pub fn bump(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// A use at `tick`, what an isolate does at a hit.
    pub fn hit(&self, tick: u32) {
        let stamp = self.stamp.load(Ordering::Relaxed);
        if stamp >> 8 != tick & TICKS {
            let hits = ((stamp & HITS) + 1).min(HITS);
            self.stamp.store(tick << 8 | hits, Ordering::Relaxed);
        }
    }

    /// The engine stamps the slot with `tick`, with one more hit or none.
    pub fn stamp(&self, tick: u32, hit: bool) {
        let hits = self.stamp.load(Ordering::Relaxed) & HITS;
        self.stamp.store(tick << 8 | (hits + u32::from(hit)).min(HITS), Ordering::Relaxed);
    }

    /// The slot begins anew at `tick`, without hits.
    pub fn reset(&self, tick: u32) {
        self.stamp.store(tick << 8, Ordering::Relaxed);
    }

    /// The tick of the stamp, seen from `now`: less than 2^23 ticks ago. An isolate may have read a tick later than `now`: that counts as `now`.
    pub fn stamped(&self, now: u32) -> u32 {
        let tick = self.stamp.load(Ordering::Relaxed) >> 8;
        let age = now.wrapping_sub(tick) & TICKS;
        if age > FARTHEST { now } else { now.wrapping_sub(age) }
    }

    /// The hits since the last call.
    pub fn take_hits(&self) -> u32 {
        self.stamp.fetch_and(!HITS, Ordering::Relaxed) & HITS
    }
}
