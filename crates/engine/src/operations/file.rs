//! Reading a file block by block, keeping nothing.

use std::cell::Cell;
use std::fs::File;
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
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let kind = std::fs::metadata(path).map_err(failed)?;
    if kind.is_dir() {
        return Err(failed(io::Error::new(ErrorKind::IsADirectory, "is a directory, not a file")));
    }
    if !kind.is_file() {
        return Err(failed(io::Error::new(ErrorKind::InvalidInput, "is not a regular file")));
    }
    let mut file = File::open(path).map_err(failed)?;

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
