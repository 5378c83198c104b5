//! Hosts: worker isolates that run users' operations.
//!
//! A host takes a chunk (one crossing), runs it, and gives the results back while it takes the next one (one crossing).
//! It needs the isolate that owns the processor only to be started and ended. While it works it keeps the number of
//! the task that it is at in a control word, so that when it dies the engine knows which task was to blame.
//!
//! A chunk on the wire: 16 bytes (chunk number: f64, segments: u32, unused: u32), then per segment 32 bytes and a frame padded
//! to a multiple of 8. What comes back has the same form with the results' frames; there the second u32 is the number of
//! tasks that were done (a host may give the rest back).
//!
//! | bytes | field of a segment |
//! |---|---|
//! | 0..4 | operation: u32, the number of the user's operation |
//! | 4..8 | count: u32 |
//! | 8..12 | layout: u32 |
//! | 12..16 | length of the frame: u32 |
//! | 16..24 | group: f64 |
//! | 24..28 | index of the first task in its group: u32 |
//! | 28..32 | attempt: u32; in results: number of failed tasks |

use std::sync::Arc;

use super::batch::Target;
use super::queue::{Queue, Segment};
use super::state::{HostWords, Running};
use crate::bridge::frame::align8;
use crate::bridge::{Frame, Layout, Outbox};
use crate::error::Error;
use crate::reserve;

/// Index of the control word that tells which task of its chunk a host is at.
pub const WORD_PROGRESS: usize = 0;

/// Length of a segment's header on the wire, in bytes.
const SEGMENT_HEADER: usize = 32;

/// One worker isolate, as the scheduler sees it.
pub(crate) struct Host {
    pub outbox: Arc<Outbox>,
    pub words: HostWords,
    /// Tasks that only this host can run: their data went to it over a port.
    pub bound: Queue,
    pub running: Option<Running>,
    /// It was woken and holds a permit, but has not taken its chunk yet.
    pub woken: bool,
    /// Counts its idle times, so that an old timer does not end a busy host.
    pub rest: u64,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("running", &self.running)
            .field("woken", &self.woken)
            .finish_non_exhaustive()
    }
}

impl Host {
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && !self.woken
    }
}

/// Writes a chunk for a host. `Err`: the segment at this position is damaged, or there is no memory for it.
pub(crate) fn write_chunk(number: u64, chunk: &[Segment]) -> Result<Vec<u8>, (usize, Error)> {
    let mut out = Vec::new();
    out.extend_from_slice(&(number as f64).to_le_bytes());
    out.extend_from_slice(&(chunk.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for (position, segment) in chunk.iter().enumerate() {
        write_segment(segment, &mut out).map_err(|error| (position, error))?;
    }
    Ok(out)
}

fn write_segment(segment: &Segment, out: &mut Vec<u8>) -> Result<(), Error> {
    let Target::Hosted(operation) = segment.target else { return Err(Error::Unreadable) };
    let header = out.len();
    reserve::try_reserve(out, SEGMENT_HEADER)?;
    out.extend_from_slice(&operation.to_le_bytes());
    out.extend_from_slice(&segment.len().to_le_bytes());
    out.extend_from_slice(&(segment.batch.layout as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(segment.group as f64).to_le_bytes());
    out.extend_from_slice(&segment.index().to_le_bytes());
    out.extend_from_slice(&segment.attempt.to_le_bytes());
    let start = out.len();
    segment.batch.copy_range(segment.from, segment.to, out)?;
    let length = u32::try_from(out.len() - start).map_err(|_| Error::Unreadable)?;
    out[header + 12..header + 16].copy_from_slice(&length.to_le_bytes());
    let aligned = align8(out.len());
    reserve::try_resize(out, aligned, 0)
}

/// What a host gives back for one segment.
pub(crate) struct Returned {
    pub frame: Frame,
    pub failures: u32,
}

/// What a host gives back for a chunk.
pub(crate) struct ReturnedChunk {
    pub number: u64,
    pub done: u32,
    pub segments: Vec<Returned>,
}

/// Reads what a host gives back. `None` if it is damaged. Results for which there is no memory become failures of their tasks.
pub(crate) fn read_results(wire: &[u8]) -> Option<ReturnedChunk> {
    let (head, mut wire) = wire.split_at_checked(16)?;
    let u32_at =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let number = f64::from_le_bytes(head[..8].try_into().expect("eight bytes")) as u64;
    let mut segments = Vec::new();
    for _ in 0..u32_at(head, 8) {
        let (header, rest) = wire.split_at_checked(SEGMENT_HEADER)?;
        let length = u32_at(header, 12) as usize;
        let layout = Layout::from_u32(u32_at(header, 8))?;
        let count = u32_at(header, 4);
        segments.push(match reserve::try_to_vec(rest.get(..length)?) {
            Ok(bytes) => Returned { frame: Frame { layout, count, bytes }, failures: u32_at(header, 28) },
            Err(error) => Returned { frame: Frame::failures(count, &error)?, failures: count },
        });
        wire = rest.get(align8(length).min(rest.len())..)?;
    }
    Some(ReturnedChunk { number, done: u32_at(head, 12), segments })
}
