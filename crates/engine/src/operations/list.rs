//! Plain arrays of numbers: JSON text that is read as it streams by, or numbers; written as JSON or, if need be, in V8's
//! format.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Operation;
use super::v8_list;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::Tag;
use crate::reserve::{try_push, try_reserve};

/// Elements between two looks at the cancel flag.
const STRIDE: usize = 1 << 16;
/// Bytes of the longest text that [`push_number`] appends, and more.
pub(super) const LONGEST_NUMBER: usize = 32;
/// Integers below this are written without a fraction.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// A plain array.
#[derive(Clone, Copy, Debug)]
pub(super) enum List<'a> {
    /// JSON text, not yet read.
    Json(&'a str),
    /// Numbers, such as JSON cannot write among them.
    Numbers(&'a [f64]),
}

/// Calls `each` with every element of a plain array and returns how many there were.
///
/// # Errors
/// [`Error::InvalidData`] naming the first element that is not a number, [`Error::Cancelled`].
pub(super) fn for_each_number(
    operation: Operation,
    list: List<'_>,
    cancel: &Cancel,
    mut each: impl FnMut(f64),
) -> Result<usize, Error> {
    try_for_each_number(operation, list, cancel, |value| {
        each(value);
        Ok(())
    })
}

/// As [`for_each_number`]; the first error of `each` ends it.
///
/// # Errors
/// As [`for_each_number`], and those of `each`.
pub(super) fn try_for_each_number(
    operation: Operation,
    list: List<'_>,
    cancel: &Cancel,
    mut each: impl FnMut(f64) -> Result<(), Error>,
) -> Result<usize, Error> {
    match list {
        List::Json(json) => for_each_in_json(operation, json, cancel, each),
        List::Numbers(values) => {
            for chunk in values.chunks(STRIDE) {
                cancel.check()?;
                chunk.iter().copied().try_for_each(&mut each)?;
            }
            Ok(values.len())
        }
    }
}

fn for_each_in_json(
    operation: Operation,
    json: &str,
    cancel: &Cancel,
    each: impl FnMut(f64) -> Result<(), Error>,
) -> Result<usize, Error> {
    let (mut count, mut refused) = (0, None);
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let numbers = Numbers { count: &mut count, refused: &mut refused, cancel, each };
    let read = deserializer.deserialize_seq(numbers);
    match (read.and_then(|()| deserializer.end()), refused) {
        (Ok(()), _) => Ok(count),
        (Err(_), Some(error)) => Err(error),
        (Err(_), None) => {
            cancel.check()?;
            Err(refuse_element(operation, json, count))
        }
    }
}

/// All elements of a plain array.
pub(super) fn collect_numbers(
    operation: Operation,
    list: List<'_>,
    cancel: &Cancel,
) -> Result<Vec<f64>, Error> {
    let mut values = Vec::new();
    try_for_each_number(operation, list, cancel, |value| try_push(&mut values, value))?;
    Ok(values)
}

/// Appends a plain array: JSON text if every element is finite, else V8's format.
pub(super) fn push_list(values: &[f64], cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    if !values.iter().all(|value| value.is_finite()) {
        v8_list::push(values, cancel, out)?;
        return Ok(Tag::V8);
    }
    try_push(out, b'[')?;
    for (part, chunk) in values.chunks(STRIDE).enumerate() {
        cancel.check()?;
        for (index, value) in chunk.iter().enumerate() {
            try_reserve(out, LONGEST_NUMBER + 1)?;
            if part > 0 || index > 0 {
                out.push(b',');
            }
            push_number(*value, out);
        }
    }
    try_push(out, b']')?;
    Ok(Tag::Json)
}

/// Appends a finite number, for which the caller has made room where there is much of it, as JSON text that `JSON.parse` reads back as the same number, `-0` included.
pub(super) fn push_number(value: f64, out: &mut Vec<u8>) {
    let is_integer = value.fract() == 0.0 && value.abs() < EXACT_INTEGERS;
    let written = if is_integer && !(value == 0.0 && value.is_sign_negative()) {
        serde_json::to_writer(&mut *out, &(value as i64))
    } else {
        serde_json::to_writer(&mut *out, &value)
    };
    written.expect("writing to memory cannot fail");
}

#[cold]
fn refuse_element(operation: Operation, json: &str, index: usize) -> Error {
    let mut element = None;
    // The array is known to be broken at `index` or to hold something else there: only what was found counts.
    let _ = serde_json::Deserializer::from_str(json).deserialize_seq(Nth { index, element: &mut element });
    operation.refuse_element(element.unwrap_or("no JSON value"), index)
}

struct Numbers<'c, F> {
    count: &'c mut usize,
    /// Why `each` has ended it.
    refused: &'c mut Option<Error>,
    cancel: &'c Cancel,
    each: F,
}

impl<'de, F: FnMut(f64) -> Result<(), Error>> Visitor<'de> for Numbers<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(value) = sequence.next_element()? {
            if let Err(error) = (self.each)(value) {
                *self.refused = Some(error);
                return Err(A::Error::custom("refused"));
            }
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
