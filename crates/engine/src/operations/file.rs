//! Reading a file block by block, keeping nothing.

use std::cell::Cell;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};

use crate::cancel::Cancel;
use crate::error::Error;

/// Bytes read at a time, the work between two looks at the cancel flag.
const BLOCK_LENGTH: usize = 256 * 1024;

thread_local! {
    /// The block buffer of this thread, away while it is in use.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `each` with the blocks of a regular file in order. Links are followed; directories, pipes and devices are
/// refused, as reading them would fail or never end.
///
/// # Errors
/// [`Error::Io`] with the path, [`Error::Cancelled`], and what `each` returns.
pub(super) fn for_each_block(
    path: &str,
    cancel: &Cancel,
    mut each: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |source| Error::Io { path: path.into(), source };
    // Looked at before it is opened, for opening alone makes some devices act; and again once it is open, for something
    // else may have taken its place.
    check_kind(&std::fs::metadata(path).map_err(failed)?).map_err(failed)?;
    let mut file = open_regular(path).map_err(failed)?;

    let mut buffer = BUFFER.take();
    buffer.resize(BLOCK_LENGTH, 0);
    let read = loop {
        if let Err(cancelled) = cancel.check() {
            break Err(cancelled);
        }
        match file.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(length) => {
                if let Err(error) = each(&buffer[..length]) {
                    break Err(error);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Err(failed(error)),
        }
    };
    BUFFER.set(buffer);
    read
}

/// Opens a regular file, and nothing else, without waiting.
fn open_regular(path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    // Opening a pipe would wait for its writer. A regular file does not know the difference.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, O_NONBLOCK);
    let file = options.open(path)?;
    check_kind(&file.metadata()?)?;
    Ok(file)
}

fn check_kind(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "is a directory, not a file"));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok(())
}

/// From `fcntl.h`: Linux on the processors that Node.js runs on, and the BSD family with macOS.
#[cfg(any(target_os = "linux", target_os = "android"))]
const O_NONBLOCK: i32 = 0o4000;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const O_NONBLOCK: i32 = 0x4;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A file was looked at, and a pipe took its place before it was opened: the worker then waited for a writer for ever.
    #[test]
    fn a_pipe_in_the_place_of_a_file_is_refused_without_waiting() {
        let pipe = std::env::temp_dir().join(format!("noizylab-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
        assert!(made.success());
        let opened = open_regular(pipe.to_str().expect("a path in UTF-8"));
        std::fs::remove_file(&pipe).expect("the pipe was made");
        assert_eq!(opened.expect_err("no regular file").to_string(), "is not a regular file");
    }
}
