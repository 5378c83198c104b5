//! A private directory beside the path of a socket, in which the socket is made ready before anybody can see it.
//!
//! It belongs to this user and has mode 0700 from the moment it exists, so there is no time at which a socket stands open
//! between `bind` and `chmod`. It is removed with all that is in it when it is dropped, on every way out.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::mem::{offset_of, size_of};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::{UnixListener, UnixSocket};

/// What fits into the address of a socket, in bytes: all but the final NUL.
pub(super) const LONGEST_PATH: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;
/// Connections that may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: u32 = 4096;
/// Names are short, so that they fit where the path itself does.
const SOCKET: &str = "s";
const REMOVED: &str = "r";

/// A directory that only this user enters.
pub(super) struct PrivateDirectory {
    path: PathBuf,
    /// Its address where `path` is too long for one: `/proc/self/fd/<n>`. The file keeps the number valid.
    #[cfg(target_os = "linux")]
    short: Option<(PathBuf, File)>,
}

impl PrivateDirectory {
    /// Makes one in `directory`.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let path = loop {
            let mut random = [0; 4];
            SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("no random bytes"))?;
            // Short: the socket in here must fit into an address where the path that is asked for does.
            let path = directory.join(format!(".{:05x}", u32::from_ne_bytes(random) >> 12));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => break made.map(|()| path)?,
            }
        };
        #[cfg(target_os = "linux")]
        {
            let mut made = Self { path, short: None };
            if made.socket().as_os_str().len() > LONGEST_PATH {
                use std::os::fd::AsRawFd;
                let file = File::open(&made.path)?;
                made.short = Some((PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())), file));
            }
            Ok(made)
        }
        #[cfg(not(target_os = "linux"))]
        Ok(Self { path })
    }

    /// Binds the socket in here, gives it mode 0700, and listens.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let socket = UnixSocket::new_stream()?;
        socket.bind(self.address(SOCKET))?;
        fs::set_permissions(self.socket(), Permissions::from_mode(0o700))?;
        socket.listen(BACKLOG)
    }

    /// The path of the socket that listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Where a dead broker's socket is moved.
    pub(super) fn removed(&self) -> PathBuf {
        self.path.join(REMOVED)
    }

    /// [`Self::removed`] as the address of a socket.
    pub(super) fn removed_address(&self) -> PathBuf {
        self.address(REMOVED)
    }

    fn address(&self, name: &str) -> PathBuf {
        #[cfg(target_os = "linux")]
        if let Some((short, _)) = &self.short {
            return short.join(name);
        }
        self.path.join(name)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What is not there need not be removed; for the rest there is nobody to tell.
        _ = fs::remove_file(self.socket());
        _ = fs::remove_file(self.removed());
        _ = fs::remove_dir(&self.path);
    }
}

/// Gives the file `from` the name `to` if nothing has it; says whether it did.
pub(super) fn claim(from: &Path, to: &Path) -> io::Result<bool> {
    let claimed = match fs::hard_link(from, to) {
        // A file system without hard links.
        Err(error) if is_one_of(&error, &[libc::EPERM, libc::EOPNOTSUPP, libc::ENOTSUP, libc::ENOSYS]) => {
            rename_without_replacing(from, to)
        }
        linked => linked,
    };
    match claimed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_one_of(error: &io::Error, codes: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// `rename(2)` that fails with `EEXIST` where `to` exists. Where the system cannot do that in one step, it looks first.
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match rename_exclusively(from, to) {
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP)) =>
        {
            match fs::symlink_metadata(to) {
                Err(missing) if missing.kind() == ErrorKind::NotFound => fs::rename(from, to),
                Err(error) => Err(error),
                Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            }
        }
        done => done,
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn rename_exclusively(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    #[cfg(target_os = "linux")]
    // SAFETY: both paths are strings that end with NUL and live through the call.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    } != 0;
    #[cfg(target_os = "macos")]
    // SAFETY: both paths are strings that end with NUL and live through the call.
    let failed = unsafe { libc::renamex_np(from.as_ptr(), to.as_ptr(), libc::RENAME_EXCL) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn rename_exclusively(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_without_hard_links_replaces_nothing() {
        let directory = PrivateDirectory::create(&std::env::temp_dir()).expect("a directory");
        let (from, to) = (directory.socket(), directory.removed());
        fs::write(&from, "mine").expect("written");
        fs::write(&to, "another's").expect("written");
        let error = rename_without_replacing(&from, &to).expect_err("it exists");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).expect("read"), b"another's");
        fs::remove_file(&to).expect("removed");
        rename_without_replacing(&from, &to).expect("renamed");
        assert_eq!(fs::read(&to).expect("read"), b"mine");
    }
}
