//! An array as an operation sees it.

use std::marker::PhantomData;
use std::ops::{Deref, Range};

use super::claims::Claim;
use super::reading::Reading;
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
        Self { element, source: Source::Bytes(bytes_of(elements)) }
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

    /// All bytes, for as long as the result lives: memory of the isolate is copied. For operations that take longer than a copy.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::OutOfMemory`], [`Error::Cancelled`].
    pub fn hold(&self, cancel: &Cancel) -> Result<Held<'a>, Error> {
        Ok(Held(match self.source {
            Source::Bytes(bytes) => Whole::Bytes(bytes),
            Source::Lent(_) => Whole::Copy(self.copy(cancel)?),
        }))
    }

    /// A copy of all bytes.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn copy(&self, cancel: &Cancel) -> Result<Aligned, Error> {
        self.scan::<u8>(cancel)?.copy(cancel)
    }

    /// The elements, block by block and without a copy: for operations that are as fast as memory is. `T` must have the size of the
    /// element kind, or be a byte.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Detached`].
    pub fn scan<T: Scalar>(&self, cancel: &Cancel) -> Result<Elements<'a, T>, Error> {
        let claim = match self.source {
            Source::Bytes(_) => None,
            Source::Lent(lent) => lent.claim(false, cancel)?,
        };
        self.read(claim)
    }

    /// Begins to replace the contents: nobody else of ours has the array until the result is dropped.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; [`Error::Unreadable`]: the view is one to be read only.
    pub fn rewrite(&self, cancel: &Cancel) -> Result<Rewriting<'a>, Error> {
        let Source::Lent(lent) = self.source else { return Err(Error::Unreadable) };
        Ok(Rewriting { _claim: lent.claim(true, cancel)?, view: *self, lent })
    }

    fn read<T: Scalar>(&self, claim: Option<Claim>) -> Result<Elements<'a, T>, Error> {
        let fits = [1, self.element.size()].contains(&size_of::<T>());
        assert!(fits, "element type of another size");
        let reading = match self.source {
            Source::Bytes(bytes) => Reading::Own(bytes),
            Source::Lent(lent) => lent.read()?,
        };
        Ok(Elements { reading, _claim: claim, element: PhantomData })
    }
}

/// An array whose contents are being replaced.
#[derive(Debug)]
pub struct Rewriting<'a> {
    view: View<'a>,
    lent: &'a Lent,
    _claim: Option<Claim>,
}

impl<'a> Rewriting<'a> {
    /// The elements as they are.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Detached`].
    pub fn elements<T: Scalar>(&self) -> Result<Elements<'a, T>, Error> {
        self.view.read(None)
    }

    /// Replaces all contents, as one step. `share` runs what it is given for ranges of bytes that make up the whole, on as many threads as
    /// it likes.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::Cancelled`]; the array is then as it was.
    pub fn write<T: Scalar>(
        &self,
        contents: &[T],
        cancel: &Cancel,
        share: impl FnOnce(&(dyn Fn(Range<usize>) + Sync)),
    ) -> Result<(), Error> {
        self.lent.write(bytes_of(contents), cancel, share)
    }
}

/// The bytes of a view, held.
#[derive(Debug)]
pub struct Held<'a>(Whole<'a>);

#[derive(Debug)]
enum Whole<'a> {
    Bytes(&'a [u8]),
    /// Of memory of the isolate.
    Copy(Aligned),
}

impl Deref for Held<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Whole::Bytes(bytes) => bytes,
            Whole::Copy(copy) => copy.bytes(),
        }
    }
}

/// The elements of a view. Nothing of ours writes them until this is dropped.
#[derive(Debug)]
pub struct Elements<'a, T> {
    // Dropped first: who waits for the claim may then have the isolate's turn.
    reading: Reading<'a>,
    _claim: Option<Claim>,
    element: PhantomData<T>,
}

impl<'a, T: Scalar> From<&'a [T]> for Elements<'a, T> {
    fn from(elements: &'a [T]) -> Self {
        Self { reading: Reading::Own(bytes_of(elements)), _claim: None, element: PhantomData }
    }
}

impl<T: Scalar> Elements<'_, T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.reading.len() / size_of::<T>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs `look` with the elements of `range`, which should be a block of at most about a megabyte.
    ///
    /// # Errors
    /// [`Error::Detached`], [`Error::OutOfMemory`], [`Error::Cancelled`].
    pub fn block<R>(
        &self,
        range: Range<usize>,
        cancel: &Cancel,
        look: impl FnOnce(&[T]) -> R,
    ) -> Result<R, Error> {
        let bytes = range.start * size_of::<T>()..range.end * size_of::<T>();
        self.reading.block(bytes, cancel, |bytes| look(elements_of(bytes)))
    }
}

impl Elements<'_, u8> {
    /// A copy of all of them.
    fn copy(&self, cancel: &Cancel) -> Result<Aligned, Error> {
        let length = self.len();
        let mut copy = Aligned::with_capacity(length)?;
        for start in (0..length).step_by(COPY_BLOCK) {
            self.block(start..length.min(start + COPY_BLOCK), cancel, |block| {
                // SAFETY: a slice is readable, and there is room for all of them.
                unsafe { copy.append(block.as_ptr(), block.len()) };
            })?;
        }
        Ok(copy)
    }
}

fn bytes_of<T: Scalar>(elements: &[T]) -> &[u8] {
    // SAFETY: scalars have no padding.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

/// Bytes as elements; they are aligned, as those of a typed array are.
fn elements_of<T: Scalar>(bytes: &[u8]) -> &[T] {
    // SAFETY: any bits are a value of a scalar.
    let (before, elements, _) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty(), "an array is aligned for its elements");
    elements
}
