//! `file-info`: size, SHA-256, gzip size and line count of a file, all from one reading of it.
//!
//! Nothing is kept but the block that was read last. The gzip size is that of level 6; the lines of a file that is no
//! text are counted by its `\n` bytes like any other's.

use ring::digest::{Context, SHA256};
use serde::Serialize;

use super::Operation;
use super::deflater::Deflater;
use super::fields::fields;
use super::file;
use super::gzip::DEFAULT_LEVEL;
use super::lines::LineCount;
use super::sha256::hex_digits;
use super::source::string;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};

const OPERATION: Operation = Operation::FileInfo;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileInfo<'a> {
    path: &'a str,
    size: u64,
    sha256: String,
    gzip_size: u64,
    lines: u64,
}

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let path = path_of(&input).ok_or_else(|| OPERATION.refuse(&input))?;
    let mut digest = Context::new(&SHA256);
    let mut lines = LineCount::default();
    let (mut size, mut gzip_size) = (0, 0);
    Deflater::with(DEFAULT_LEVEL, |deflater| {
        let mut count = |part: &[u8]| {
            gzip_size += part.len() as u64;
            Ok(())
        };
        file::for_each_block(&path, cancel, |block| {
            size += block.len() as u64;
            digest.update(block);
            lines.add(block);
            deflater.feed(block, &mut count)
        })?;
        deflater.finish(&mut count)
    })?;

    let sha256 = hex_digits(&digest.finish()).map(char::from).collect();
    let info = FileInfo { path: &path, size, sha256, gzip_size, lines: lines.total() };
    serde_json::to_writer(out, &info).expect("writing to memory cannot fail");
    Ok(Tag::Json)
}

fn path_of(input: &Input<'_>) -> Option<String> {
    match input {
        Input::Text(path) => Some((*path).into()),
        Input::Json(json) => string(json).or_else(|| string(fields(json, ["path"])?[0]?)),
        _ => None,
    }
}
