//! Reading V8's serialization format (`value-serializer.cc`, version 15, which Node 20 to 24 write), as far as numbers
//! in arrays and in objects need it.
//!
//! A value is a tag of one byte and what belongs to it; what holds other values ends with a tag of its own. Nothing is
//! built but what is asked for. Every read is checked against the end of the bytes, and depth costs a byte a level, no
//! stack: any bytes are read or refused.

use std::borrow::Cow;

use super::refusal::number_text;

const HEADER: u8 = 0xff;
const PADDING: u8 = 0;
/// A `SharedArrayBuffer` under a view would be named by a number instead; no native operation is given one.
const NOT_SHARED: u32 = 0;

pub(super) const ARRAY: u8 = b'A';
pub(super) const SPARSE_ARRAY: u8 = b'a';
pub(super) const OBJECT: u8 = b'o';
pub(super) const END_OF_ARRAY: u8 = b'$';
pub(super) const END_OF_SPARSE_ARRAY: u8 = b'@';
pub(super) const END_OF_OBJECT: u8 = b'{';
pub(super) const DOUBLE: u8 = b'N';

/// The bytes that are not read yet. A read that fails (`None`) leaves them where it failed; copy the reader to look
/// ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of one value, behind the header. `None` if there is no header.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Self { rest: bytes.strip_prefix(&[HEADER])? };
        reader.varint()?;
        Some(reader)
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The tag that comes next.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.iter().copied().find(|byte| *byte != PADDING)
    }

    /// Takes a tag.
    pub(super) fn tag(&mut self) -> Option<u8> {
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if byte != PADDING {
                return Some(byte);
            }
        }
    }

    /// Takes the next tag if it is this one.
    pub(super) fn take_tag(&mut self, tag: u8) -> Option<()> {
        let mut ahead = *self;
        (ahead.tag()? == tag).then(|| *self = ahead)
    }

    /// Takes an integer that stands without a tag, seven bits a byte, the low ones first.
    pub(super) fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// Takes a number. Where something else stands, it stays.
    #[inline]
    pub(super) fn number(&mut self) -> Option<f64> {
        if let [DOUBLE, rest @ ..] = self.rest
            && let Some((bytes, rest)) = rest.split_first_chunk()
        {
            self.rest = rest;
            return Some(f64::from_le_bytes(*bytes));
        }
        let mut ahead = *self;
        let value = match ahead.tag()? {
            b'I' => {
                let zigzag = ahead.varint()?;
                f64::from((zigzag >> 1) as i32 ^ -((zigzag & 1) as i32))
            }
            b'U' => f64::from(ahead.varint()?),
            DOUBLE => f64::from_le_bytes(*ahead.take(8)?.first_chunk()?),
            _ => return None,
        };
        *self = ahead;
        Some(value)
    }

    /// Takes a string; half a surrogate pair becomes U+FFFD. Where something else stands, it stays.
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        let mut ahead = *self;
        let tag = ahead.tag()?;
        if !matches!(tag, b'"' | b'c' | b'S') {
            return None;
        }
        let length = ahead.varint()?;
        let bytes = ahead.take(length)?;
        *self = ahead;
        Some(match tag {
            b'"' if bytes.is_ascii() => String::from_utf8_lossy(bytes),
            // Latin-1: each byte is the character of its number.
            b'"' => bytes.iter().copied().map(char::from).collect::<String>().into(),
            b'c' => {
                let units = bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes);
                char::decode_utf16(units)
                    .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect::<String>()
                    .into()
            }
            _ => String::from_utf8_lossy(bytes),
        })
    }

    /// Passes over one value, whatever it holds. An error object cannot be passed over.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.pass_over(Vec::new())
    }

    /// Passes over what is left of an array or object, up to and with its last tag, and returns the number of values
    /// that it says it has: of an object the properties, of an array its length.
    pub(super) fn skip_to_end(&mut self, end: u8) -> Option<u32> {
        while self.peek()? != end {
            self.skip()?;
        }
        self.tag()?;
        self.end_of(end)
    }

    /// The counts behind the last tag of an array or object; the last of them.
    fn end_of(&mut self, end: u8) -> Option<u32> {
        if matches!(end, END_OF_ARRAY | END_OF_SPARSE_ARRAY) {
            self.varint()?;
        }
        self.varint()
    }

    /// `open` are the last tags of what is being passed over, the innermost last.
    fn pass_over(&mut self, mut open: Vec<u8>) -> Option<()> {
        loop {
            match self.tag()? {
                b'_' | b'0' | b'T' | b'F' | b'-' | b'x' | b'y' => {}
                b'I' | b'U' | b'^' => {
                    self.varint()?;
                }
                DOUBLE | b'D' | b'n' => {
                    self.take(8)?;
                }
                b'Z' | b'z' => {
                    let sign_and_length = self.varint()?;
                    self.take(sign_and_length >> 1)?;
                }
                b'"' | b'c' | b'S' => {
                    let length = self.varint()?;
                    self.take(length)?;
                }
                // A String object: its string follows.
                b's' => continue,
                b'R' => {
                    self.string()?;
                    self.varint()?;
                }
                b'\\' => self.skip_view()?,
                OBJECT => open.push(END_OF_OBJECT),
                b';' => open.push(b':'),
                b'\'' => open.push(b','),
                tag @ (ARRAY | SPARSE_ARRAY) => {
                    self.varint()?;
                    open.push(if tag == ARRAY { END_OF_ARRAY } else { END_OF_SPARSE_ARRAY });
                }
                tag => {
                    if open.pop()? != tag {
                        return None;
                    }
                    self.end_of(tag)?;
                }
            }
            if open.is_empty() {
                return Some(());
            }
        }
    }

    /// A typed array or buffer, as `ts/bridge/structured.ts` writes it: kind, length, shared or not, its bytes.
    fn skip_view(&mut self) -> Option<()> {
        self.varint()?;
        let length = self.varint()?;
        (self.varint()? == NOT_SHARED).then_some(())?;
        self.take(length).map(|_| ())
    }

    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length as usize)?;
        self.rest = rest;
        Some(taken)
    }

    /// The value that comes next, in the words of an error: short ones as they are written in JavaScript, of others the
    /// kind.
    pub(super) fn describe(&self) -> Option<Cow<'static, str>> {
        let mut ahead = *self;
        if let Some(value) = ahead.number() {
            return Some(number_text(value).into());
        }
        if let Some(text) = ahead.string() {
            return serde_json::to_string(&text).ok().map(Cow::Owned);
        }
        let kind = match self.peek()? {
            b'_' => "undefined",
            b'0' => "null",
            b'T' => "true",
            b'F' => "false",
            b'-' => "a hole",
            b'^' => "a second reference to an object",
            b'Z' => "a BigInt",
            b'D' => "a Date",
            b'R' => "a RegExp",
            b'r' => "an Error",
            b';' => "a Map",
            b'\'' => "a Set",
            b'x' | b'y' => "a Boolean object",
            b'n' => "a Number object",
            b's' => "a String object",
            b'z' => "a BigInt object",
            b'\\' => "a typed array or buffer",
            ARRAY | SPARSE_ARRAY => "an array",
            OBJECT => "an object",
            _ => return None,
        };
        Some(kind.into())
    }
}
