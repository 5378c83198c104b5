//! The grammar that `JSON.parse` accepts (ECMA-404), checked without building anything.
//!
//! Nesting takes one bit a level and no recursion, so that no depth exhausts the stack. Where this grammar is wider than
//! some readers': any size of number, lone surrogates in `\u` escapes, repeated keys. A byte order mark is no white
//! space.

use crate::cancel::Cancel;
use crate::error::Error;

/// Bytes between two looks at the cancel flag.
const STRIDE: usize = 1 << 20;

/// Where and why a text is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Offset in bytes.
    pub(super) at: usize,
    /// What is wrong there.
    pub(super) message: String,
}

/// The first fault of a text in UTF-8, if it has one.
pub(super) fn check(bytes: &[u8], cancel: &Cancel) -> Result<Option<Fault>, Error> {
    let mut scanner = Scanner { bytes, at: 0, next_look: STRIDE, cancel };
    match scanner.document() {
        Ok(()) => Ok(None),
        Err(Stop::Fault(fault)) => Ok(Some(fault)),
        Err(Stop::Error(error)) => Err(error),
    }
}

enum Stop {
    Fault(Fault),
    Error(Error),
}

/// What may come next.
enum Expected {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    CommaOrEnd,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    next_look: usize,
    cancel: &'a Cancel,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Stop> {
        let mut open = Levels::default();
        let mut expected = Expected::Value;
        loop {
            if self.at >= self.next_look {
                self.look()?;
            }
            self.skip_white_space();
            let byte = self.peek();
            expected = match (expected, byte) {
                (Expected::ValueOrEnd, Some(b']'))
                | (Expected::KeyOrEnd, Some(b'}'))
                | (Expected::CommaOrEnd, Some(b']' | b'}')) => {
                    if open.innermost_is_object() != (byte == Some(b'}')) {
                        return Err(self.unexpected());
                    }
                    self.at += 1;
                    open.leave();
                    Expected::CommaOrEnd
                }
                (Expected::CommaOrEnd, Some(b',')) => {
                    self.at += 1;
                    if open.innermost_is_object() { Expected::Key } else { Expected::Value }
                }
                (Expected::Value | Expected::ValueOrEnd, Some(b'[')) => {
                    self.at += 1;
                    open.enter(false);
                    Expected::ValueOrEnd
                }
                (Expected::Value | Expected::ValueOrEnd, Some(b'{')) => {
                    self.at += 1;
                    open.enter(true);
                    Expected::KeyOrEnd
                }
                (Expected::Value | Expected::ValueOrEnd, _) => {
                    self.scalar()?;
                    Expected::CommaOrEnd
                }
                (Expected::Key | Expected::KeyOrEnd, Some(b'"')) => {
                    self.string()?;
                    self.skip_white_space();
                    self.expect(b':')?;
                    Expected::Value
                }
                _ => return Err(self.unexpected()),
            };
            if open.is_empty() {
                self.skip_white_space();
                return if self.at == self.bytes.len() { Ok(()) } else { Err(self.unexpected()) };
            }
        }
    }

    fn scalar(&mut self) -> Result<(), Stop> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Stop> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn number(&mut self) -> Result<(), Stop> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.unexpected());
        }
        self.at += count;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at..];
            let part = &rest[..rest.len().min(STRIDE)];
            self.at += part.iter().take_while(|byte| PLAIN[usize::from(**byte)]).count();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0..0x20) => return Err(self.fault("control character in a string")),
                Some(_) => self.look()?,
                None => return Err(self.fault("unterminated string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                        Some(_) => return Err(self.fault("invalid unicode escape")),
                        None => return Err(self.fault("unterminated string")),
                    }
                }
            }
            Some(_) => return Err(self.fault("invalid escape")),
            None => return Err(self.fault("unterminated string")),
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[cold]
    fn look(&mut self) -> Result<(), Stop> {
        self.next_look = self.at + STRIDE;
        self.cancel.check().map_err(Stop::Error)
    }

    #[cold]
    fn unexpected(&self) -> Stop {
        // Every byte before `at` was ASCII or inside a finished string: `at` is the start of a character.
        let character = &self.bytes[self.at..self.bytes.len().min(self.at + 4)];
        match String::from_utf8_lossy(character).chars().next() {
            None => self.fault("unexpected end of text"),
            Some('\u{feff}') => self.fault("unexpected byte order mark"),
            Some(character) => self.fault(format!("unexpected character {character:?}")),
        }
    }

    #[cold]
    fn fault(&self, message: impl Into<String>) -> Stop {
        Stop::Fault(Fault { at: self.at, message: message.into() })
    }
}

/// Bytes that stand for themselves within a string.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

/// The objects and arrays that are open, one bit each.
#[derive(Default)]
struct Levels {
    depth: usize,
    bits: Vec<u64>,
}

impl Levels {
    fn is_empty(&self) -> bool {
        self.depth == 0
    }

    fn enter(&mut self, is_object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.bits.len() {
            self.bits.push(0);
        }
        self.bits[word] = self.bits[word] & !(1 << bit) | u64::from(is_object) << bit;
        self.depth += 1;
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    fn innermost_is_object(&self) -> bool {
        let top = self.depth - 1;
        self.bits[top / 64] >> (top % 64) & 1 == 1
    }
}
