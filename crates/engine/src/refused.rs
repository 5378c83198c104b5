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
    let by_number = name_of_number;
    #[cfg(windows)]
    let by_number = name_on_windows;
    if let Some(name) = error.raw_os_error().and_then(by_number) {
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

/// What `node:fs` makes of the errors of Windows that files have, by the table of libuv (`uv_translate_sys_error`).
#[cfg(any(windows, test))]
fn name_on_windows(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "EISDIR",                                         // INVALID_FUNCTION
        2 | 3 | 15 | 123 | 126 | 161 | 267 | 4392 => "ENOENT", // FILE_NOT_FOUND, PATH_NOT_FOUND, INVALID_NAME, DIRECTORY, ...
        4 => "EMFILE",                                         // TOO_MANY_OPEN_FILES
        5 | 1314 => "EPERM",                                   // ACCESS_DENIED, PRIVILEGE_NOT_HELD
        6 | 1004 => "EBADF",                                   // INVALID_HANDLE, INVALID_FLAGS
        8 | 14 => "ENOMEM",                                    // NOT_ENOUGH_MEMORY, OUTOFMEMORY
        13 | 87 | 122 | 1464 => "EINVAL", // INVALID_DATA, INVALID_PARAMETER, INSUFFICIENT_BUFFER, ...
        17 => "EXDEV",                    // NOT_SAME_DEVICE
        19 => "EROFS",                    // WRITE_PROTECT
        23 | 31 | 1117 | 483 => "EIO",    // CRC, GEN_FAILURE, IO_DEVICE, ...
        32 | 33 | 231 => "EBUSY",         // SHARING_VIOLATION, LOCK_VIOLATION, PIPE_BUSY
        39 | 82 | 112 => "ENOSPC",        // HANDLE_DISK_FULL, CANNOT_MAKE, DISK_FULL
        50 => "ENOTSUP",                  // NOT_SUPPORTED
        80 | 183 => "EEXIST",             // FILE_EXISTS, ALREADY_EXISTS
        121 => "ETIMEDOUT",               // SEM_TIMEOUT
        145 => "ENOTEMPTY",               // DIR_NOT_EMPTY
        206 => "ENAMETOOLONG",            // FILENAME_EXCED_RANGE
        230 | 232 | 233 => "EPIPE",       // BAD_PIPE, NO_DATA, PIPE_NOT_CONNECTED
        740 | 998 | 1920 => "EACCES",     // ELEVATION_REQUIRED, NOACCESS, CANT_ACCESS_FILE
        995 => "ECANCELED",               // OPERATION_ABORTED
        1921 => "ELOOP",                  // CANT_RESOLVE_FILENAME
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that another process holds had no cause at all, and a name that cannot be was too long.
    #[test]
    fn errors_of_windows_have_the_names_that_node_gives() {
        let names = [
            (2, "ENOENT"),
            (5, "EPERM"),
            (32, "EBUSY"),
            (33, "EBUSY"),
            (123, "ENOENT"),
            (206, "ENAMETOOLONG"),
        ];
        for (number, name) in names {
            assert_eq!(name_on_windows(number), Some(name), "{number}");
        }
        assert_eq!(name_on_windows(-1), None);
    }

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
