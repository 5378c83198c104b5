//! Memory of our own that is aligned for every kind of element.
//!
//! What is let go of is kept for the next use, within bounds: memory that is new to the process costs several times as much as what is
//! copied into it, for the system has to clear it page by page.

use parking_lot::Mutex;

use crate::error::Error;
use crate::reserve::try_untouched;

/// Memory is kept in pieces of at most so many bytes,
const LARGEST_KEPT: usize = 1 << 20;
/// and of so many bytes and pieces in all.
const MOST_KEPT: usize = 8 << 20;
const MOST_PIECES: usize = 64;

static KEPT: Mutex<Kept> = Mutex::new(Kept { pieces: Vec::new(), words: 0 });

struct Kept {
    pieces: Vec<Vec<u64>>,
    /// Words of all pieces.
    words: usize,
}

/// A piece with room for so many words, and not for many more.
fn take_kept(words: usize) -> Option<Vec<u64>> {
    if words * 8 > LARGEST_KEPT {
        return None;
    }
    let mut kept = KEPT.lock();
    let fits = |piece: &Vec<u64>| piece.capacity() >= words && piece.capacity() <= 4 * words.max(512);
    let at = kept.pieces.iter().rposition(fits)?;
    let piece = kept.pieces.swap_remove(at);
    kept.words -= piece.capacity();
    Some(piece)
}

impl Drop for Aligned {
    fn drop(&mut self) {
        let words = std::mem::take(&mut self.words);
        if (1..=LARGEST_KEPT / 8).contains(&words.capacity()) {
            let mut kept = KEPT.lock();
            if (kept.words + words.capacity()) * 8 <= MOST_KEPT && kept.pieces.len() < MOST_PIECES {
                kept.words += words.capacity();
                kept.pieces.push(words);
            }
        }
    }
}

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
        let words = match take_kept(bytes.div_ceil(8)) {
            Some(words) => words,
            None => try_untouched(bytes.div_ceil(8))?,
        };
        Ok(Self { words, bytes: 0 })
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
}
