//! A gzip compressor that a thread keeps from task to task: its state is a quarter of a megabyte, as dear to set up as
//! a small text is to compress.

use std::cell::Cell;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::error::Error;

const WINDOW_BITS: u8 = 15;
const SCRATCH_LENGTH: usize = 64 * 1024;

thread_local! {
    /// The compressor of this thread, away while it is in use.
    static KEPT: Cell<Option<Deflater>> = const { Cell::new(None) };
}

/// Compresses one stream to the gzip format (RFC 1952), without name or time, so that equal bytes give equal results.
pub(super) struct Deflater {
    level: u32,
    compress: Compress,
    scratch: Box<[u8]>,
}

impl Deflater {
    /// Runs `work` with a compressor of this level (0 to 9) at the start of a stream.
    pub(super) fn with<R>(level: u32, work: impl FnOnce(&mut Self) -> R) -> R {
        let mut deflater = match KEPT.take() {
            Some(mut kept) if kept.level == level => {
                kept.compress.reset();
                kept
            }
            _ => Self {
                level,
                compress: Compress::new_gzip(Compression::new(level), WINDOW_BITS),
                scratch: vec![0; SCRATCH_LENGTH].into(),
            },
        };
        let result = work(&mut deflater);
        KEPT.set(Some(deflater));
        result
    }

    /// Compresses the next bytes; `each` gets what comes out meanwhile.
    pub(super) fn feed(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !input.is_empty() {
            let (taken, _) = self.step(input, FlushCompress::None, &mut each)?;
            input = &input[taken..];
        }
        Ok(())
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        while self.step(&[], FlushCompress::Finish, &mut each)?.1 != Status::StreamEnd {}
        Ok(())
    }

    fn step(
        &mut self,
        input: &[u8],
        flush: FlushCompress,
        each: &mut impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(usize, Status), Error> {
        let (read, written) = (self.compress.total_in(), self.compress.total_out());
        let status = self
            .compress
            .compress(input, &mut self.scratch, flush)
            .expect("a compressor with room for output has no way to fail");
        let written = (self.compress.total_out() - written) as usize;
        each(&self.scratch[..written])?;
        Ok(((self.compress.total_in() - read) as usize, status))
    }
}
