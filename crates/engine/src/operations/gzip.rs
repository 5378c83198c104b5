//! `gzip`: the bytes in the gzip format (RFC 1952). Option `level`: 0 (stored) to 9 (smallest), by default 6.

use super::Operation;
use super::deflater::Deflater;
use super::fields::integer;
use super::source::Source;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};
use crate::reserve::try_extend;

const OPERATION: Operation = Operation::Gzip;
/// Compression level where none is given, zlib's own default.
pub(super) const DEFAULT_LEVEL: u32 = 6;

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (source, [_, _, level]) = Source::read(OPERATION, &input, ["data", "path", "level"])?;
    let level = match level {
        None => DEFAULT_LEVEL,
        Some(raw) => integer(raw, 0..=9)
            .ok_or_else(|| OPERATION.refuse_part("'level' as an integer from 0 to 9", raw))?
            as u32,
    };
    Deflater::with(level, |deflater| {
        source.for_each_block(cancel, |block| deflater.feed(block, |part| try_extend(out, part)))?;
        deflater.finish(|part| try_extend(out, part))?;
        Ok(Tag::Bytes)
    })
}
