//! One array that a task names.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use super::Aligned;
use super::claims::Claim;
use super::lender::Hold;
use super::reading::Reading;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::Element;

/// Bytes of an array up to which it is copied when it is submitted: below, a copy costs less than a reference and a turn of the
/// isolate.
const SMALL: usize = 32 << 10;

/// Where the memory of an array is, as Node tells it at the moment of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// First byte.
    pub pointer: *mut u8,
    /// Length in bytes.
    pub bytes: usize,
}

// SAFETY: an address and a length; only `Lent` uses them, by its rules.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// The addresses.
    fn range(self) -> Range<usize> {
        let start = self.pointer as usize;
        start..start + self.bytes
    }
}

/// An array of an isolate, by the rule for its kind of memory; see the [module](super).
#[derive(Debug)]
pub enum Lent {
    /// A copy of it.
    Copy(Element, Aligned),
    /// Memory of a `SharedArrayBuffer`.
    Shared(Element, Memory, Arc<Hold>),
    /// Memory of an `ArrayBuffer`.
    Detachable(Element, Memory, Arc<Hold>),
    /// Memory that was detached before it came here: every use fails.
    Gone,
}

impl Lent {
    /// A copy of the array at `memory`, if its kind of memory is copied. Not for an array that is to be written.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Safety
    /// `memory` must be that of a live array of the isolate of the calling thread, aligned for `element`.
    pub unsafe fn copied(element: Element, memory: Memory, shared: bool) -> Result<Option<Self>, Error> {
        if shared || memory.bytes > SMALL {
            return Ok(None);
        }
        let mut copy = Aligned::with_capacity(memory.bytes)?;
        if memory.bytes > 0 {
            // SAFETY: the array is alive, and there is room.
            unsafe { copy.append(memory.pointer, memory.bytes) };
        }
        Ok(Some(Self::Copy(element, copy)))
    }

    /// The array at `memory` itself.
    ///
    /// # Safety
    /// As above, and `memory` must stay valid as long as `hold` lives and, if it is not `shared`, JavaScript does not run. Where that
    /// ceases to be so, the hold is [told](Hold::set_detached) between [`begin_turn`](super::Lender::begin_turn) and
    /// [`lend`](super::Lender::lend).
    pub unsafe fn held(element: Element, memory: Memory, shared: bool, hold: Arc<Hold>) -> Self {
        if shared { Self::Shared(element, memory, hold) } else { Self::Detachable(element, memory, hold) }
    }

    /// The kind of the elements.
    pub(super) fn element(&self) -> Element {
        match self {
            Self::Copy(element, _) | Self::Shared(element, ..) | Self::Detachable(element, ..) => *element,
            Self::Gone => Element::U8,
        }
    }

    /// Begins to read it, under a claim.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Detached`].
    pub(super) fn read(&self) -> Result<Reading<'_>, Error> {
        Ok(match self {
            Self::Copy(_, copy) => Reading::Own(copy.bytes()),
            Self::Shared(_, memory, hold) => Reading::Shared { memory: *memory, _sharing: hold.share()? },
            Self::Detachable(_, memory, hold) => {
                Reading::Detachable { memory: *memory, session: hold.open() }
            }
            Self::Gone => return Err(Error::Detached),
        })
    }

    /// The right to read it, or to write it, until the result is dropped.
    pub(super) fn claim(&self, writes: bool, cancel: &Cancel) -> Result<Option<Claim>, Error> {
        match self {
            Self::Shared(_, memory, _) | Self::Detachable(_, memory, _) => {
                Claim::make(memory.range(), writes, cancel).map(Some)
            }
            Self::Copy(..) | Self::Gone => Ok(None),
        }
    }

    /// Writes `bytes` over it, as one step and under a claim. `share` runs what it is given for parts that make up the whole, on as many
    /// threads as it likes.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::Cancelled`]; the array is then as it was. [`Error::Unreadable`]: it was lent to be read only.
    pub(super) fn write(
        &self,
        bytes: &[u8],
        cancel: &Cancel,
        share: impl FnOnce(&(dyn Fn(Range<usize>) + Sync)),
    ) -> Result<(), Error> {
        assert_eq!(bytes.len(), self.len(), "contents of another length");
        let write = |memory: &Memory| {
            let copy = |part: Range<usize>| {
                let from = &bytes[part.clone()];
                // SAFETY: the caller of the outer closure has made sure that the memory is there, which is as long as `bytes`; the claim
                // keeps all others of ours away.
                unsafe {
                    ptr::copy_nonoverlapping(from.as_ptr(), memory.pointer.add(part.start), from.len())
                };
            };
            share(&copy);
        };
        match self {
            Self::Copy(..) => Err(Error::Unreadable),
            Self::Shared(_, memory, hold) => {
                let _sharing = hold.share()?;
                write(memory);
                Ok(())
            }
            Self::Detachable(_, memory, hold) => hold.open().touch(cancel, || write(memory)),
            Self::Gone => Err(Error::Detached),
        }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Copy(_, copy) => copy.len(),
            Self::Shared(_, memory, _) | Self::Detachable(_, memory, _) => memory.bytes,
            Self::Gone => 0,
        }
    }
}
