//! `{ values, ...options }` in V8's serialization format: the numbers, and the options as JSON text.
//!
//! No option takes text, so text stands in for what JSON cannot say (`"NaN"`, `"a Map"`): an option of such a value is
//! refused with these words, and a property that is no option is left alone. What is `undefined` is left out.

use super::Operation;
use super::list::push_number;
use super::refusal::number_text;
use super::v8_list;
use super::v8_reader::{END_OF_OBJECT, OBJECT, Reader};
use crate::cancel::Cancel;
use crate::error::Error;

const VALUES: &str = "values";

/// Takes an object with an array of numbers as `values`.
///
/// # Errors
/// [`Error::InvalidData`] if it has none, or holds what cannot be read; [`Error::Cancelled`].
pub(super) fn read(
    operation: Operation,
    reader: &mut Reader<'_>,
    cancel: &Cancel,
) -> Result<(Vec<f64>, String), Error> {
    let unreadable =
        || operation.refuse_described("an object with an unreadable part; give 'values' as a Float64Array");
    reader.take_tag(OBJECT).ok_or_else(unreadable)?;
    let mut values = None;
    let mut options = b"{".to_vec();
    while reader.peek() != Some(END_OF_OBJECT) {
        let key = reader.string();
        if key.as_deref() == Some(VALUES) {
            values = Some(read_values(operation, reader, cancel)?);
        } else if reader.peek() == Some(b'_') {
            reader.skip().ok_or_else(unreadable)?;
        } else if let Some(key) = key {
            if options.len() > 1 {
                options.push(b',');
            }
            push_text(&key, &mut options);
            options.push(b':');
            push_option(operation, reader, cancel, &mut options).ok_or_else(unreadable)?;
        } else {
            // Named by an index: no option.
            reader.number().ok_or_else(unreadable)?;
            reader.skip().ok_or_else(unreadable)?;
        }
    }
    reader.skip_to_end(END_OF_OBJECT).ok_or_else(unreadable)?;
    options.push(b'}');
    let values = values.ok_or_else(|| operation.refuse_described("an object without 'values'"))?;
    Ok((values, String::from_utf8(options).expect("JSON text of strings and numbers is UTF-8")))
}

fn read_values(operation: Operation, reader: &mut Reader<'_>, cancel: &Cancel) -> Result<Vec<f64>, Error> {
    if reader.peek().is_some_and(v8_list::is_array) {
        return v8_list::read(operation, reader, cancel);
    }
    let found = reader.describe().ok_or_else(|| operation.refuse_damaged())?;
    Err(operation.refuse_described(&format!("an object whose 'values' is {found}")))
}

/// Appends the JSON text that stands for the value that comes next.
fn push_option(
    operation: Operation,
    reader: &mut Reader<'_>,
    cancel: &Cancel,
    out: &mut Vec<u8>,
) -> Option<()> {
    if let Some(value) = reader.number() {
        push_number_or_text(value, out);
        return Some(());
    }
    if let Some(text) = reader.string() {
        push_text(&text, out);
        return Some(());
    }
    let kind = reader.peek()?;
    let mut ahead = *reader;
    if v8_list::is_array(kind)
        && let Ok(values) = v8_list::read(operation, &mut ahead, cancel)
    {
        out.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_number_or_text(value, out);
        }
        out.push(b']');
        *reader = ahead;
        return Some(());
    }
    match kind {
        b'T' => out.extend_from_slice(b"true"),
        b'F' => out.extend_from_slice(b"false"),
        b'0' => out.extend_from_slice(b"null"),
        _ => push_text(&reader.describe()?, out),
    }
    reader.skip()
}

fn push_number_or_text(value: f64, out: &mut Vec<u8>) {
    match value.is_finite() {
        true => push_number(value, out),
        false => push_text(&number_text(value), out),
    }
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing to memory cannot fail");
}
