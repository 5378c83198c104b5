//! Frames: the broker's own protocol, as drawn in `docs/broker-protocol.md`. `ts/broker/frames.ts` is its other end.

use super::refusal::Refusal;
use crate::reserve;

/// Length of a frame's header, in bytes.
pub const HEADER: usize = 12;

/// Kinds of requests.
#[allow(missing_docs, reason = "the protocol's own names")]
pub mod kind {
    pub const GET: u8 = 1;
    pub const SET: u8 = 2;
    pub const DEL: u8 = 3;
    pub const MGET: u8 = 4;
    pub const MSET: u8 = 5;
    pub const INCR: u8 = 6;
    pub const CAS: u8 = 7;
    pub const LEASE: u8 = 8;
    pub const RELEASE: u8 = 9;
    pub const RENEW: u8 = 10;
    pub const BEGIN: u8 = 11;
    pub const LAND: u8 = 12;
    pub const WATCH: u8 = 13;
    pub const CANCEL: u8 = 14;
    pub const LINE: u8 = 15;
    pub const PING: u8 = 16;
}

/// Kinds of answers.
#[allow(missing_docs, reason = "the protocol's own names")]
pub mod answer {
    pub const OK: u8 = 0;
    pub const ERROR: u8 = 1;
    pub const COMPUTE: u8 = 2;
    pub const EVENT: u8 = 3;
    pub const END: u8 = 4;
}

/// How values are encoded.
pub mod tag {
    /// There is no value.
    pub const NONE: u8 = 0;
    /// JSON text.
    pub const JSON: u8 = 2;
    /// A string as UTF-8.
    pub const TEXT: u8 = 3;
    /// Raw bytes.
    pub const BYTES: u8 = 4;
    /// An error of a computation: JSON text.
    pub const ERROR: u8 = 6;
    /// gzip of JSON text.
    pub const GZIP: u8 = 16;
    /// base64 of gzip of JSON text.
    pub const BASE64: u8 = 17;
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the body, in bytes.
    pub length: u32,
    /// Number of the request.
    pub id: u32,
    /// What is asked, or how it was answered.
    pub kind: u8,
    /// How the value is encoded.
    pub tag: u8,
    /// Length of the key that the body begins with.
    pub key: u16,
}

impl Header {
    /// Reads the header that `bytes` begin with; `None`: it is not all there yet.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let key = u16::from_le_bytes([bytes[10], bytes[11]]);
        Some(Self { length: word(0), id: word(4), kind: bytes[8], tag: bytes[9], key })
    }

    /// The header as it stands in a frame.
    pub fn bytes(&self) -> [u8; HEADER] {
        let (length, id, key) = (self.length.to_le_bytes(), self.id.to_le_bytes(), self.key.to_le_bytes());
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&length);
        bytes[4..8].copy_from_slice(&id);
        bytes[8..10].copy_from_slice(&[self.kind, self.tag]);
        bytes[10..12].copy_from_slice(&key);
        bytes
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }
}

/// Appends an answer whose body is made of `parts`. Bodies are shorter than 4 GiB: requests and stored values are bounded far below. Where
/// there is no memory for it, the request is refused.
pub fn write_answer(out: &mut Vec<u8>, id: u32, kind: u8, tag: u8, parts: &[&[u8]]) {
    let Ok(length) = u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>()) else {
        return write_refusal(out, id, Refusal::TooLarge);
    };
    if reserve::try_reserve(out, HEADER + length as usize).is_err() {
        let word = Refusal::OutOfMemory.word().as_bytes();
        Header { length: word.len() as u32, id, kind: answer::ERROR, tag: tag::TEXT, key: 0 }.write(out);
        out.extend_from_slice(word);
        return;
    }
    Header { length, id, kind, tag, key: 0 }.write(out);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends a refusal.
pub fn write_refusal(out: &mut Vec<u8>, id: u32, refusal: Refusal) {
    write_answer(out, id, answer::ERROR, tag::TEXT, &[refusal.word().as_bytes()]);
}

/// Appends `true` or `false`.
pub fn write_flag(out: &mut Vec<u8>, id: u32, flag: bool) {
    write_answer(out, id, answer::OK, tag::JSON, &[if flag { b"true" } else { b"false" }]);
}

/// Reads the parts of a body, one after another. `None` from any method: the body is too short.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Of a body.
    pub fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// A u16.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// A u32.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A double.
    pub fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written() {
        let header = Header { length: 70_000, id: u32::MAX, kind: 7, tag: 17, key: 65_535 };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::read(&bytes), Some(header));
        assert_eq!(Header::read(&bytes[..HEADER - 1]), None);
    }

    #[test]
    fn a_body_that_ends_too_soon_gives_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Some(0x0201));
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.rest(), [3]);
        assert!(reader.rest().is_empty());
    }
}
