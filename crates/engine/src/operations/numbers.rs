//! The data of a numeric operation: memory of a typed array, or a plain array.

use super::Operation;
use super::fields::fields;
use super::list::List;
use crate::error::Error;
use crate::memory::View;
use crate::payload::{Element, Input};

/// Where the numbers are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Numbers<'a> {
    /// In a typed array other than `BigInt64Array` and `BigUint64Array`.
    View(View<'a>),
    /// In a plain array.
    List(List<'a>),
}

impl<'a> Numbers<'a> {
    /// The numbers of an input and the JSON text of the properties beside them. The first of `names` is that of the
    /// numbers themselves.
    pub(super) fn read<const N: usize>(
        operation: Operation,
        input: &Input<'a>,
        names: [&str; N],
    ) -> Result<(Self, [Option<&'a str>; N]), Error> {
        let refuse = || operation.refuse(input);
        match *input {
            Input::View(view) => Ok((Self::view(operation, view, input)?, [None; N])),
            Input::ViewWith(view, options) => {
                let found = fields(options, names).ok_or_else(refuse)?;
                Ok((Self::view(operation, view, input)?, found))
            }
            Input::Numbers(values) => Ok((Self::List(List::Numbers(values)), [None; N])),
            Input::NumbersWith(values, options) => {
                let found = fields(options, names).ok_or_else(refuse)?;
                Ok((Self::List(List::Numbers(values)), found))
            }
            Input::Json(json) if is_list(json) => Ok((Self::List(List::Json(json)), [None; N])),
            Input::Json(json) => {
                let found = fields(json, names).ok_or_else(refuse)?;
                match found[0] {
                    Some(values) if is_list(values) => Ok((Self::List(List::Json(values)), found)),
                    _ => Err(refuse()),
                }
            }
            _ => Err(refuse()),
        }
    }

    /// The numbers of a typed array.
    pub(super) fn view(operation: Operation, view: View<'a>, input: &Input<'_>) -> Result<Self, Error> {
        match view.element() {
            Element::I64 | Element::U64 => Err(operation.refuse_part(
                "a typed array of numbers (Int8Array to Uint32Array, Float32Array, Float64Array)",
                super::refusal::picture(input),
            )),
            _ => Ok(Self::View(view)),
        }
    }
}

/// Whether JSON text is that of an array.
pub(super) fn is_list(json: &str) -> bool {
    json.trim_ascii_start().starts_with('[')
}

/// Runs `$body` with `$elements` as the elements of the view, in their type.
macro_rules! with_elements {
    ($view:expr, $cancel:expr, $elements:ident => $body:expr) => {{
        use crate::payload::Element;
        let view = $view;
        match view.element() {
            Element::I8 => {
                let $elements = &view.scan::<i8>($cancel)?;
                $body
            }
            Element::U8 | Element::U8Clamped => {
                let $elements = &view.scan::<u8>($cancel)?;
                $body
            }
            Element::I16 => {
                let $elements = &view.scan::<i16>($cancel)?;
                $body
            }
            Element::U16 => {
                let $elements = &view.scan::<u16>($cancel)?;
                $body
            }
            Element::I32 => {
                let $elements = &view.scan::<i32>($cancel)?;
                $body
            }
            Element::U32 => {
                let $elements = &view.scan::<u32>($cancel)?;
                $body
            }
            Element::F32 => {
                let $elements = &view.scan::<f32>($cancel)?;
                $body
            }
            Element::F64 => {
                let $elements = &view.scan::<f64>($cancel)?;
                $body
            }
            Element::I64 | Element::U64 => unreachable!("`Numbers::view` lets no BigInts in"),
        }
    }};
}
pub(super) use with_elements;
