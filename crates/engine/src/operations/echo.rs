//! `echo`: gives the data back as it came.

use super::number;
use crate::payload::{Input, Tag};

/// The value itself. Memory that JavaScript owns does not move, and numbers that JSON cannot write need not: the face
/// hands the same object back.
pub(super) fn run(input: Input<'_>, out: &mut Vec<u8>) -> Tag {
    match input {
        Input::Undefined => Tag::Undefined,
        Input::Number(value) => number(value, out),
        Input::Json(json) => {
            out.extend_from_slice(json.as_bytes());
            Tag::Json
        }
        Input::Text(text) => {
            out.extend_from_slice(text.as_bytes());
            Tag::Text
        }
        Input::View(_) | Input::ViewWith(..) | Input::Numbers(_) | Input::NumbersWith(..) => Tag::Same,
    }
}
