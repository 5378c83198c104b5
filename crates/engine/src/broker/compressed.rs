//! Is a compressed value what it says: JSON text, packed with gzip (RFC 1952), perhaps in base64?
//!
//! It is really unpacked and read, through buffers of some kilobytes and with a bound: a value that a reader could not
//! unpack is refused when it is written, and one that unpacks to more than a value may have is, too. What passes is
//! read by Node's `zlib.gunzip` and `Buffer.from(text, 'base64')` all the same. Members follow one another without
//! anything between or after them.

use std::io::{self, BufRead, BufReader, Read};

use flate2::{Decompress, FlushDecompress, Status};
use serde::de::{Deserialize, IgnoredAny};

const WINDOW_BITS: u8 = 15;
const IN_SCRATCH: usize = 4 * 1024;
const OUT_SCRATCH: usize = 16 * 1024;

/// What a compressed value has, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Unpacked.
    pub before: u64,
    /// As it came.
    pub after: u64,
}

/// Why a compressed value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpack {
    /// It is not compressed, not whole, or not JSON.
    #[error("the value is not gzip of JSON text")]
    Corrupt,
    /// It unpacks to more than the limit.
    #[error("the value unpacks to more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
}

/// Checks base64 of gzip of JSON text that unpacks to `limit` bytes at most. As in Node, both alphabets are read, whatever
/// belongs to neither is passed over, and the first `=` ends the data; characters outside of ASCII are refused.
pub fn check_base64(text: &[u8], limit: u64) -> Result<Sizes, Unpack> {
    if !text.is_ascii() {
        return Err(Unpack::Corrupt);
    }
    check(BufReader::with_capacity(IN_SCRATCH, Base64::new(text)), text.len(), limit)
}

/// Checks gzip of JSON text that unpacks to `limit` bytes at most.
pub fn check_gzip(bytes: &[u8], limit: u64) -> Result<Sizes, Unpack> {
    check(bytes, bytes.len(), limit)
}

fn check(packed: impl BufRead, after: usize, limit: u64) -> Result<Sizes, Unpack> {
    let mut unpacked =
        BufReader::with_capacity(OUT_SCRATCH, Gunzip { packed, member: None, written: 0, limit });
    let mut reader = serde_json::Deserializer::from_reader(&mut unpacked);
    let read = IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end());
    let written = unpacked.get_ref().written;
    match read {
        _ if written > limit => Err(Unpack::TooLarge { limit }),
        Ok(()) => Ok(Sizes { before: written, after: after as u64 }),
        Err(_) => Err(Unpack::Corrupt),
    }
}

/// Reads what gzip has packed, all members, and fails where they end early or at more than `limit` bytes.
struct Gunzip<R> {
    packed: R,
    /// The member that is being unpacked.
    member: Option<Box<Decompress>>,
    written: u64,
    limit: u64,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.packed.fill_buf()?;
            if self.member.is_none() && input.is_empty() && self.written > 0 {
                return Ok(0);
            }
            let member = self.member.get_or_insert_with(|| Box::new(Decompress::new_gzip(WINDOW_BITS)));
            let (read, written) = (member.total_in(), member.total_out());
            let status = member.decompress(input, out, FlushDecompress::None)?;
            let (read, written) = (member.total_in() - read, member.total_out() - written);
            self.packed.consume(read as usize);
            self.written += written;
            if status == Status::StreamEnd {
                self.member = None;
            }
            if self.written > self.limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            if written > 0 {
                return Ok(written as usize);
            }
            if read == 0 && status != Status::StreamEnd {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Reads what base64 stands for.
struct Base64<'t> {
    text: std::slice::Iter<'t, u8>,
    /// Bits that make no byte yet, and how many.
    bits: u32,
    count: u32,
}

impl<'t> Base64<'t> {
    fn new(text: &'t [u8]) -> Self {
        let end = memchr::memchr(b'=', text).unwrap_or(text.len());
        Self { text: text[..end].iter(), bits: 0, count: 0 }
    }
}

impl Read for Base64<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while length < out.len() {
            let Some(character) = self.text.next() else { break };
            let value = VALUES[usize::from(*character)];
            if value == NO_VALUE {
                continue;
            }
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 6;
            if self.count >= 8 {
                self.count -= 8;
                out[length] = (self.bits >> self.count) as u8;
                length += 1;
            }
        }
        Ok(length)
    }
}

const NO_VALUE: u8 = 0xff;

/// The values of the characters of base64 and base64url (RFC 4648).
const VALUES: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NO_VALUE; 256];
    let mut value = 0;
    while value < 64 {
        values[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// What Node gives for `zlib.gzipSync('{"hello":"wörld144"}').toString('base64')`.
    const NODE: &str = "H4sIAAAAAAAAA6tWykjNyclXslIqP7ytKCfF0MREqRYA/+eAChUAAAA=";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn both_sizes_are_told() {
        assert_eq!(check_base64(NODE.as_bytes(), 21), Ok(Sizes { before: 21, after: 56 }));
        let text = format!("\"{}\"", "long ".repeat(100_000));
        let packed = gzip(text.as_bytes());
        let sizes = Sizes { before: text.len() as u64, after: packed.len() as u64 };
        assert_eq!(check_gzip(&packed, u64::MAX), Ok(sizes));
    }

    #[test]
    fn base64_is_read_as_leniently_as_node_reads_it() {
        let expected = Some(21);
        for text in [
            NODE.replace('=', ""),
            NODE.replace('=', "=junk"),
            NODE.replace('+', "-").replace('/', "_"),
            format!(" {}\n", NODE.replace('A', "A \r\n!")),
        ] {
            assert_eq!(check_base64(text.as_bytes(), 100).map(|sizes| sizes.before).ok(), expected, "{text}");
        }
    }

    #[test]
    fn members_follow_one_another() {
        let packed = [gzip(b"[1,"), gzip(b""), gzip(b"2]")].concat();
        assert_eq!(check_gzip(&packed, 100).map(|sizes| sizes.before), Ok(5));
    }

    #[test]
    fn the_limit_is_that_of_the_unpacked_text() {
        let packed = gzip(format!("\"{}\"", "0".repeat(98)).as_bytes());
        assert!(check_gzip(&packed, 100).is_ok());
        assert_eq!(check_gzip(&packed, 99), Err(Unpack::TooLarge { limit: 99 }));
        assert_eq!(check_gzip(&packed, 0), Err(Unpack::TooLarge { limit: 0 }));
        let bomb = gzip(&vec![b' '; 50_000_000]);
        assert_eq!(check_gzip(&bomb, 1_000_000), Err(Unpack::TooLarge { limit: 1_000_000 }));
    }

    #[test]
    fn what_does_not_unpack_to_json_is_refused() {
        let packed = gzip(b"[1,2,3]");
        let mut changed = packed.clone();
        changed[packed.len() - 8] ^= 1;
        let cases = [
            Vec::new(),
            b"[1,2,3]".to_vec(),
            packed[..packed.len() - 1].to_vec(),
            [&packed[..], b"garbage"].concat(),
            [&packed[..], &packed[..5]].concat(),
            changed,
            gzip(b""),
            gzip(b"[1,2,3"),
            gzip(b"hello"),
        ];
        for case in cases {
            assert_eq!(check_gzip(&case, 100), Err(Unpack::Corrupt), "{}", case.escape_ascii());
        }
        for text in ["", "=", "{}", "H4sI", &NODE[1..], &NODE.replace('A', "Ł")] {
            assert_eq!(check_base64(text.as_bytes(), 100), Err(Unpack::Corrupt), "{text}");
        }
    }
}
