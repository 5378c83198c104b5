//! `compute`: a processor's measuring weight: the sum of the square roots of 0, 1, ... below `iterations`.
//!
//! The roots are added in order, so that the same data always gives the same bits, the ones a JavaScript loop gives.

use std::ops::Range;

use super::Operation;
use super::fields::{fields, number};
use super::list::push_number;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};
use crate::reserve::{try_extend, try_push, try_push_json};

const OPERATION: Operation = Operation::Compute;
const DEFAULT_ITERATIONS: f64 = 1000.0;
/// Roots between two looks at the cancel flag.
const STRIDE: u64 = 1 << 20;

/// `{ computed, input }`, where `input` is the data as given, left out if there was none.
pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let iterations = match input {
        Input::Undefined | Input::Text(_) => DEFAULT_ITERATIONS,
        Input::Number(value) if value.is_finite() => DEFAULT_ITERATIONS,
        Input::Json(json) => iterations_of(json, &input)?,
        _ => return Err(OPERATION.refuse(&input)),
    };
    let computed = sum_of_roots(iterations.ceil() as u64, cancel)?;

    out.extend_from_slice(b"{\"computed\":");
    push_number(computed, out);
    if !matches!(input, Input::Undefined) {
        out.extend_from_slice(b",\"input\":");
    }
    match input {
        Input::Number(value) => push_number(value, out),
        Input::Json(json) => try_extend(out, json.as_bytes())?,
        Input::Text(text) => try_push_json(out, text)?,
        _ => {}
    }
    try_push(out, b'}')?;
    Ok(Tag::Json)
}

fn iterations_of(json: &str, input: &Input<'_>) -> Result<f64, Error> {
    let json = json.trim_ascii();
    if json == "null" {
        return Err(OPERATION.refuse(input));
    }
    if !json.starts_with('{') {
        return Ok(DEFAULT_ITERATIONS);
    }
    let [iterations] = fields(json, ["iterations"]).ok_or_else(|| OPERATION.refuse(input))?;
    let Some(raw) = iterations else { return Ok(DEFAULT_ITERATIONS) };
    number(raw)
        .filter(|value| *value >= 0.0)
        .ok_or_else(|| OPERATION.refuse_part("'iterations' as a number from 0", raw))
}

fn sum_of_roots(iterations: u64, cancel: &Cancel) -> Result<f64, Error> {
    let mut total = 0.0;
    let mut start = 0;
    while start < iterations {
        cancel.check()?;
        let end = iterations.min(start.saturating_add(STRIDE));
        total = add_roots(total, start..end);
        start = end;
    }
    Ok(total)
}

fn add_roots(total: f64, range: Range<u64>) -> f64 {
    let first = range.start as f64;
    (0..(range.end - range.start) as u32).fold(total, |total, i| total + (first + f64::from(i)).sqrt())
}
