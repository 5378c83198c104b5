//! A Unix socket at a path.
//!
//! The socket is bound, made private and put to listening in a [`PrivateDirectory`], then linked into its path: `link(2)` fails
//! where somebody was faster, and whoever is at the path listens already. What is found at the path is asked by connecting:
//! only who refuses the connection is dead. It is moved aside, looked at again, and put back if it is another.
//!
//! Brokers that start at once take turns by a lock on the directory. Where there is none (the directory cannot be read, the file
//! system has no locks, somebody holds it for ever), one who starts in the moment between moving aside and putting back can win beside another.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::StartError;
use super::private::{LONGEST_PATH, PrivateDirectory, claim};

/// A connection.
pub type Stream = UnixStream;

/// How long another broker is given to finish its start.
const TURN: Duration = Duration::from_secs(1);
/// How often a lock that another holds is asked for.
const RETRY: Duration = Duration::from_millis(5);
/// How long a probe may take; one who does not answer lives.
const PROBE: Duration = Duration::from_secs(1);
/// How often the path may change hands while we look.
const ATTEMPTS: usize = 16;

/// Takes connections at a path.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    place: Place,
    has_removed: bool,
}

impl Listener {
    /// Listens at `path`, with mode 0700. To be called in the runtime.
    ///
    /// # Errors
    /// Any [`StartError`]; nothing is left behind then.
    pub async fn bind(path: &str) -> Result<Self, StartError> {
        if path.len() > LONGEST_PATH {
            return Err(StartError::PathTooLong { path: path.to_owned(), limit: LONGEST_PATH });
        }
        let path = std::path::absolute(path).map_err(failed("open", Path::new(path)))?;
        let directory = path.parent().unwrap_or(&path);
        check(directory)?;
        let _turn = turn(directory).await;
        refuse_unless_free(&path).await?;
        let private = PrivateDirectory::create(directory).map_err(failed("mkdir", directory))?;
        let socket = private.listen().map_err(failed("listen", &path))?;
        let identity = fs::symlink_metadata(private.socket()).map_err(failed("lstat", &path))?;
        let mut has_removed = false;
        for _ in 0..ATTEMPTS {
            has_removed |= remove_dead(&path, &private).await?;
            if claim(&private.socket(), &path).map_err(failed("link", &path))? {
                let place = Place { path, identity: Identity::of(&identity) };
                return Ok(Self { socket, place, has_removed });
            }
        }
        Err(StartError::AlreadyRunning)
    }

    /// The next connection. Dropping the future loses none.
    ///
    /// # Errors
    /// Those of `accept(2)`.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }

    /// Whether a dead broker's socket was in its place.
    pub fn has_removed(&self) -> bool {
        self.has_removed
    }

    /// What it holds in the file system.
    pub fn place(&self) -> Place {
        self.place.clone()
    }
}

/// The path of a [`Listener`], and which file is its own.
#[derive(Clone, Debug)]
pub struct Place {
    path: PathBuf,
    identity: Identity,
}

impl Place {
    /// Removes the path, if it is still the listener's. To be called before the listener goes: while it lives, its file's number
    /// is not given to another.
    pub fn unlink(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| Identity::of(&found) == self.identity) {
            // Who removed it in between did what was wanted.
            _ = fs::remove_file(&self.path);
        }
    }
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Whether nobody but this user and root can replace what is in `directory`.
fn check(directory: &Path) -> Result<(), StartError> {
    let found = fs::metadata(directory).map_err(failed("stat", directory))?;
    let unsafe_for = |reason| {
        Err(StartError::UnsafeDirectory { directory: directory.to_string_lossy().into_owned(), reason })
    };
    if !found.is_dir() {
        return Err(failed("stat", directory)(io::Error::from_raw_os_error(libc::ENOTDIR)));
    }
    // SAFETY: they take nothing and cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    if found.uid() != user && found.uid() != 0 {
        return unsafe_for("it belongs to another user");
    }
    let sticky = found.mode() & 0o1000 != 0;
    if !sticky && found.mode() & 0o002 != 0 {
        return unsafe_for("everybody may replace what is in it");
    }
    // A directory of the user's own group is common where each user has one.
    if !sticky && found.mode() & 0o020 != 0 && found.gid() != group && found.gid() != 0 {
        return unsafe_for("another group may replace what is in it");
    }
    Ok(())
}

/// Waits until no other broker starts in `directory`; gives up after [`TURN`], and where there are no locks. Dropped: the turn ends.
async fn turn(directory: &Path) -> Option<File> {
    let file = File::open(directory).ok()?;
    let end = Instant::now() + TURN;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < end => sleep(RETRY).await,
            Err(_) => return None,
        }
    }
}

/// Refuses if somebody who lives, or something that is no socket, is at `path`. `Some`: a dead one is.
async fn refuse_unless_free(path: &Path) -> Result<Option<Identity>, StartError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("lstat", path)(error)),
    };
    if !found.file_type().is_socket() {
        return Err(StartError::NotASocket { path: path.to_string_lossy().into_owned() });
    }
    match probe(path).await.map_err(failed("connect", path))? {
        State::Lives => Err(StartError::AlreadyRunning),
        State::Dead => Ok(Some(Identity::of(&found))),
        State::Gone => Ok(None),
    }
}

/// Removes the socket of a dead broker from `path`; whether there was one.
async fn remove_dead(path: &Path, private: &PrivateDirectory) -> Result<bool, StartError> {
    let Some(dead) = refuse_unless_free(path).await? else { return Ok(false) };
    let removed = private.removed();
    match fs::rename(path, &removed) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        moved => moved.map_err(failed("rename", path))?,
    }
    // Between the probe and the rename another may have come; the number of a dead one's file may even be its own now.
    let same = fs::symlink_metadata(&removed).is_ok_and(|found| Identity::of(&found) == dead);
    let is_dead = same && matches!(probe(&private.removed_address()).await, Ok(State::Dead));
    if !is_dead {
        claim(&removed, path).map_err(failed("link", path))?;
    }
    // Where it was put back this is the second of its names.
    match fs::remove_file(&removed) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("unlink", &removed)(error)),
        _ => Ok(is_dead),
    }
}

enum State {
    /// It takes connections, or may: it is too busy (`EAGAIN`), or not ours (`EACCES`).
    Lives,
    /// It refuses: nobody listens.
    Dead,
    /// There is nothing any more.
    Gone,
}

/// Asks by connecting, without waiting: sockets of the runtime do not block.
async fn probe(path: &Path) -> io::Result<State> {
    let Ok(connected) = timeout(PROBE, UnixStream::connect(path)).await else { return Ok(State::Lives) };
    match connected {
        Ok(_) => Ok(State::Lives),
        Err(error) => match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => Ok(State::Dead),
            Some(libc::ENOENT) => Ok(State::Gone),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => Err(error),
            _ => Ok(State::Lives),
        },
    }
}

/// Says what was asked of the system when it refused.
fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_string_lossy().into_owned();
    move |source| StartError::Io { call, path, source }
}
