//! A refusal of the operating system: no thread, no descriptor, no memory for one of the engine's own parts.
//!
//! It is a result and never a state of the world: whoever meets one hands it on or tries again later, and nobody remembers it.

use std::borrow::Cow;
use std::io::{self, ErrorKind};

/// What the system did not give, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the system refused {what} ({}): {reason}", code.as_deref().unwrap_or("no code"))]
pub struct Refused {
    what: &'static str,
    /// The name of the error by POSIX.
    code: Option<Cow<'static, str>>,
    reason: String,
}

impl Refused {
    /// The system answered a request for `what` with `error`.
    pub fn new(what: &'static str, error: &io::Error) -> Self {
        Self { what, code: posix_name(error).map(Cow::Borrowed), reason: error.to_string() }
    }

    /// As [`new`](Self::new), where somebody else asked: `code` is the name by POSIX, if it is known.
    pub fn told(what: &'static str, code: Option<String>, reason: String) -> Self {
        Self { what, code: code.map(Cow::Owned), reason }
    }

    /// `EAGAIN`, `EMFILE` and so on, where it is known.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

/// The name by POSIX of an error of the system.
pub(crate) fn posix_name(error: &io::Error) -> Option<&'static str> {
    #[cfg(unix)]
    if let Some(name) = error.raw_os_error().and_then(name_of_number) {
        return Some(name);
    }
    Some(match error.kind() {
        ErrorKind::NotFound => "ENOENT",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::IsADirectory => "EISDIR",
        ErrorKind::NotADirectory => "ENOTDIR",
        ErrorKind::InvalidInput => "EINVAL",
        ErrorKind::InvalidFilename => "ENAMETOOLONG",
        ErrorKind::ResourceBusy => "EBUSY",
        ErrorKind::TimedOut => "ETIMEDOUT",
        ErrorKind::OutOfMemory => "ENOMEM",
        ErrorKind::WouldBlock => "EAGAIN",
        _ => return None,
    })
}

/// Those by which a system says that there is no more, or not for this process.
#[cfg(unix)]
fn name_of_number(number: i32) -> Option<&'static str> {
    Some(match number {
        libc::EAGAIN => "EAGAIN",
        libc::EMFILE => "EMFILE",
        libc::ENFILE => "ENFILE",
        libc::ENOMEM => "ENOMEM",
        libc::ENOSPC => "ENOSPC",
        libc::EPERM => "EPERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_refusal_says_what_was_refused_and_why() {
        let refused = Refused::new("a thread", &io::Error::from_raw_os_error(libc::EAGAIN));
        assert_eq!(refused.code(), Some("EAGAIN"));
        assert!(refused.to_string().starts_with("the system refused a thread (EAGAIN): "), "{refused}");
        let refused = Refused::new("a selector", &io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(refused.code(), Some("EMFILE"));
    }
}
