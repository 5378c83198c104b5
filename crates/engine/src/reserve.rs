//! Memory for what grows with a user's values. Where the system has none, that is a result, as in Node.js; small allocations of a fixed size
//! end the process where even they fail.

use crate::error::Error;

/// Makes room for `more` elements.
///
/// # Errors
/// [`Error::OutOfMemory`]; the vector is as it was.
#[inline]
pub fn try_reserve<T>(vector: &mut Vec<T>, more: usize) -> Result<(), Error> {
    vector.try_reserve(more).map_err(|_| out_of_memory::<T>(vector.len().saturating_add(more)))
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
    }
}
