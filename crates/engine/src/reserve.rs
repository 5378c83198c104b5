//! Memory for what grows with a user's values. Where the system has none, that is a result, as in Node.js; small allocations of a fixed size
//! end the process where even they fail.

use std::alloc::{Layout, alloc_zeroed};
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use serde::Serialize;

use crate::error::Error;
use crate::payload::Scalar;

/// Bytes that are more than a small allocation.
const LARGE: usize = 64 << 10;

/// Makes room for `more` elements, and for as many again as are there: or, where there is no memory for that, for no more than asked for.
///
/// # Errors
/// [`Error::OutOfMemory`]; the vector is as it was.
#[inline]
pub fn try_reserve<T>(vector: &mut Vec<T>, more: usize) -> Result<(), Error> {
    if vector.try_reserve(more).is_ok() { Ok(()) } else { try_reserve_little(vector, more) }
}

#[cold]
fn try_reserve_little<T>(vector: &mut Vec<T>, more: usize) -> Result<(), Error> {
    // An eighth of what is there keeps the number of steps small.
    let some = more.max(vector.len() / 8);
    if vector.try_reserve_exact(some).is_ok() { Ok(()) } else { try_reserve_exact(vector, more) }
}

/// Makes room for exactly `more` elements, see [`try_reserve`].
///
/// # Errors
/// [`Error::OutOfMemory`]; the vector is as it was.
pub fn try_reserve_exact<T>(vector: &mut Vec<T>, more: usize) -> Result<(), Error> {
    vector.try_reserve_exact(more).map_err(|_| out_of_memory::<T>(vector.len().saturating_add(more)))
}

/// An empty vector with room for `length` elements.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn try_with_capacity<T>(length: usize) -> Result<Vec<T>, Error> {
    let mut vector = Vec::new();
    try_reserve_exact(&mut vector, length)?;
    Ok(vector)
}

/// Appends one element.
///
/// # Errors
/// [`Error::OutOfMemory`]; the vector is as it was.
#[inline]
pub fn try_push<T>(vector: &mut Vec<T>, element: T) -> Result<(), Error> {
    if vector.len() == vector.capacity() {
        try_reserve(vector, 1)?;
    }
    vector.push(element);
    Ok(())
}

/// Appends elements.
///
/// # Errors
/// [`Error::OutOfMemory`]; the vector is as it was.
#[inline]
pub fn try_extend<T: Copy>(vector: &mut Vec<T>, elements: &[T]) -> Result<(), Error> {
    try_reserve(vector, elements.len())?;
    vector.extend_from_slice(elements);
    Ok(())
}

/// A copy of elements.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn try_to_vec<T: Copy>(elements: &[T]) -> Result<Vec<T>, Error> {
    let mut vector = try_with_capacity(elements.len())?;
    vector.extend_from_slice(elements);
    Ok(vector)
}

/// Makes a vector `length` elements long, filled up with `element`.
///
/// # Errors
/// [`Error::OutOfMemory`]; the vector is as it was.
pub fn try_resize<T: Copy>(vector: &mut Vec<T>, length: usize, element: T) -> Result<(), Error> {
    try_reserve(vector, length.saturating_sub(vector.len()))?;
    vector.resize(length, element);
    Ok(())
}

/// A vector of so many zeros. The system gives memory that is zero already: nothing is written.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn try_zeroed<T: Scalar>(length: usize) -> Result<Vec<T>, Error> {
    let layout = Layout::array::<T>(length).map_err(|_| out_of_memory::<T>(length))?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if memory.is_null() {
        return Err(out_of_memory::<T>(length));
    }
    if layout.size() >= MANY_PAGES {
        ask_for_large_pages(memory.cast(), layout.size());
    }
    // SAFETY: it was allocated just now, by the global allocator and with the layout of so many elements; zeros are a value of each `Scalar`.
    Ok(unsafe { Vec::from_raw_parts(memory, length, length) })
}

/// An empty vector with room for `length` elements, in large pages where it is large and the system has some.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn try_untouched<T>(length: usize) -> Result<Vec<T>, Error> {
    let mut vector = try_with_capacity::<T>(length)?;
    let bytes = vector.capacity() * size_of::<T>();
    if bytes >= MANY_PAGES {
        ask_for_large_pages(vector.as_mut_ptr().cast(), bytes);
    }
    Ok(vector)
}

/// From so many bytes on large pages pay: clearing four kilobytes at a time costs more than sorting what is in them.
const MANY_PAGES: usize = 4 << 20;

/// Asks the system for large pages under memory that was not touched yet. It may say no.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(memory: *mut u8, bytes: usize) {
    const PAGE: usize = 4096;
    let first = (memory as usize).next_multiple_of(PAGE) - memory as usize;
    if let Some(rest) = bytes.checked_sub(first) {
        // SAFETY: whole pages of an allocation of ours; the advice changes nothing that a program can see.
        _ = unsafe { libc::madvise(memory.add(first).cast(), rest - rest % PAGE, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: *mut u8, _: usize) {}

/// The parts one after another, in memory that many can hold.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn try_shared(parts: &[&[u8]]) -> Result<Arc<[u8]>, Error> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut bytes = try_with_capacity(length)?;
    if length > LARGE {
        // An `Arc` cannot say that there is no memory: it takes what was there a moment ago.
        drop(try_with_capacity::<u8>(length + size_of::<[usize; 2]>())?);
    }
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes.into())
}

/// Appends the JSON text of a value.
///
/// # Errors
/// [`Error::OutOfMemory`]; the vector may hold a part of the text.
pub fn try_push_json(vector: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
    let mut writer = Fallible { vector, refused: None };
    let written = serde_json::to_writer(&mut writer, value);
    match writer.refused {
        Some(error) => Err(error),
        None => {
            written.expect("text and numbers can be written");
            Ok(())
        }
    }
}

/// Writes to memory.
struct Fallible<'a> {
    vector: &'a mut Vec<u8>,
    refused: Option<Error>,
}

impl Write for Fallible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        try_extend(self.vector, bytes).map_err(|error| {
            self.refused = Some(error);
            ErrorKind::OutOfMemory.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cold]
fn out_of_memory<T>(elements: usize) -> Error {
    Error::OutOfMemory { bytes: elements.saturating_mul(size_of::<T>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_told_in_bytes_and_changes_nothing() {
        let mut vector = vec![1_u64, 2];
        let refused = try_reserve(&mut vector, usize::MAX / 64).expect_err("more than any machine has");
        assert_eq!(refused.code(), "ERR_CORE_OUT_OF_MEMORY");
        assert!(matches!(refused, Error::OutOfMemory { bytes } if bytes == (usize::MAX / 64 + 2) * 8));
        assert_eq!(vector, [1, 2]);
        assert!(try_resize(&mut vector, usize::MAX / 64, 0).is_err());
        assert!(try_with_capacity::<u64>(usize::MAX).is_err());
        assert_eq!(vector, [1, 2]);
    }

    #[test]
    fn what_can_be_had_is_there() {
        let mut vector = Vec::new();
        try_extend(&mut vector, b"ab").expect("two bytes");
        try_push(&mut vector, b'c').expect("a byte");
        try_resize(&mut vector, 5, 0).expect("two bytes");
        assert_eq!(vector, b"abc\0\0");
        assert_eq!(try_to_vec(&vector).expect("five bytes"), vector);
        try_push_json(&mut vector, "x\ny").expect("a few bytes");
        assert_eq!(vector, b"abc\0\0\"x\\ny\"");
        assert_eq!(try_zeroed::<f64>(3).expect("three numbers"), [0.0; 3]);
        assert!(try_zeroed::<u8>(0).expect("nothing").is_empty());
        assert!(try_zeroed::<u64>(usize::MAX / 16).is_err());
    }
}
