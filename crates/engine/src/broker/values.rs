//! Values and keys as they come in, and as the protocol of lines shows them.

use std::sync::atomic::Ordering;

use serde::de::IgnoredAny;

use super::compressed::{check_base64, check_gzip};
use super::core::Core;
use super::json_text::write_string;
use super::refusal::Refusal;
use super::store::Value;
use super::wire::tag;
use crate::reserve::try_reserve;

/// Longest key, and longest name of a worker, in bytes.
pub(super) const LONGEST_KEY: usize = u16::MAX as usize;
/// A compressed value may unpack to so many bytes.
const MOST_UNPACKED: u64 = 256 << 20;
/// Compressed values from this length on are unpacked where they hold nobody up.
const LONG: usize = 4 << 10;
/// Values from this length on are no small matter.
const LARGE: usize = 1 << 20;
/// What stands beside a value in an answer, and more.
const BESIDE: usize = 256;
/// The first byte of a key that is a number, and not a string: no string begins with it.
const NUMBER: u8 = 0xff;

impl Core {
    /// Whether a value is what its tag says, and small enough.
    pub(super) fn check(&self, value: Value<'_>) -> Result<(), Refusal> {
        let Value { tag, bytes } = value;
        if bytes.len() > self.config().max_value_size {
            return Err(Refusal::TooLarge);
        }
        let is_sound = match tag {
            tag::TEXT => std::str::from_utf8(bytes).is_ok(),
            tag::BYTES => true,
            tag::JSON => {
                std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
            }
            tag::GZIP | tag::BASE64 => return self.check_compressed(value),
            _ => false,
        };
        if !is_sound {
            return Err(Refusal::InvalidValue);
        }
        self.metrics.count_value(None);
        Ok(())
    }

    fn check_compressed(&self, Value { tag, bytes }: Value<'_>) -> Result<(), Refusal> {
        let check = || {
            if tag == tag::GZIP {
                check_gzip(bytes, MOST_UNPACKED)
            } else {
                check_base64(bytes, MOST_UNPACKED)
            }
        };
        let sizes = if bytes.len() < LONG { check() } else { crate::runtime::block_in_place(check) };
        let sizes = sizes.map_err(|_| Refusal::InvalidValue)?;
        self.metrics.count_value(Some((sizes.before, sizes.after)));
        Ok(())
    }

    /// The number of the next request, for the log.
    pub(super) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A key of the protocol of frames.
pub(super) fn check_key(key: &[u8]) -> Result<&[u8], Refusal> {
    if key.is_empty() || std::str::from_utf8(key).is_err() { Err(Refusal::InvalidKey) } else { Ok(key) }
}

/// The key that stands for a number: others use it than for the same digits as a string, as in a `Map`.
pub(super) fn number_key(number: f64) -> Vec<u8> {
    let mut key = vec![NUMBER];
    key.extend_from_slice(ryu_js::Buffer::new().format(if number == 0.0 { 0.0 } else { number }).as_bytes());
    key
}

/// Appends a key as a JSON string.
pub(super) fn write_key(out: &mut Vec<u8>, key: &[u8]) {
    write_string(out, key.strip_prefix(&[NUMBER]).unwrap_or(key));
}

/// Makes room for a large value as JSON. Smaller ones are no more than what a connection holds anyway.
pub(super) fn reserve_json(out: &mut Vec<u8>, Value { tag, bytes }: Value<'_>) -> Result<(), Refusal> {
    if bytes.len() < LARGE {
        return Ok(());
    }
    let most = match tag {
        // Each byte as \u00xx, or as a number and a comma.
        tag::TEXT | tag::BASE64 => 6,
        tag::BYTES => 4,
        _ => 2,
    };
    Ok(try_reserve(out, bytes.len().saturating_mul(most).saturating_add(BESIDE))?)
}

/// Appends a value as JSON, as the protocol of lines shows it; whether it is compressed.
pub(super) fn write_json(out: &mut Vec<u8>, Value { tag, bytes }: Value<'_>) -> bool {
    match tag {
        tag::TEXT => write_string(out, bytes),
        tag::BASE64 => {
            write_string(out, bytes);
            return true;
        }
        tag::BYTES => {
            out.extend_from_slice(br#"{"type":"Buffer","data":["#);
            for (at, byte) in bytes.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(byte.to_string().as_bytes());
            }
            out.extend_from_slice(b"]}");
        }
        tag::GZIP => {
            out.push(b'"');
            write_base64(out, bytes);
            out.push(b'"');
            return true;
        }
        _ => out.extend_from_slice(bytes),
    }
    false
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { digit } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(tag: u8, bytes: &[u8]) -> (String, bool) {
        let mut out = Vec::new();
        let compressed = write_json(&mut out, Value { tag, bytes });
        (String::from_utf8(out).expect("JSON"), compressed)
    }

    #[test]
    fn each_encoding_has_its_json() {
        assert_eq!(json(tag::JSON, b"[1]"), ("[1]".to_owned(), false));
        assert_eq!(json(tag::TEXT, b"a\"b"), (r#""a\"b""#.to_owned(), false));
        assert_eq!(json(tag::BYTES, &[0, 255]), (r#"{"type":"Buffer","data":[0,255]}"#.to_owned(), false));
        assert_eq!(json(tag::BASE64, b"eHk="), (r#""eHk=""#.to_owned(), true));
        for (bytes, text) in [
            (&b""[..], ""),
            (b"x", "eA=="),
            (b"xy", "eHk="),
            (b"xyz", "eHl6"),
            (b"\xff\xfe\xfd\xfc", "//79/A=="),
        ] {
            assert_eq!(json(tag::GZIP, bytes), (format!("\"{text}\""), true));
        }
    }

    #[test]
    fn a_number_is_another_key_than_its_digits() {
        assert_ne!(number_key(1.0), b"1");
        assert_eq!(number_key(-0.0), number_key(0.0));
        let mut out = Vec::new();
        write_key(&mut out, &number_key(1e21));
        assert_eq!(out, br#""1e+21""#);
    }
}
