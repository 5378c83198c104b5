//! Where a broker is reached: a Unix socket in the file system, or a named pipe of Windows.
//!
//! A [`Listener`] takes connections; its [`Place`] is what it holds in the file system, to be given up from any thread. A place
//! is never taken from one who lives, and nothing but a dead broker's socket is ever removed from it.

use std::io;

use crate::refused::Refused;

#[cfg(unix)]
mod private;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{Listener, Place, Stream};
#[cfg(windows)]
pub use windows::{Listener, Place, Stream};

/// Why a broker could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Somebody listens there, or may.
    #[error("Broker already running")]
    AlreadyRunning,
    /// Something else than a socket has the path. It is left as it is.
    #[error("{path} exists and is not a socket")]
    NotASocket {
        /// The path.
        path: String,
    },
    /// Others could put their own socket where the broker's is.
    #[error("{directory} is not safe for a socket: {reason}")]
    UnsafeDirectory {
        /// The directory of the path.
        directory: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The path does not fit into the address of a socket.
    #[error("{path} is too long for a socket: at most {limit} bytes")]
    PathTooLong {
        /// The path.
        path: String,
        /// What fits, in bytes.
        limit: usize,
    },
    /// There is no runtime for the broker to run on.
    #[error(transparent)]
    Resources(#[from] Refused),
    /// The operating system refused.
    #[error("{call} {path}: {source}")]
    Io {
        /// What was asked of it, by the name of the system call.
        call: &'static str,
        /// The path that was meant.
        path: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
}
