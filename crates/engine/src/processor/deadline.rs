//! Timers of a processor: deadlines of tasks, idle times of hosts, the patience of a shutdown.
//!
//! One task of the runtime per processor sleeps until the earliest of them; no task of a user costs a timer of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::panics;
use crate::refused::Refused;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The deadline of a group.
    Group(u64),
    /// A host has been idle since its rest of this number.
    HostIdle(u32, u64),
    /// A shutdown has waited long enough.
    Shutdown,
}

/// Who is told what is due.
pub(crate) trait OnDue: Send + Sync + 'static {
    fn on_due(self: &Arc<Self>, due: Due);
}

/// The timers of one processor.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: Mutex<BinaryHeap<Reverse<(Instant, Due)>>>,
    changed: Notify,
    started: AtomicBool,
    ended: AtomicBool,
}

impl Deadlines {
    /// Adds a timer for `target`.
    ///
    /// # Errors
    /// There is no runtime that could look after it: it was not added.
    pub fn add<T: OnDue>(self: &Arc<Self>, at: Instant, due: Due, target: &Arc<T>) -> Result<(), Refused> {
        let started = self.started.load(Ordering::Relaxed);
        let runtime = if started { None } else { Some(crate::runtime::handle()?) };
        let mut heap = self.heap.lock();
        let earliest = heap.peek().is_none_or(|Reverse((first, _))| at < *first);
        heap.push(Reverse((at, due)));
        drop(heap);
        if let Some(runtime) = runtime
            && !self.started.swap(true, Ordering::Relaxed)
        {
            runtime.spawn(Arc::clone(self).run(Arc::downgrade(target)));
        } else if earliest {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Number of timers, those that have lost their meaning included.
    pub fn len(&self) -> usize {
        self.heap.lock().len()
    }

    /// Drops the timers that have lost their meaning.
    pub fn retain(&self, keep: impl Fn(&Due) -> bool) {
        self.heap.lock().retain(|Reverse((_, due))| keep(due));
    }

    /// Ends the runtime's task.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    async fn run<T: OnDue>(self: Arc<Self>, target: Weak<T>) {
        while !self.ended.load(Ordering::Acquire) {
            match self.next() {
                Next::Due(due) => {
                    let Some(target) = target.upgrade() else { return };
                    // The other timers go on.
                    if let Err(said) = panics::caught(|| target.on_due(due)) {
                        panics::report("a timer of a processor ended", &said);
                    }
                }
                Next::At(at) => tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => {}
                    () = self.changed.notified() => {}
                },
                Next::Nothing => self.changed.notified().await,
            }
        }
    }

    fn next(&self) -> Next {
        let mut heap = self.heap.lock();
        match heap.peek() {
            None => Next::Nothing,
            Some(&Reverse((at, _))) if at > Instant::now() => Next::At(at),
            Some(_) => heap.pop().map_or(Next::Nothing, |Reverse((_, due))| Next::Due(due)),
        }
    }
}

enum Next {
    Due(Due),
    At(Instant),
    Nothing,
}
