//! Data that came in V8's serialization format, since JSON cannot write it.

use super::Operation;
use super::v8_list;
use super::v8_object;
use super::v8_reader::{OBJECT, Reader};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};
use crate::reserve::try_extend;

/// What an operation does with such data.
enum Use {
    /// Hands it back.
    Any,
    /// Works on arrays of numbers, hands the rest back.
    ArraysOrAny,
    /// Works on arrays of numbers, and on objects that hold one.
    Numbers,
    /// Takes none of it.
    Nothing,
}

impl Use {
    fn by(operation: Operation) -> Self {
        match operation {
            Operation::Echo => Self::Any,
            Operation::Transform | Operation::Aggregate => Self::ArraysOrAny,
            Operation::Sum
            | Operation::Min
            | Operation::Max
            | Operation::Mean
            | Operation::Sort
            | Operation::Histogram
            | Operation::Quantiles => Self::Numbers,
            Operation::Compute
            | Operation::Sha256
            | Operation::Gzip
            | Operation::Gunzip
            | Operation::Lines
            | Operation::JsonParseCheck
            | Operation::FileInfo => Self::Nothing,
        }
    }
}

/// Runs one task on data in V8's serialization format: on a plain array of numbers ([`Input::Numbers`]), an object that
/// holds one as `values` ([`Input::NumbersWith`]), or, for the operations that hand back what is no array, anything.
/// Otherwise like [`super::run`].
///
/// # Errors
/// As for [`super::run`]; [`Error::InvalidData`] tells the kind of a value that is not taken.
pub fn run_v8(operation: Operation, bytes: &[u8], cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let reader = Reader::new(bytes);
    let kind = reader.and_then(|reader| reader.peek());
    let (Some(mut reader), Some(kind)) = (reader, kind) else {
        return Err(operation.refuse_damaged());
    };
    let is_array = v8_list::is_array(kind);
    match Use::by(operation) {
        Use::Any => hand_back(bytes, out),
        Use::ArraysOrAny if !is_array => hand_back(bytes, out),
        Use::ArraysOrAny | Use::Numbers if is_array => {
            let values = v8_list::read(operation, &mut reader, cancel)?;
            expect_end(operation, &reader)?;
            super::run(operation, Input::Numbers(&values), cancel, out)
        }
        Use::Numbers if kind == OBJECT => {
            let (values, options) = v8_object::read(operation, &mut reader, cancel)?;
            expect_end(operation, &reader)?;
            super::run(operation, Input::NumbersWith(&values, &options), cancel, out)
        }
        _ => Err(refuse(operation, &reader, is_array || kind == OBJECT)),
    }
}

fn hand_back(bytes: &[u8], out: &mut Vec<u8>) -> Result<Tag, Error> {
    try_extend(out, bytes)?;
    Ok(Tag::V8)
}

fn expect_end(operation: Operation, reader: &Reader<'_>) -> Result<(), Error> {
    if reader.left() == 0 { Ok(()) } else { Err(operation.refuse_damaged()) }
}

#[cold]
fn refuse(operation: Operation, reader: &Reader<'_>, is_container: bool) -> Error {
    match reader.describe() {
        // Of a kind that JSON has as well: what it holds is in the way.
        Some(kind) if is_container => operation.refuse_described(&format!("{kind} that JSON cannot write")),
        Some(kind) => operation.refuse_described(&kind),
        None => operation.refuse_described("a value of a kind that only JavaScript knows"),
    }
}
