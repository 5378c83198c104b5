//! `transform`: each number times two.
//!
//! A plain array gives a plain array, a typed array a new one of the same kind whose elements wrap (or, in a
//! `Uint8ClampedArray`, stop at 255) as an assignment in JavaScript does. Anything else comes back as it is.

use super::Operation;
use super::echo;
use super::list::{LONGEST_NUMBER, List, collect_numbers, push_list, push_number, try_for_each_number};
use super::numbers::is_list;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::memory::View;
use crate::payload::{Element, Input, Tag};
use crate::reserve::{try_push, try_reserve, try_with_capacity};

const OPERATION: Operation = Operation::Transform;
/// Bytes between two looks at the cancel flag.
const STRIDE: usize = 1 << 20;
const HEADER_LENGTH: usize = 8;

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    match input {
        Input::Json(json) if is_list(json) => double_json(json, cancel, out),
        Input::Numbers(values) => push_list(&doubled(values)?, cancel, out),
        Input::View(view) => double_view(view, cancel, out),
        _ => echo::run(input, out),
    }
}

fn double_json(json: &str, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let start = out.len();
    let mut all_finite = true;
    try_push(out, b'[')?;
    let count = try_for_each_number(OPERATION, List::Json(json), cancel, |value| {
        let doubled = value * 2.0;
        all_finite &= doubled.is_finite();
        try_reserve(out, LONGEST_NUMBER + 1)?;
        push_number(doubled, out);
        out.push(b',');
        Ok(())
    })?;
    if !all_finite {
        out.truncate(start);
        let values = collect_numbers(OPERATION, List::Json(json), cancel)?;
        return push_list(&doubled(&values)?, cancel, out);
    }
    if count > 0 {
        out.pop();
    }
    try_push(out, b']')?;
    Ok(Tag::Json)
}

fn doubled(values: &[f64]) -> Result<Vec<f64>, Error> {
    let mut doubled = try_with_capacity(values.len())?;
    doubled.extend(values.iter().map(|value| value * 2.0));
    Ok(doubled)
}

fn double_view(view: View<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let mut header = [0; HEADER_LENGTH];
    header[0] = view.element() as u8;
    let bytes = view.hold(cancel)?;
    try_reserve(out, HEADER_LENGTH + bytes.len())?;
    out.extend_from_slice(&header);
    for chunk in bytes.chunks(STRIDE) {
        cancel.check()?;
        let start = out.len();
        out.extend_from_slice(chunk);
        double_bytes(view.element(), &mut out[start..]);
    }
    Ok(Tag::Typed)
}

fn double_bytes(element: Element, bytes: &mut [u8]) {
    match element {
        Element::I8 | Element::U8 => each(bytes, |[byte]: [u8; 1]| [byte.wrapping_mul(2)]),
        Element::U8Clamped => each(bytes, |[byte]: [u8; 1]| [byte.saturating_mul(2)]),
        Element::I16 | Element::U16 => {
            each(bytes, |value| u16::from_ne_bytes(value).wrapping_mul(2).to_ne_bytes());
        }
        Element::I32 | Element::U32 => {
            each(bytes, |value| u32::from_ne_bytes(value).wrapping_mul(2).to_ne_bytes());
        }
        Element::I64 | Element::U64 => {
            each(bytes, |value| u64::from_ne_bytes(value).wrapping_mul(2).to_ne_bytes());
        }
        Element::F32 => each(bytes, |value| (f32::from_ne_bytes(value) * 2.0).to_ne_bytes()),
        Element::F64 => each(bytes, |value| (f64::from_ne_bytes(value) * 2.0).to_ne_bytes()),
    }
}

fn each<const N: usize>(bytes: &mut [u8], change: impl Fn([u8; N]) -> [u8; N]) {
    for element in bytes.as_chunks_mut::<N>().0 {
        *element = change(*element);
    }
}
