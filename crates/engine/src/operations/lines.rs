//! `lines`: how many lines the bytes hold: one for each `\n`, and one more for a last line that lacks it.

use super::Operation;
use super::number;
use super::source::Source;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (source, _) = Source::read(Operation::Lines, &input, ["data", "path"])?;
    let mut count = LineCount::default();
    source.for_each_block(cancel, |block| {
        count.add(block);
        Ok(())
    })?;
    Ok(number(count.total() as f64, out))
}

/// A count of lines that goes on from block to block.
#[derive(Default)]
pub(super) struct LineCount {
    newlines: u64,
    is_within_line: bool,
}

impl LineCount {
    pub(super) fn add(&mut self, block: &[u8]) {
        self.newlines += memchr::memchr_iter(b'\n', block).count() as u64;
        if let Some(last) = block.last() {
            self.is_within_line = *last != b'\n';
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.newlines + u64::from(self.is_within_line)
    }
}
