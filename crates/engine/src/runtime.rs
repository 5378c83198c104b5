//! The one tokio runtime of the process.
//!
//! It is started at first use and never dropped: a runtime that ends with the last isolate would take the work of the
//! others with it, and one that is torn down at exit races the threads that still use it. Its threads are daemons: the
//! process ends when JavaScript ends, whatever they do.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("noizylab-runtime")
        .enable_all()
        .build()
        .expect("the operating system gives a process its first few threads")
});

/// A handle to the runtime, starting it if this is the first use.
pub fn handle() -> &'static Handle {
    RUNTIME.handle()
}
