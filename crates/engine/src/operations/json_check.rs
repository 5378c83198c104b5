//! `json-parse-check`: would `JSON.parse` accept the text? Nothing is built, no depth of nesting is too deep.
//!
//! The result is `{ valid: true }`, or `{ valid: false, error, line, column }` of the first fault. Lines and columns
//! count from 1, columns in UTF-16 code units, as positions in a JavaScript string do. Bytes that are not UTF-8 are a
//! fault of the text.

use std::str::from_utf8;

use serde::Serialize;

use super::Operation;
use super::json_text::{Fault, check};
use super::source::{STRIDE, Source};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    error: String,
    line: usize,
    column: usize,
}

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (source, _) = Source::read(Operation::JsonParseCheck, &input, ["data", "path"])?;
    let bytes = source.into_bytes(cancel)?;
    let valid_length = utf8_length(&bytes, cancel)?;
    let text = &bytes[..valid_length];
    let fault = match check(text, cancel)? {
        // A text cut short before bytes that are no UTF-8 ends early: what stops it are those bytes.
        Some(fault) if fault.at < valid_length || valid_length == bytes.len() => Some(fault),
        _ if valid_length < bytes.len() => Some(Fault { at: valid_length, message: "invalid UTF-8".into() }),
        other => other,
    };
    match fault {
        None => out.extend_from_slice(br#"{"valid":true}"#),
        Some(Fault { at, message }) => {
            let before = &text[..at];
            let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
            let verdict = Verdict {
                valid: false,
                error: message,
                line: memchr::memchr_iter(b'\n', before).count() + 1,
                column: String::from_utf8_lossy(&before[line_start..]).encode_utf16().count() + 1,
            };
            serde_json::to_writer(out, &verdict).expect("writing to memory cannot fail");
        }
    }
    Ok(Tag::Json)
}

/// How many bytes from the start are UTF-8.
fn utf8_length(bytes: &[u8], cancel: &Cancel) -> Result<usize, Error> {
    let mut valid = 0;
    while valid < bytes.len() {
        cancel.check()?;
        let end = bytes.len().min(valid + STRIDE);
        match from_utf8(&bytes[valid..end]) {
            Ok(_) => valid = end,
            // A character that the end of the part cuts in two is looked at again with the next part.
            Err(error) if error.error_len().is_none() && end < bytes.len() => valid += error.valid_up_to(),
            Err(error) => return Ok(valid + error.valid_up_to()),
        }
    }
    Ok(valid)
}
