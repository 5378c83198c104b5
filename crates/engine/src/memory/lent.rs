//! One array that a task names.

use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use super::Aligned;
use super::claims::Claim;
use super::lender::{Hold, Session, Sharing};
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
    /// As [`Session::touch`]; the array is then as it was. [`Error::Unreadable`]: it was lent to be read only.
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

thread_local! {
    /// Where a block of shared memory is copied to; at most a megabyte.
    static SCRATCH: Cell<Aligned> = Cell::default();
}

/// Shared memory that is being read block by block, under a claim; it is there until this is dropped.
#[derive(Debug)]
pub(super) struct SharedReading {
    memory: Memory,
    _sharing: Sharing,
}

impl SharedReading {
    pub fn new(memory: Memory, hold: &Arc<Hold>) -> Result<Self, Error> {
        Ok(Self { memory, _sharing: hold.share()? })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.memory.bytes
    }

    /// Runs `look` with a copy of the bytes of `range`: JavaScript in other threads may write meanwhile, and what a slice shows must not
    /// change.
    pub fn block<R>(
        &self,
        range: Range<usize>,
        cancel: &Cancel,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Error> {
        assert!(range.start <= range.end && range.end <= self.memory.bytes, "a block lies within the array");
        cancel.check()?;
        let mut copy = SCRATCH.take();
        copy.start_anew(range.len())?;
        // SAFETY: the hold and the sharing keep the memory, the claim keeps our writers away, and there is room. Bytes that JavaScript
        // changes meanwhile are read as they were or as they become: any bits are a value.
        unsafe { copy.append(self.memory.pointer.add(range.start), range.len()) };
        let result = look(copy.bytes());
        SCRATCH.set(copy);
        Ok(result)
    }
}

/// Detachable memory that is being read block by block, under a claim.
#[derive(Debug)]
pub(super) struct DetachableReading {
    memory: Memory,
    session: Session,
}

impl DetachableReading {
    pub fn new(memory: Memory, hold: &Arc<Hold>) -> Self {
        Self { memory, session: hold.open() }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.memory.bytes
    }

    /// Runs `look` with the bytes of `range`.
    pub fn block<R>(
        &self,
        range: Range<usize>,
        cancel: &Cancel,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Error> {
        assert!(range.start <= range.end && range.end <= self.memory.bytes, "a block lies within the array");
        self.session.touch(cancel, || {
            // SAFETY: while it is touched the memory is there and its isolate stands still; the claim keeps our writers away.
            look(unsafe { std::slice::from_raw_parts(self.memory.pointer.add(range.start), range.len()) })
        })
    }
}
