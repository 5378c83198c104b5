//! How an operation says what it takes and what it was given.

use super::Operation;
use crate::error::Error;
use crate::memory::View;
use crate::payload::{Element, Input};

/// Longest picture of a given value, in characters.
const PICTURE_LENGTH: usize = 80;
/// Longest picture of an element, in characters.
const ELEMENT_LENGTH: usize = 41;

impl Operation {
    /// The error for data that the operation does not take.
    #[cold]
    pub(super) fn refuse(self, given: &Input<'_>) -> Error {
        self.refuse_part(self.takes(), picture(given))
    }

    /// The error for data that the operation does not take, told in words; `given` is shortened.
    #[cold]
    pub(crate) fn refuse_described(self, given: &str) -> Error {
        self.refuse_part(self.takes(), given)
    }

    /// The error for data that ends early or says what cannot be.
    #[cold]
    pub(super) fn refuse_damaged(self) -> Error {
        self.refuse_described("data that is damaged")
    }

    /// The error for an element of an array that is not a number.
    #[cold]
    pub(super) fn refuse_element(self, found: &str, index: usize) -> Error {
        let found = shorten_to(found, ELEMENT_LENGTH);
        self.refuse_part("an array of numbers only", format!("{found} at index {index}"))
    }

    /// The error for a property of the data, or an element of it; `given` is shortened.
    #[cold]
    pub(super) fn refuse_part(self, expected: &'static str, given: impl AsRef<str>) -> Error {
        Error::InvalidData { operation: self.name(), expected, given: shorten(given.as_ref()) }
    }

    fn takes(self) -> &'static str {
        match self {
            Self::Echo => "any value",
            Self::Compute => "{ iterations } or any other JSON value but null",
            Self::Transform | Self::Aggregate => "any value",
            Self::Sha256 | Self::Gzip | Self::Gunzip | Self::Lines | Self::JsonParseCheck => {
                "a string, a typed array, a Buffer or an ArrayBuffer, { data } holding one, or { path }"
            }
            Self::FileInfo => "a path as a string, or { path }",
            Self::Sum
            | Self::Min
            | Self::Max
            | Self::Mean
            | Self::Sort
            | Self::Histogram
            | Self::Quantiles => {
                "an array of numbers, a typed array of numbers (not of BigInts), or { values } holding one"
            }
        }
    }
}

pub(super) fn picture(input: &Input<'_>) -> String {
    match input {
        Input::Undefined => "undefined".into(),
        Input::Number(value) => number_text(*value),
        Input::Json(json) => (*json).into(),
        Input::Text(text) => format!("'{}'", shorten_to(text, PICTURE_LENGTH - 2)),
        Input::View(view) => picture_view(view),
        Input::ViewWith(view, options) => format!("{} with options {options}", picture_view(view)),
        Input::Numbers(values) => picture_numbers(values),
        Input::NumbersWith(values, options) => format!("{} with options {options}", picture_numbers(values)),
    }
}

/// A number as JavaScript writes it, but for its exponents.
pub(super) fn number_text(value: f64) -> String {
    match value {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ => value.to_string(),
    }
}

fn picture_numbers(values: &[f64]) -> String {
    // More would be cut off again.
    let shown: Vec<String> = values.iter().take(PICTURE_LENGTH / 2).copied().map(number_text).collect();
    format!("[{}]", shown.join(","))
}

fn picture_view(view: &View<'_>) -> String {
    let name = match view.element() {
        Element::I8 => "Int8Array",
        Element::U8 => "Uint8Array",
        Element::U8Clamped => "Uint8ClampedArray",
        Element::I16 => "Int16Array",
        Element::U16 => "Uint16Array",
        Element::I32 => "Int32Array",
        Element::U32 => "Uint32Array",
        Element::F32 => "Float32Array",
        Element::F64 => "Float64Array",
        Element::I64 => "BigInt64Array",
        Element::U64 => "BigUint64Array",
    };
    format!("{name}({})", view.byte_length() / view.element().size())
}

fn shorten(text: &str) -> String {
    shorten_to(text, PICTURE_LENGTH)
}

fn shorten_to(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text.into(),
        Some(_) => text.chars().take(length - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_at_eighty_characters_and_never_inside_one() {
        let text = "é".repeat(200);
        let Error::InvalidData { given, .. } = Operation::Sum.refuse(&Input::Text(&text)) else {
            panic!("another error");
        };
        assert_eq!(given.chars().count(), PICTURE_LENGTH);
        assert!(given.starts_with("'é") && given.ends_with("…'"));
    }

    #[test]
    fn a_short_value_stands_as_it_is() {
        assert_eq!(
            Operation::Sum.refuse(&Input::Text("abc")).to_string(),
            "operation 'sum' takes an array of numbers, a typed array of numbers (not of BigInts), or { values } \
             holding one; given: 'abc'"
        );
    }
}
