//! An array that is being read, block by block and under a claim.

use std::cell::Cell;
use std::ops::Range;
use std::slice;

use super::lender::{Session, Sharing};
use super::{Aligned, Memory};
use crate::cancel::Cancel;
use crate::error::Error;

thread_local! {
    /// Where a block of shared memory is copied to; at most a megabyte.
    static SCRATCH: Cell<Aligned> = Cell::default();
}

/// By the rule for its kind of memory; see the [module](super).
#[derive(Debug)]
pub(super) enum Reading<'a> {
    /// Memory of our own.
    Own(&'a [u8]),
    /// It is there until this is dropped.
    Shared { memory: Memory, _sharing: Sharing },
    /// It is there in the isolate's turns.
    Detachable { memory: Memory, session: Session },
}

impl Reading<'_> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Shared { memory, .. } | Self::Detachable { memory, .. } => memory.bytes,
        }
    }

    /// Runs `look` with the bytes of `range`.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::Cancelled`], and of shared memory [`Error::OutOfMemory`].
    pub fn block<R>(
        &self,
        range: Range<usize>,
        cancel: &Cancel,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Error> {
        assert!(range.start <= range.end && range.end <= self.len(), "a block lies within the array");
        match self {
            Self::Own(bytes) => cancel.check().map(|()| look(&bytes[range])),
            Self::Shared { memory, .. } => {
                cancel.check()?;
                let mut copy = SCRATCH.take();
                copy.start_anew(range.len())?;
                // JavaScript in other threads may write meanwhile, and what a slice shows must not change: so it is a copy.
                // SAFETY: the sharing keeps the memory, the claim keeps our writers away, and there is room. Bytes that JavaScript
                // changes meanwhile are read as they were or as they become: any bits are a value.
                unsafe { copy.append(memory.pointer.add(range.start), range.len()) };
                let result = look(copy.bytes());
                SCRATCH.set(copy);
                Ok(result)
            }
            Self::Detachable { memory, session } => session.touch(cancel, || {
                // SAFETY: while it is touched the memory is there and its isolate stands still; the claim keeps our writers away.
                look(unsafe { slice::from_raw_parts(memory.pointer.add(range.start), range.len()) })
            }),
        }
    }
}
