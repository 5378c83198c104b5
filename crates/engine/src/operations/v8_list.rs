//! Plain arrays of numbers in V8's serialization format, which can say NaN, infinity and `-0`.
//!
//! V8 writes an array as dense (`A`, length, elements, `$`) or, where it allows for holes, as sparse (`a`, length, pairs
//! of index and element, `@`). An array that was once made longer than it was filled allows for holes for ever, even
//! when it has none: a sparse array is one of numbers too if each index is there. Named properties are left alone, as
//! they are in JSON.

use super::Operation;
use super::v8_reader::{ARRAY, DOUBLE, END_OF_ARRAY, END_OF_SPARSE_ARRAY, Reader, SPARSE_ARRAY};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::reserve::{try_push, try_reserve, try_with_capacity};

/// Elements between two looks at the cancel flag.
const STRIDE: usize = 1 << 16;
/// Bytes of the shortest element.
const SHORTEST: usize = 2;

/// Bytes before and behind the elements, and more.
const ENDS: usize = 32;

/// Whether a tag begins an array.
pub(super) fn is_array(tag: u8) -> bool {
    matches!(tag, ARRAY | SPARSE_ARRAY)
}

/// Takes an array of numbers.
///
/// # Errors
/// [`Error::InvalidData`] naming the first element that is not a number, [`Error::OutOfMemory`] and [`Error::Cancelled`].
pub(super) fn read(
    operation: Operation,
    reader: &mut Reader<'_>,
    cancel: &Cancel,
) -> Result<Vec<f64>, Error> {
    let damaged = || operation.refuse_damaged();
    let is_dense = match reader.tag() {
        Some(ARRAY) => true,
        Some(SPARSE_ARRAY) => false,
        _ => return Err(damaged()),
    };
    let length = reader.varint().ok_or_else(damaged)?;
    // The length is only what the bytes claim.
    let mut values = try_with_capacity((length as usize).min(reader.left() / SHORTEST))?;
    for index in 0..length as usize {
        if index.is_multiple_of(STRIDE) {
            cancel.check()?;
        }
        if !is_dense && reader.number() != Some(index as f64) {
            return Err(operation.refuse_element("a hole", index));
        }
        let Some(value) = reader.number() else {
            let found = reader.describe().ok_or_else(damaged)?;
            return Err(operation.refuse_element(&found, index));
        };
        try_push(&mut values, value)?;
    }
    let end = if is_dense { END_OF_ARRAY } else { END_OF_SPARSE_ARRAY };
    match reader.skip_to_end(end) {
        Some(claimed) if claimed == length => Ok(values),
        _ => Err(damaged()),
    }
}

/// Appends a dense array of doubles, written as version 13, which every supported Node reads.
pub(super) fn push(values: &[f64], cancel: &Cancel, out: &mut Vec<u8>) -> Result<(), Error> {
    try_reserve(out, values.len().saturating_mul(1 + size_of::<f64>()).saturating_add(ENDS))?;
    out.extend_from_slice(&[0xff, 13, ARRAY]);
    push_varint(values.len(), out);
    for chunk in values.chunks(STRIDE) {
        cancel.check()?;
        for value in chunk {
            out.push(DOUBLE);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    out.extend_from_slice(&[END_OF_ARRAY, 0]);
    push_varint(values.len(), out);
    Ok(())
}

fn push_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
