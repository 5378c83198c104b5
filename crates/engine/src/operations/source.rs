//! The data of a byte operation: a string, memory, or a file.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Deserializer as _;
use serde::de::Visitor;

use super::Operation;
use super::fields::fields;
use super::file;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::memory::{Held, View};
use crate::payload::Input;
use crate::reserve::{try_extend, try_with_capacity};

/// Bytes between two looks at the cancel flag.
pub(super) const STRIDE: usize = 1 << 20;

/// Where the bytes are.
pub(super) enum Source<'a> {
    /// Of a string, its UTF-8.
    Text(Cow<'a, [u8]>),
    /// In memory that JavaScript owns. `scans`: the operation is as fast as memory is.
    View { view: View<'a>, scans: bool },
    /// In a file of this path.
    File(String),
}

impl<'a> Source<'a> {
    /// The bytes of an input and the JSON text of the properties beside them. The first two of `names` are those of
    /// the bytes themselves and of a path.
    pub(super) fn read<const N: usize>(
        operation: Operation,
        input: &Input<'a>,
        names: [&str; N],
    ) -> Result<(Self, [Option<&'a str>; N]), Error> {
        let refuse = || operation.refuse(input);
        let scans = operation == Operation::Lines;
        match *input {
            Input::Text(text) => Ok((Self::Text(text.as_bytes().into()), [None; N])),
            Input::View(view) => Ok((Self::View { view, scans }, [None; N])),
            Input::ViewWith(view, options) => {
                let found = fields(options, names).ok_or_else(refuse)?;
                match found[1] {
                    None => Ok((Self::View { view, scans }, found)),
                    Some(_) => Err(refuse()),
                }
            }
            Input::Json(json) if json.trim_ascii_start().starts_with('"') => {
                Ok((Self::Text(string_bytes(json)?.ok_or_else(refuse)?), [None; N]))
            }
            Input::Json(json) => {
                let found = fields(json, names).ok_or_else(refuse)?;
                match (found[0], found[1]) {
                    (Some(data), None) => Ok((Self::Text(string_bytes(data)?.ok_or_else(refuse)?), found)),
                    (None, Some(path)) => Ok((Self::File(string(path).ok_or_else(refuse)?), found)),
                    _ => Err(refuse()),
                }
            }
            Input::Undefined | Input::Number(_) | Input::Numbers(_) | Input::NumbersWith(..) => Err(refuse()),
        }
    }

    /// Calls `each` with the bytes in order, part by part.
    pub(super) fn for_each_block(
        &self,
        cancel: &Cancel,
        mut each: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let in_blocks = |bytes: &[u8], each: &mut dyn FnMut(&[u8]) -> Result<(), Error>| {
            bytes.chunks(STRIDE).try_for_each(|block| cancel.check().and_then(|()| each(block)))
        };
        match self {
            Self::File(path) => file::for_each_block(path, cancel, each),
            Self::Text(bytes) => in_blocks(bytes, &mut each),
            Self::View { view, scans: false } => in_blocks(&view.hold(cancel)?, &mut each),
            Self::View { view, scans: true } => {
                let (bytes, length) = (view.scan::<u8>(cancel)?, view.byte_length());
                (0..length).step_by(STRIDE).try_for_each(|start| {
                    bytes.block(start..length.min(start + STRIDE), cancel, &mut each)?
                })
            }
        }
    }

    /// The bytes as a whole; a file is read into memory.
    pub(super) fn into_bytes(self, cancel: &Cancel) -> Result<Whole<'a>, Error> {
        Ok(match self {
            Self::Text(bytes) => Whole::Text(bytes),
            Self::View { view, .. } => Whole::Held(view.hold(cancel)?),
            Self::File(path) => {
                let mut bytes = Vec::new();
                file::for_each_block(&path, cancel, |block| try_extend(&mut bytes, block))?;
                Whole::Text(bytes.into())
            }
        })
    }
}

/// All bytes of a source.
pub(super) enum Whole<'a> {
    /// Of a string or a file.
    Text(Cow<'a, [u8]>),
    /// Of memory that JavaScript owns.
    Held(Held<'a>),
}

impl Deref for Whole<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Text(bytes) => bytes,
            Self::Held(bytes) => bytes,
        }
    }
}

/// A string from its JSON text.
pub(super) fn string(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// The UTF-8 of a string from its JSON text. A lone surrogate becomes U+FFFD, as it does in `Buffer.from(string)`.
fn string_bytes(raw: &str) -> Result<Option<Cow<'_, [u8]>>, Error> {
    if raw.len() > STRIDE {
        // What reads it takes up to twice its length as it grows, a copy as much again, and neither can say that there is no memory.
        drop(try_with_capacity::<u8>(raw.len().saturating_mul(3))?);
    }
    let read = || {
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        let mut bytes = deserializer.deserialize_bytes(Bytes).ok()?;
        deserializer.end().ok()?;
        if std::str::from_utf8(&bytes).is_err() {
            replace_surrogates(bytes.to_mut());
        }
        Some(bytes)
    };
    Ok(read())
}

/// In otherwise valid UTF-8, 0xED is followed by 0xA0 or more only in a surrogate, which is as long as U+FFFD.
fn replace_surrogates(bytes: &mut [u8]) {
    for at in 0..bytes.len().saturating_sub(2) {
        if bytes[at] == 0xed && bytes[at + 1] >= 0xa0 {
            bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_its_utf8_and_a_lone_surrogate_is_replaced_as_node_replaces_it() {
        let bytes = |raw| string_bytes(raw).expect("there is memory").map(Cow::into_owned);
        assert_eq!(bytes(r#""aé\n\u0041""#), Some("aé\nA".into()));
        assert_eq!(bytes(r#""\ud83d\ude00""#), Some("😀".into()));
        assert_eq!(bytes(r#""x\ud800y\udfff""#), Some("x\u{fffd}y\u{fffd}".into()));
        assert_eq!(bytes(r#""\ud7ff\ue000""#), Some("\u{d7ff}\u{e000}".into()));
        assert_eq!(bytes("1"), None);
        assert_eq!(bytes("[1,2]"), None);
        assert_eq!(bytes("null"), None);
    }
}
