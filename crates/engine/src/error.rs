//! Every way in which the engine says no: one enum, one code per variant. `docs/errors.md` is the same table in prose.

use std::io;

use crate::broker::server::listen::StartError;
use crate::refused::{Refused, posix_name};

/// What can go wrong in the engine. [`Error::code`] is what JavaScript matches on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data of a task is not what its operation takes.
    #[error("operation '{operation}' takes {expected}; given: {given}")]
    InvalidData {
        /// Name of the operation.
        operation: &'static str,
        /// What it takes.
        expected: &'static str,
        /// A short picture of what came.
        given: String,
    },
    /// Compressed data is cut short or damaged.
    #[error("operation '{operation}' met damaged data: {reason}")]
    CorruptData {
        /// Name of the operation.
        operation: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A result would exceed its limit.
    #[error(
        "operation '{operation}' stopped at {limit} bytes of output; raise 'maxOutputLength' to allow more"
    )]
    TooLarge {
        /// Name of the operation.
        operation: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// The operating system refused a file.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The memory of an array is not where it was: its buffer was transferred, or its WebAssembly memory has grown.
    #[error(
        "the array's buffer was detached (transferred, or its WebAssembly memory grew) before the task was done with it"
    )]
    Detached,
    /// The system has no memory for a value.
    #[error("there is no memory for {bytes} bytes")]
    OutOfMemory {
        /// How much was wanted.
        bytes: usize,
    },
    /// The task was aborted or its processor went away while it ran.
    #[error("the task was cancelled")]
    Cancelled,
    /// A native operation panicked: a fault of ours.
    #[error("operation '{operation}' failed inside: {reason}")]
    Panicked {
        /// Name of the operation.
        operation: &'static str,
        /// The message of the panic.
        reason: String,
    },
    /// The task did not finish in its time.
    #[error("the task did not finish within its timeout of {milliseconds} ms")]
    TimedOut {
        /// The timeout.
        milliseconds: u128,
    },
    /// The worker that ran the task ended.
    #[error("the worker that held the task ended: {reason}")]
    WorkerDied {
        /// How it ended, in the words of the face.
        reason: String,
    },
    /// The processor was shut down before the task was finished.
    #[error("the processor was shut down before the task was finished")]
    ShutDown,
    /// An entry is larger than a cache takes.
    #[error(
        "the entry takes {bytes} bytes with its overhead; the cache takes {limit} (maxEntryBytes, maxBytes)"
    )]
    CacheEntryTooLarge {
        /// What it takes.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A key is longer than a cache takes.
    #[error("the key takes {bytes} bytes; a shared cache takes keys of {limit}")]
    CacheKeyTooLarge {
        /// What it takes.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The shared cache was destroyed while a handle of it was open.
    #[error("the shared cache was destroyed; open it anew by its name")]
    CacheDestroyed,
    /// A shared cache of this name was made with other bounds.
    #[error("the shared cache '{name}' exists with {theirs}; given: {given}")]
    CacheMismatch {
        /// The name.
        name: String,
        /// The bounds of the cache.
        theirs: String,
        /// The bounds that were asked for.
        given: String,
    },
    /// A shared rate limiter of this name was made with another limit or window.
    #[error("the shared rate limiter '{name}' exists with {theirs}; given: {given}")]
    RateMismatch {
        /// The name.
        name: String,
        /// What it was made with.
        theirs: String,
        /// What was asked for.
        given: String,
    },
    /// A broker could not be started.
    #[error(transparent)]
    Broker(#[from] StartError),
    /// A client of the broker's own process has another secret, or none.
    #[error("auth_failed")]
    BrokerAuthFailed,
    /// The broker of this process takes no new clients.
    #[error("draining")]
    BrokerDraining,
    /// The operating system has no thread, no descriptor or the like for a part of the engine.
    #[error(transparent)]
    Resources(#[from] Refused),
    /// The engine panicked outside of any operation: a fault of ours.
    #[error("@noizylab/core failed inside: {reason}")]
    Crashed {
        /// The message of the panic, and its place.
        reason: String,
    },
    /// A submission that the engine cannot read: the face and the engine are of different versions.
    #[error("the engine cannot read what it was given; the package is damaged or mixed from two versions")]
    Unreadable,
}

impl Error {
    /// The code that JavaScript sees as `error.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidData { .. } => "ERR_PROCESSOR_INVALID_DATA",
            Self::CorruptData { .. } => "ERR_PROCESSOR_CORRUPT_DATA",
            Self::TooLarge { .. } => "ERR_PROCESSOR_TOO_LARGE",
            Self::Io { .. } => "ERR_PROCESSOR_IO",
            Self::Detached => "ERR_PROCESSOR_DETACHED",
            Self::OutOfMemory { .. } => "ERR_CORE_OUT_OF_MEMORY",
            Self::Cancelled => "ERR_PROCESSOR_CANCELLED",
            Self::Panicked { .. } => "ERR_PROCESSOR_PANICKED",
            Self::TimedOut { .. } => "ERR_PROCESSOR_TIMEOUT",
            Self::WorkerDied { .. } => "ERR_PROCESSOR_WORKER_DIED",
            Self::ShutDown => "ERR_PROCESSOR_SHUT_DOWN",
            Self::CacheEntryTooLarge { .. } => "ERR_CACHE_ENTRY_TOO_LARGE",
            Self::CacheKeyTooLarge { .. } => "ERR_CACHE_KEY_TOO_LARGE",
            Self::CacheDestroyed => "ERR_CACHE_DESTROYED",
            Self::CacheMismatch { .. } => "ERR_CACHE_MISMATCH",
            Self::RateMismatch { .. } => "ERR_ACTOR_MISMATCH",
            Self::Broker(StartError::AlreadyRunning) => "ERR_BROKER_ALREADY_RUNNING",
            Self::Broker(StartError::NotASocket { .. }) => "ERR_BROKER_NOT_A_SOCKET",
            Self::Broker(StartError::UnsafeDirectory { .. }) => "ERR_BROKER_UNSAFE_DIRECTORY",
            Self::Broker(StartError::PathTooLong { .. }) => "ERR_BROKER_PATH_TOO_LONG",
            Self::Broker(StartError::Io { .. }) => "ERR_BROKER_LISTEN",
            Self::BrokerAuthFailed => "ERR_BROKER_AUTH_FAILED",
            Self::BrokerDraining => "ERR_BROKER_DRAINING",
            Self::Resources(_) | Self::Broker(StartError::Resources(_)) => "ERR_CORE_RESOURCES",
            Self::Crashed { .. } => "ERR_CORE_PANICKED",
            Self::Unreadable => "ERR_CORE_UNREADABLE",
        }
    }

    /// What the operating system said, by its POSIX name, where it refused something for the engine itself.
    pub fn system(&self) -> Option<&str> {
        match self {
            Self::Resources(refused) | Self::Broker(StartError::Resources(refused)) => refused.code(),
            _ => None,
        }
    }

    /// The error as a value for the wire: JSON of `{ code, message }`, and where the operating system refused something also `system`, what
    /// it said (the number of a Unix, else its POSIX name, or `null`), and `path`, if it was about one.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::json!({ "code": self.code(), "message": self.to_string() });
        if let Self::Io { path, source } | Self::Broker(StartError::Io { path, source, .. }) = self {
            json["system"] = system_code(source);
            json["path"] = path.as_str().into();
        }
        if let Some(code) = self.system() {
            json["system"] = code.into();
        }
        json.to_string()
    }
}

/// The error of the operating system by its number, where that is one of POSIX, else by name as far as the kind tells.
fn system_code(source: &io::Error) -> serde_json::Value {
    if let (true, Some(number)) = (cfg!(unix), source.raw_os_error()) {
        return number.into();
    }
    posix_name(source).into()
}
