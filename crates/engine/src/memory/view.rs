//! An array as an operation sees it.

use std::ops::{Deref, Range};

use super::lent::{DetachableReading, SharedReading, replace};
use super::{Aligned, Lent};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Element, Scalar};

/// Bytes of one block of a copy.
const COPY_BLOCK: usize = 1 << 20;

/// A typed array, a `Buffer` or an `ArrayBuffer` that a task was given.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    element: Element,
    source: Source<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Bytes(&'a [u8]),
    Lent(&'a Lent),
}

impl<'a> View<'a> {
    /// A view of elements in memory of our own. `T` must have the size of the element kind.
    pub fn of<T: Scalar>(element: Element, elements: &'a [T]) -> Self {
        assert_eq!(size_of::<T>(), element.size(), "element type of another size");
        // SAFETY: scalars have no padding.
        let bytes = unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) };
        Self { element, source: Source::Bytes(bytes) }
    }

    /// A view of what an isolate lends.
    pub fn lent(lent: &'a Lent) -> Self {
        let source = match lent {
            Lent::Copy(_, copy) => Source::Bytes(copy.bytes()),
            _ => Source::Lent(lent),
        };
        Self { element: lent.element(), source }
    }

    /// The kind of the elements.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Length in bytes.
    pub fn byte_length(&self) -> usize {
        match self.source {
            Source::Bytes(bytes) => bytes.len(),
            Source::Lent(lent) => lent.len(),
        }
    }

    /// All bytes, for as long as the result lives; detachable memory is copied. For operations that take longer than a copy.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::OutOfMemory`], [`Error::Cancelled`].
    pub fn hold(&self, cancel: &Cancel) -> Result<Held<'a>, Error> {
        Ok(Held(match self.source {
            Source::Bytes(bytes) => Whole::Bytes(bytes),
            Source::Lent(Lent::Shared(_, memory, hold)) => {
                Whole::Shared(SharedReading::new(*memory, hold, cancel)?)
            }
            Source::Lent(_) => Whole::Copy(self.copy(cancel)?),
        }))
    }

    /// A copy of all bytes.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn copy(&self, cancel: &Cancel) -> Result<Aligned, Error> {
        let length = self.byte_length();
        let mut copy = Aligned::with_capacity(length)?;
        let bytes = self.scan::<u8>(cancel)?;
        for start in (0..length).step_by(COPY_BLOCK) {
            bytes.block(start..length.min(start + COPY_BLOCK), cancel, |block| {
                // SAFETY: a slice is readable, and there is room for all of them.
                unsafe { copy.append(block.as_ptr(), block.len()) };
            })?;
        }
        Ok(copy)
    }

    /// The elements, block by block and without a copy: for operations that are as fast as memory is. `T` must have the size of the
    /// element kind, or be a byte.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Detached`].
    pub fn scan<T: Scalar>(&self, cancel: &Cancel) -> Result<Elements<'a, T>, Error> {
        let fits = [1, self.element.size()].contains(&size_of::<T>());
        assert!(fits, "element type of another size");
        Ok(match self.source {
            Source::Bytes(bytes) => Elements(Part::Slice(elements_of(bytes))),
            Source::Lent(Lent::Shared(_, memory, hold)) => {
                Elements(Part::Shared(SharedReading::new(*memory, hold, cancel)?))
            }
            Source::Lent(Lent::Detachable(_, memory, hold)) => {
                Elements(Part::Detachable(DetachableReading::new(*memory, hold, cancel)?))
            }
            Source::Lent(Lent::Copy(_, copy)) => Elements(Part::Slice(elements_of(copy.bytes()))),
            Source::Lent(Lent::Gone) => return Err(Error::Detached),
        })
    }

    /// Replaces the contents where JavaScript sees them, as one step; `false`: this is a copy, which JavaScript does not see.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::Cancelled`]; the array is then as it was.
    pub fn replace(&self, bytes: &[u8], cancel: &Cancel) -> Result<bool, Error> {
        match self.source {
            Source::Bytes(_) => Ok(false),
            Source::Lent(lent) => replace(lent, bytes, cancel).map(|()| true),
        }
    }
}

/// The bytes of a view, held.
#[derive(Debug)]
pub struct Held<'a>(Whole<'a>);

#[derive(Debug)]
enum Whole<'a> {
    Bytes(&'a [u8]),
    /// Of what could be detached.
    Copy(Aligned),
    Shared(SharedReading),
}

impl Deref for Held<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Whole::Bytes(bytes) => bytes,
            Whole::Copy(copy) => copy.bytes(),
            Whole::Shared(reading) => reading.bytes(),
        }
    }
}

/// The elements of a view. Nothing of ours writes them until this is dropped.
#[derive(Debug)]
pub struct Elements<'a, T>(Part<'a, T>);

#[derive(Debug)]
enum Part<'a, T> {
    Slice(&'a [T]),
    Shared(SharedReading),
    Detachable(DetachableReading),
}

impl<'a, T: Scalar> From<&'a [T]> for Elements<'a, T> {
    fn from(elements: &'a [T]) -> Self {
        Self(Part::Slice(elements))
    }
}

impl<T: Scalar> Elements<'_, T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.0 {
            Part::Slice(elements) => elements.len(),
            Part::Shared(reading) => reading.bytes().len() / size_of::<T>(),
            Part::Detachable(reading) => reading.len() / size_of::<T>(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs `look` with the elements of `range`, which should be a block of at most about a megabyte.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::Cancelled`].
    pub fn block<R>(
        &self,
        range: Range<usize>,
        cancel: &Cancel,
        look: impl FnOnce(&[T]) -> R,
    ) -> Result<R, Error> {
        match &self.0 {
            Part::Slice(elements) => cancel.check().map(|()| look(&elements[range])),
            Part::Shared(reading) => cancel.check().map(|()| look(&elements_of(reading.bytes())[range])),
            Part::Detachable(reading) => {
                let bytes = range.start * size_of::<T>()..range.end * size_of::<T>();
                reading.block(bytes, cancel, |bytes| look(elements_of(bytes)))
            }
        }
    }
}

/// Bytes as elements; they are aligned, as those of a typed array are.
fn elements_of<T: Scalar>(bytes: &[u8]) -> &[T] {
    // SAFETY: any bits are a value of a scalar.
    let (before, elements, _) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty(), "an array is aligned for its elements");
    elements
}
