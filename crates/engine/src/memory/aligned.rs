//! Memory of our own that is aligned for every kind of element.

use crate::error::Error;
use crate::payload::Scalar;
use crate::reserve::try_with_capacity;

/// Bytes that begin at a multiple of eight.
#[derive(Debug, Default)]
pub struct Aligned {
    words: Vec<u64>,
    bytes: usize,
}

impl Aligned {
    /// Room for `bytes` bytes; [`len`](Self::len) is 0.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the system has no more.
    pub fn with_capacity(bytes: usize) -> Result<Self, Error> {
        Ok(Self { words: try_with_capacity(bytes.div_ceil(8))?, bytes: 0 })
    }

    /// Empties it, with room for `bytes` bytes.
    ///
    /// # Errors
    /// As [`with_capacity`](Self::with_capacity).
    pub fn start_anew(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = 0;
        if self.words.capacity() * 8 < bytes {
            *self = Self::with_capacity(bytes)?;
        }
        Ok(())
    }

    /// Appends what lies at `from`.
    ///
    /// # Safety
    /// `from` must be readable for `bytes` bytes, and [`with_capacity`](Self::with_capacity) must have made room for them.
    pub unsafe fn append(&mut self, from: *const u8, bytes: usize) {
        let end = self.bytes + bytes;
        assert!(end <= self.words.capacity() * 8, "there is room for what is appended");
        // SAFETY: the caller's promise, and the check above; fresh memory does not overlap.
        unsafe {
            let to = self.words.as_mut_ptr().cast::<u8>().add(self.bytes);
            std::ptr::copy_nonoverlapping(from, to, bytes);
        }
        self.bytes = end;
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes were appended.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.bytes) }
    }

    /// The bytes as elements.
    pub fn elements_mut<T: Scalar>(&mut self) -> &mut [T] {
        // SAFETY: so many bytes were appended, they are aligned for all scalars, and any bits are a value of one.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.bytes / size_of::<T>()) }
    }
}
