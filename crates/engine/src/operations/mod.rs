//! The native operations: work that runs on the engine's threads without an isolate.
//!
//! [`run`] takes one value, runs one [`Operation`] on it, and appends the result to a buffer of the caller. It keeps
//! nothing between calls but buffers of its thread. A wrong input is an [`Error::InvalidData`] that names the
//! operation, what it takes and what came; long work looks at [`Cancel`] about once per megabyte.
//!
//! What an operation takes, by the form in which the face sends it:
//!
//! | kind | operations | data |
//! |---|---|---|
//! | the original's three | `compute`, `transform`, `aggregate` | a JSON value; the last two also a typed array |
//! | bytes | `sha256`, `gzip`, `gunzip`, `lines`, `json-parse-check` | a string (its UTF-8), a typed array, `Buffer` or `ArrayBuffer`, or `{ data, ...options }`, or `{ path, ...options }` for a file |
//! | file | `file-info` | a path, or `{ path }` |
//! | numbers | `sum`, `min`, `max`, `mean`, `sort`, `histogram`, `quantiles` | an array of numbers, a typed array, or `{ values, ...options }` |
//!
//! Where a plain array is given and an array comes back, it is a plain array: JSON text when every element is finite,
//! else V8's format, which can say NaN and Infinity. In that format such arrays arrive, too: see [`run_v8`]. Properties that an operation does not know are left alone.

mod aggregate;
mod batches;
mod blocks;
mod compute;
mod deflater;
mod echo;
mod extremes;
mod fields;
mod file;
mod file_info;
mod float_key;
mod gunzip;
mod gzip;
mod histogram;
mod json_check;
mod json_text;
mod kernels;
mod lines;
mod list;
mod numbers;
mod order;
mod quantiles;
mod refusal;
mod sha256;
mod sort;
mod source;
mod sum;
mod together;
mod transform;
mod v8_data;
mod v8_list;
mod v8_object;
mod v8_reader;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};
pub use v8_data::run_v8;

/// A native operation; the number is what crosses the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Operation {
    /// Gives the data back.
    Echo = 0,
    /// Sums the square roots of the integers below `iterations` (default 1000): `{ computed, input }`.
    Compute = 1,
    /// Doubles each number of an array; gives anything else back.
    Transform = 2,
    /// Adds the numbers of an array up; gives anything else back.
    Aggregate = 3,
    /// SHA-256, in hexadecimal.
    Sha256 = 4,
    /// Compresses to the gzip format; `level` 0 to 9 (default 6).
    Gzip = 5,
    /// Decompresses the gzip format; `maxOutputLength` in bytes (default 1 GiB).
    Gunzip = 6,
    /// Counts lines.
    Lines = 7,
    /// Says whether `JSON.parse` would accept a text, and if not, where it would stop.
    JsonParseCheck = 8,
    /// Size, SHA-256, gzip size and line count of a file.
    FileInfo = 9,
    /// Sum; 0 for none.
    Sum = 10,
    /// Smallest number, by the rules of `Math.min`.
    Min = 11,
    /// Largest number, by the rules of `Math.max`.
    Max = 12,
    /// Arithmetic mean; NaN for none.
    Mean = 13,
    /// Sorts by number, a typed array by replacing its contents; `descending` (default false).
    Sort = 14,
    /// Counts numbers by `bins` bins (1 to 1,000,000, default 10) of equal width from `min` to `max` (default: the finite
    /// extremes of the data).
    Histogram = 15,
    /// Quantiles at `q`, an array of shares from 0 to 1 (default 0.25, 0.5, 0.75), interpolated linearly.
    Quantiles = 16,
}

impl Operation {
    /// Every operation, in the order of their numbers.
    pub const ALL: &[Operation] = &[
        Self::Echo,
        Self::Compute,
        Self::Transform,
        Self::Aggregate,
        Self::Sha256,
        Self::Gzip,
        Self::Gunzip,
        Self::Lines,
        Self::JsonParseCheck,
        Self::FileInfo,
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Mean,
        Self::Sort,
        Self::Histogram,
        Self::Quantiles,
    ];

    /// The operation of a name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }

    /// The name as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Compute => "compute",
            Self::Transform => "transform",
            Self::Aggregate => "aggregate",
            Self::Sha256 => "sha256",
            Self::Gzip => "gzip",
            Self::Gunzip => "gunzip",
            Self::Lines => "lines",
            Self::JsonParseCheck => "json-parse-check",
            Self::FileInfo => "file-info",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Sort => "sort",
            Self::Histogram => "histogram",
            Self::Quantiles => "quantiles",
        }
    }

    /// The operation of a number read from the wire, if there is one.
    pub fn from_u16(value: u16) -> Option<Self> {
        Self::ALL.get(usize::from(value)).copied()
    }
}

/// Runs one task: appends the result's bytes to `out` and returns how they are to be read.
///
/// On an error `out` may hold a part of a result; the caller truncates it.
///
/// # Errors
/// [`Error::InvalidData`] for data or options that the operation does not take, [`Error::CorruptData`] and
/// [`Error::TooLarge`] from `gunzip`, [`Error::Io`] where a file is read, [`Error::OutOfMemory`] where there is none for a
/// result or what leads to it, [`Error::Cancelled`] once `cancel` is set.
pub fn run(operation: Operation, input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    match operation {
        Operation::Echo => echo::run(input, out),
        Operation::Compute => compute::run(input, cancel, out),
        Operation::Transform => transform::run(input, cancel, out),
        Operation::Aggregate => aggregate::run(input, cancel, out),
        Operation::Sha256 => sha256::run(input, cancel, out),
        Operation::Gzip => gzip::run(input, cancel, out),
        Operation::Gunzip => gunzip::run(input, cancel, out),
        Operation::Lines => lines::run(input, cancel, out),
        Operation::JsonParseCheck => json_check::run(input, cancel, out),
        Operation::FileInfo => file_info::run(input, cancel, out),
        Operation::Sum => sum::run_sum(input, cancel, out),
        Operation::Mean => sum::run_mean(input, cancel, out),
        Operation::Min => extremes::run_min(input, cancel, out),
        Operation::Max => extremes::run_max(input, cancel, out),
        Operation::Sort => sort::run(input, cancel, out),
        Operation::Histogram => histogram::run(input, cancel, out),
        Operation::Quantiles => quantiles::run(input, cancel, out),
    }
}

/// Appends a single number as the result.
fn number(value: f64, out: &mut Vec<u8>) -> Tag {
    out.extend_from_slice(&value.to_le_bytes());
    Tag::Number
}
