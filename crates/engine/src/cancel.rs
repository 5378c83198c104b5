//! How a running native operation learns that nobody wants its result any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

/// A flag that a long operation looks at about once per megabyte or millisecond. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    /// A second flag that asks for the same; see [`or`](Self::or).
    other: Option<Arc<AtomicBool>>,
}

impl Cancel {
    /// Asks the operation to stop.
    pub fn cancel(&self) {
        // Relaxed: the flag guards no other memory.
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether the operation was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
            || self.other.as_ref().is_some_and(|other| other.load(Ordering::Relaxed))
    }

    /// `Err(Error::Cancelled)` once the operation was asked to stop; for use with `?`.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// A flag that is set as soon as this one or `other` is.
    pub fn or(&self, other: &Self) -> Self {
        Self { flag: Arc::clone(&self.flag), other: Some(Arc::clone(&other.flag)) }
    }
}
