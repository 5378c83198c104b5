//! Plain arrays of numbers: read from JSON as they stream by, written as JSON or, if need be, in V8's format.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Operation;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::Tag;

/// Elements between two looks at the cancel flag.
const STRIDE: usize = 1 << 16;
/// Integers below this are written without a fraction.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// Calls `each` with every element of a JSON array and returns how many there were.
///
/// # Errors
/// [`Error::InvalidData`] naming the first element that is not a finite number.
pub(super) fn for_each_number(
    operation: Operation,
    json: &str,
    cancel: &Cancel,
    each: impl FnMut(f64),
) -> Result<usize, Error> {
    let mut count = 0;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = deserializer.deserialize_seq(Numbers { count: &mut count, cancel, each });
    match read.and_then(|()| deserializer.end()) {
        Ok(()) => Ok(count),
        Err(_) => {
            cancel.check()?;
            Err(refuse_element(operation, json, count))
        }
    }
}

/// All elements of a JSON array of numbers.
pub(super) fn collect_numbers(operation: Operation, json: &str, cancel: &Cancel) -> Result<Vec<f64>, Error> {
    let mut values = Vec::new();
    for_each_number(operation, json, cancel, |value| values.push(value))?;
    Ok(values)
}

/// Appends a plain array: JSON text if every element is finite, else V8's format.
pub(super) fn push_list(values: &[f64], cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    if !values.iter().all(|value| value.is_finite()) {
        return push_v8_list(values, cancel, out);
    }
    out.push(b'[');
    for (part, chunk) in values.chunks(STRIDE).enumerate() {
        cancel.check()?;
        for (index, value) in chunk.iter().enumerate() {
            if part > 0 || index > 0 {
                out.push(b',');
            }
            push_number(*value, out);
        }
    }
    out.push(b']');
    Ok(Tag::Json)
}

/// Appends a finite number as JSON text that `JSON.parse` reads back as the same number, `-0` included.
pub(super) fn push_number(value: f64, out: &mut Vec<u8>) {
    let is_integer = value.fract() == 0.0 && value.abs() < EXACT_INTEGERS;
    let written = if is_integer && !(value == 0.0 && value.is_sign_negative()) {
        serde_json::to_writer(&mut *out, &(value as i64))
    } else {
        serde_json::to_writer(&mut *out, &value)
    };
    written.expect("writing to memory cannot fail");
}

/// Appends a dense array of doubles in V8's serialization format (`value-serializer.cc`), written as version 13, which
/// every supported Node reads: header, `A`, length, elements of `N` and eight bytes, `$`, no properties, length.
fn push_v8_list(values: &[f64], cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    out.extend_from_slice(&[0xff, 13, b'A']);
    push_varint(values.len(), out);
    for chunk in values.chunks(STRIDE) {
        cancel.check()?;
        for value in chunk {
            out.push(b'N');
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    out.extend_from_slice(b"$\0");
    push_varint(values.len(), out);
    Ok(Tag::V8)
}

fn push_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cold]
fn refuse_element(operation: Operation, json: &str, index: usize) -> Error {
    let mut element = None;
    // The array is known to be broken at `index` or to hold something else there: only what was found counts.
    let _ = serde_json::Deserializer::from_str(json).deserialize_seq(Nth { index, element: &mut element });
    let given = match element {
        Some(raw) if raw.chars().count() > 40 => {
            format!("{}… at index {index}", raw.chars().take(40).collect::<String>())
        }
        Some(raw) => format!("{raw} at index {index}"),
        None => format!("no JSON value at index {index}"),
    };
    operation.refuse_part("an array of numbers only", given)
}

struct Numbers<'c, F> {
    count: &'c mut usize,
    cancel: &'c Cancel,
    each: F,
}

impl<'de, F: FnMut(f64)> Visitor<'de> for Numbers<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(value) = sequence.next_element()? {
            (self.each)(value);
            *self.count += 1;
            if self.count.is_multiple_of(STRIDE) && self.cancel.is_cancelled() {
                return Err(A::Error::custom("cancelled"));
            }
        }
        Ok(())
    }
}

struct Nth<'e, 'de> {
    index: usize,
    element: &'e mut Option<&'de str>,
}

impl<'de> Visitor<'de> for Nth<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        for _ in 0..self.index {
            sequence.next_element::<IgnoredAny>()?;
        }
        *self.element = sequence.next_element::<&RawValue>()?.map(RawValue::get);
        Ok(())
    }
}
