//! Gives freed memory back to the system. glibc keeps what many small entries were freed from; other allocators give it back by themselves.

/// Less than this is not worth a walk through the allocator's arenas.
const WORTH: u64 = 16 << 20;

/// So many bytes of entries were freed. The allocator is tidied by a thread of its own; if the system refuses one, the memory stays with
/// the process until it is used again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn after(bytes: u64) {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    /// Calls since the thread that runs has begun its last walk, and one for the thread itself; 0: none runs.
    static WANTED: AtomicU32 = AtomicU32::new(0);

    if bytes < WORTH || WANTED.fetch_add(1, Ordering::AcqRel) > 0 {
        return;
    }
    let walk = || {
        loop {
            let seen = WANTED.load(Ordering::Acquire);
            // SAFETY: callable at any time from any thread; it touches what is free alone.
            unsafe { libc::malloc_trim(0) };
            if WANTED.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
        }
    };
    if thread::Builder::new().name("noizylab-trim".into()).spawn(walk).is_err() {
        WANTED.store(0, Ordering::Release);
    }
}

/// There is nothing to do.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn after(_: u64) {
    let _ = WORTH;
}
