//! The one tokio runtime of the process.
//!
//! It is started at first use and never dropped: a runtime that ends with the last isolate would take the work of the
//! others with it, and one that is torn down at exit races the threads that still use it. Its threads are daemons: the
//! process ends when JavaScript ends, whatever they do.
//!
//! The system may refuse what it needs: descriptors, or its thread. Nothing of that is remembered: the next use tries again.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::panics;
use crate::refused::Refused;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static BUILDING: Mutex<()> = Mutex::new(());

/// A handle to the runtime, starting it if it does not run yet.
///
/// # Errors
/// The system refuses what the runtime needs at this time.
pub fn handle() -> Result<&'static Handle, Refused> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle());
    }
    let _one = BUILDING.lock();
    if RUNTIME.get().is_none() {
        // Nobody else sets it: the lock is held.
        _ = RUNTIME.set(build()?);
    }
    Ok(RUNTIME.get().expect("it was set above").handle())
}

fn build() -> Result<Runtime, Refused> {
    // tokio leaks its descriptors where its thread is refused: the worker that never ran keeps them. So the system is asked first.
    ask_for_thread().map_err(|error| Refused::new("a thread for the runtime", &error))?;
    // One worker: where its thread is refused, tokio panics, and the unwinding would wait for another one that runs. More threads are
    // therefore more runtimes of one worker each.
    let build =
        || Builder::new_multi_thread().worker_threads(1).thread_name("noizylab-runtime").enable_all().build();
    match catch_unwind(build) {
        Ok(built) => built.map_err(|error| Refused::new("descriptors for the runtime", &error)),
        // What a system says where it makes no thread; tokio keeps it in the text alone.
        Err(panic) => {
            let said = panics::text_of(&*panic).to_owned();
            Err(Refused::told("a thread for the runtime", Some("EAGAIN".to_owned()), said))
        }
    }
}

/// Whether a thread is to be had: one is started, and gone when this returns.
fn ask_for_thread() -> io::Result<()> {
    // Linux counts a thread for a moment after it was joined. What it is called in `/proc` is gone when it is not counted any more.
    let id = || std::fs::read_link("/proc/thread-self").ok();
    let asked = thread::Builder::new().name("noizylab-runtime".to_owned()).spawn(id)?;
    let place = asked.join().ok().flatten().map(|id| std::path::Path::new("/proc").join(id));
    for _ in 0..100 {
        if !place.as_ref().is_some_and(|place| place.exists()) {
            break;
        }
        thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

/// Runs what takes long, on a thread of the runtime: others go on with its tasks meanwhile, if the system has a thread for that.
pub(crate) fn block_in_place<R>(work: impl FnOnce() -> R) -> R {
    let mut work = Some(work);
    let mut run = || work.take().map(|work| work());
    // tokio panics where it gets no thread, before it runs the work; it stays sound then.
    let ran = catch_unwind(AssertUnwindSafe(|| tokio::task::block_in_place(&mut run)));
    match ran {
        Ok(Some(result)) => result,
        Ok(None) => unreachable!("the work is there until it runs"),
        Err(panic) => run().unwrap_or_else(|| resume_unwind(panic)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_runs_once_and_its_panic_is_its_own() {
        assert_eq!(block_in_place(|| 7), 7);
        let mut runs = 0;
        let said = panics::caught(|| {
            block_in_place(|| {
                runs += 1;
                panic!("its own");
            })
        });
        assert!(said.is_err_and(|said| said.starts_with("its own")));
        assert_eq!(runs, 1);
    }
}
