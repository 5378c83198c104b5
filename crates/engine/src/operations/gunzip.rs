//! `gunzip`: what was compressed to the gzip format (RFC 1952), all members of the file one after another.
//!
//! As in `zlib.gunzip` of Node, zero bytes after a member end the data (tapes and disks pad with them, and whatever
//! follows is left alone), and anything else must be the next member. Option `maxOutputLength`: bytes at most, by
//! default 1 GiB, against data that unpacks to more than the memory holds.

use flate2::{Decompress, FlushDecompress, Status};

use super::Operation;
use super::fields::integer;
use super::source::Source;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};
use crate::reserve::try_extend;

const OPERATION: Operation = Operation::Gunzip;
const DEFAULT_MAX_OUTPUT: u64 = 1 << 30;
/// The largest length that JavaScript can say exactly.
const MAX_MAX_OUTPUT: u64 = (1 << 53) - 1;
const WINDOW_BITS: u8 = 15;
/// Bytes unpacked between two looks at the cancel flag and the limit.
const SCRATCH_LENGTH: usize = 64 * 1024;

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (source, [_, _, limit]) = Source::read(OPERATION, &input, ["data", "path", "maxOutputLength"])?;
    let limit = match limit {
        None => DEFAULT_MAX_OUTPUT,
        Some(raw) => integer(raw, 0..=MAX_MAX_OUTPUT)
            .ok_or_else(|| OPERATION.refuse_part("'maxOutputLength' as an integer from 0", raw))?,
    };
    let mut inflater = Inflater { place: Place::Start, written: 0, limit, scratch: vec![0; SCRATCH_LENGTH] };
    source.for_each_block(cancel, |block| inflater.feed(block, cancel, out))?;
    inflater.finish()?;
    Ok(Tag::Bytes)
}

/// Where in the compressed data the next byte stands.
enum Place {
    Start,
    Member(Box<Decompress>),
    AfterMember,
    Padding,
}

struct Inflater {
    place: Place,
    written: u64,
    limit: u64,
    scratch: Vec<u8>,
}

impl Inflater {
    fn feed(&mut self, mut input: &[u8], cancel: &Cancel, out: &mut Vec<u8>) -> Result<(), Error> {
        while let Some(first) = input.first() {
            match &mut self.place {
                Place::Padding => return Ok(()),
                Place::AfterMember if *first == 0 => self.place = Place::Padding,
                Place::Start | Place::AfterMember => {
                    self.place = Place::Member(Box::new(Decompress::new_gzip(WINDOW_BITS)));
                }
                Place::Member(_) => input = self.inflate(input, cancel, out)?,
            }
        }
        Ok(())
    }

    /// Unpacks until the member or the input ends, and returns the input that is left.
    fn inflate<'i>(
        &mut self,
        mut input: &'i [u8],
        cancel: &Cancel,
        out: &mut Vec<u8>,
    ) -> Result<&'i [u8], Error> {
        let Place::Member(decompress) = &mut self.place else { return Ok(input) };
        loop {
            cancel.check()?;
            let (read, written) = (decompress.total_in(), decompress.total_out());
            let status = decompress
                .decompress(input, &mut self.scratch, FlushDecompress::None)
                .map_err(|error| corrupt(error.message().unwrap_or("not a gzip stream")))?;
            let written = (decompress.total_out() - written) as usize;
            input = &input[(decompress.total_in() - read) as usize..];
            self.written += written as u64;
            if self.written > self.limit {
                return Err(Error::TooLarge { operation: OPERATION.name(), limit: self.limit });
            }
            try_extend(out, &self.scratch[..written])?;
            if status == Status::StreamEnd {
                self.place = Place::AfterMember;
                return Ok(input);
            }
            // A full scratch may leave output inside even when all input is taken.
            if input.is_empty() && written < self.scratch.len() {
                return Ok(input);
            }
        }
    }

    fn finish(self) -> Result<(), Error> {
        match self.place {
            Place::AfterMember | Place::Padding => Ok(()),
            Place::Start | Place::Member(_) => Err(corrupt("unexpected end of data")),
        }
    }
}

#[cold]
fn corrupt(reason: &str) -> Error {
    Error::CorruptData { operation: OPERATION.name(), reason: reason.into() }
}
