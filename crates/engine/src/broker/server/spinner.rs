//! Looks for more before it sleeps.
//!
//! Waking a thread that sleeps in the kernel costs several times what a request does, and who has just asked often asks again. So the
//! runtime's thread keeps polling for a short while after the last activity: a task that yields is run again only
//! after the sockets have been looked at. One task serves all brokers of the process.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::runtime;

static SPINNER: LazyLock<Option<&'static Spinner>> = LazyLock::new(|| {
    // With one processor whoever is waited for could not run.
    let has_room = available_parallelism().is_ok_and(|processors| processors.get() > 1);
    // The server, whose tasks touch it, runs on the runtime: so there is one.
    let runtime = runtime::handle().ok().filter(|_| has_room)?;
    Some({
        let spinner: &Spinner = Box::leak(Box::new(Spinner {
            epoch: Instant::now(),
            end: AtomicU64::new(0),
            wanted: Notify::new(),
        }));
        runtime.spawn(spinner.run());
        spinner
    })
});

struct Spinner {
    epoch: Instant,
    /// Until when it looks, in nanoseconds since `epoch`.
    end: AtomicU64,
    wanted: Notify,
}

/// There was activity: the runtime looks for more for the time of `spin`. Zero: it does not.
pub(super) fn touch(spin: Duration) {
    if spin.is_zero() {
        return;
    }
    let Some(spinner) = *SPINNER else { return };
    spinner.end.fetch_max(spinner.nanoseconds(spinner.epoch.elapsed() + spin), Ordering::Relaxed);
    // Remembered where it does not sleep now.
    spinner.wanted.notify_one();
}

impl Spinner {
    async fn run(&'static self) {
        loop {
            self.wanted.notified().await;
            while self.is_wanted() {
                yield_now().await;
            }
        }
    }

    fn is_wanted(&self) -> bool {
        self.nanoseconds(self.epoch.elapsed()) < self.end.load(Ordering::Relaxed)
    }

    fn nanoseconds(&self, time: Duration) -> u64 {
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }
}
