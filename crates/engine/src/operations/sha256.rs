//! `sha256`: the SHA-256 digest (FIPS 180-4) of the bytes, as 64 lower-case hexadecimal digits.

use ring::digest::{Context, Digest, SHA256};

use super::Operation;
use super::source::Source;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (source, _) = Source::read(Operation::Sha256, &input, ["data", "path"])?;
    let mut context = Context::new(&SHA256);
    source.for_each_block(cancel, |block| {
        context.update(block);
        Ok(())
    })?;
    out.extend(hex_digits(&context.finish()));
    Ok(Tag::Text)
}

/// The digits of a digest, in ASCII.
pub(super) fn hex_digits(digest: &Digest) -> impl Iterator<Item = u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)])
}
