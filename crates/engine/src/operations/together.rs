//! Work on the calling thread with the help of compute threads that are free.
//!
//! The caller begins at once and never waits for a thread that has not begun: where all compute threads are busy with a larger array,
//! it does the work alone. A helper that comes when all is done finds the job closed and leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};
use rayon::ThreadPool;

use crate::panics;

/// Runs `work` on the calling thread and on threads of the pool, until the caller's run has returned and no helper is in its own any
/// more. `work` takes its parts from something that all runs share; it must return when nothing is left.
pub(super) fn together(pool: &ThreadPool, work: &(dyn Fn() + Sync)) {
    // SAFETY: only the lifetime changes. The job is closed, and all helpers have left `work`, before this function returns or unwinds:
    // `Closing` sees to it.
    let work_of_helpers =
        unsafe { std::mem::transmute::<&(dyn Fn() + Sync), &'static (dyn Fn() + Sync)>(work) };
    let job = Arc::new(Job { work: work_of_helpers, state: Mutex::default(), left: Condvar::new() });
    // No more threads than there are processors, those of other arrays included.
    let busy = Busy::begin();
    for _ in busy.threads()..pool.current_num_threads() {
        let job = Arc::clone(&job);
        pool.spawn(move || job.help());
    }
    let closing = Closing(&job);
    work();
    drop(closing);
    if let Some(said) = job.state.lock().panic.take() {
        panics::go_on(said);
    }
}

/// Threads that work on large arrays.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// One of them, until dropped.
struct Busy(usize);

impl Busy {
    fn begin() -> Self {
        // Relaxed: it guards nothing, and a thread too many or too few does no harm.
        Self(BUSY.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// How many there were when it began, itself included.
    fn threads(&self) -> usize {
        self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Job {
    /// Valid as long as the job is open or has helpers.
    work: *const (dyn Fn() + Sync),
    state: Mutex<State>,
    left: Condvar,
}

// SAFETY: what the pointer shows is `Sync`, and it is used in `help` alone.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

#[derive(Default)]
struct State {
    closed: bool,
    helpers: usize,
    /// What a helper's panic said, and where.
    panic: Option<String>,
}

impl Job {
    fn help(&self) {
        {
            let mut state = self.state.lock();
            if state.closed {
                return;
            }
            state.helpers += 1;
        }
        let _busy = Busy::begin();
        // SAFETY: the job was open when this helper was counted. `together` returns, or unwinds, only after the job was closed and all
        // helpers have left: `Closing` sees to it.
        let work = unsafe { &*self.work };
        let result = panics::caught(work);
        let mut state = self.state.lock();
        state.helpers -= 1;
        if let Err(said) = result {
            state.panic.get_or_insert(said);
        }
        if state.helpers == 0 {
            self.left.notify_all();
        }
    }
}

/// Closes a job when it is dropped, also by a panic, and waits for its helpers.
struct Closing<'a>(&'a Job);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        while state.helpers > 0 {
            self.0.left.wait(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use rayon::ThreadPoolBuilder;

    use super::*;

    fn pool(threads: usize) -> ThreadPool {
        ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
    }

    fn count_to(length: usize, seen: &AtomicUsize) -> impl Fn() + Sync {
        let next = AtomicUsize::new(0);
        move || {
            while next.fetch_add(1, Ordering::Relaxed) < length {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// One large sort held up every other array of the process: all waited for the threads of the one pool.
    #[test]
    fn a_pool_that_is_busy_holds_nobody_up() {
        let pool = pool(2);
        let (release, blocked) = channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let (began, begins) = channel();
        for _ in 0..2 {
            let (blocked, began) = (Arc::clone(&blocked), began.clone());
            pool.spawn(move || {
                began.send(()).expect("the test waits");
                let _ = blocked.lock().recv();
            });
        }
        for _ in 0..2 {
            begins.recv().expect("a thread is busy");
        }
        let seen = AtomicUsize::new(0);
        let count = count_to(1000, &seen);
        together(&pool, &count);
        assert_eq!(seen.load(Ordering::Relaxed), 1000);
        drop(release);
    }

    #[test]
    fn all_parts_are_done_once_whoever_does_them() {
        let pool = pool(4);
        for _ in 0..500 {
            let seen = AtomicUsize::new(0);
            let count = count_to(64, &seen);
            together(&pool, &count);
            assert_eq!(seen.load(Ordering::Relaxed), 64);
        }
    }

    #[test]
    fn a_panic_of_whichever_thread_reaches_the_caller_when_all_have_left() {
        panics::silence();
        let pool = pool(4);
        for _ in 0..100 {
            let (next, inside) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = || {
                inside.fetch_add(1, Ordering::SeqCst);
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && at < 100
                {
                    if at == 50 {
                        inside.fetch_sub(1, Ordering::SeqCst);
                        panic!("part 50");
                    }
                }
                inside.fetch_sub(1, Ordering::SeqCst);
            };
            let said = panics::caught(|| together(&pool, &work)).expect_err("a panic");
            assert!(said.starts_with("part 50 (at "), "{said}");
            assert!(said.contains("together.rs:"), "{said}");
            assert_eq!(inside.load(Ordering::SeqCst), 0);
        }
    }
}
