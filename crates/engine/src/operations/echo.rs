//! `echo`: gives the data back as it came.

use super::number;
use crate::error::Error;
use crate::payload::{Input, Tag};
use crate::reserve::try_extend;

/// The value itself. Memory that JavaScript owns does not move, and numbers that JSON cannot write need not: the face
/// hands the same object back.
pub(super) fn run(input: Input<'_>, out: &mut Vec<u8>) -> Result<Tag, Error> {
    Ok(match input {
        Input::Undefined => Tag::Undefined,
        Input::Number(value) => number(value, out),
        Input::Json(json) => {
            try_extend(out, json.as_bytes())?;
            Tag::Json
        }
        Input::Text(text) => {
            try_extend(out, text.as_bytes())?;
            Tag::Text
        }
        Input::View(_) | Input::ViewWith(..) | Input::Numbers(_) | Input::NumbersWith(..) => Tag::Same,
    })
}
