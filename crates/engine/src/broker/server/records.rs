//! Frames in records, on a connection whose hello was signed: verified before they are read, sealed before they are written.

use crate::broker::auth::{Opener, RECORD_HEADER, RECORD_MAC, Sealer};
use crate::broker::wire::{HEADER, Header};

/// Most bytes of frames in a record, unless it is a single frame.
pub(super) const MOST: usize = 64 << 10;

/// Both directions.
pub(super) struct Records {
    opener: Opener,
    sealer: Sealer,
    /// Bytes of the record that was verified last which are not handled yet.
    pub verified: usize,
    /// Answers that are not sealed yet.
    pub answers: Vec<u8>,
}

/// What a record came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// It is verified; its frames follow the header of [`RECORD_HEADER`] bytes.
    Verified,
    /// It is not all there.
    Incomplete,
    /// It is none that the client has sent in this place.
    Forged,
}

impl Records {
    pub fn new((opener, sealer): (Opener, Sealer)) -> Self {
        Self { opener, sealer, verified: 0, answers: Vec::new() }
    }

    /// Verifies the record that `unread` begins with. Frames longer than `most` need not be waited for.
    pub fn open(&mut self, unread: &[u8], most: usize) -> Opened {
        let Some((header, rest)) = unread.split_first_chunk::<RECORD_HEADER>() else {
            return Opened::Incomplete;
        };
        let (length, mac) = header.split_at(RECORD_HEADER - RECORD_MAC);
        let length = length.iter().rev().fold(0, |all, &byte| all << 8 | usize::from(byte));
        if length == 0 || length > most.max(MOST) {
            return Opened::Forged;
        }
        let Some(frames) = rest.get(..length) else { return Opened::Incomplete };
        if !self.opener.open(mac, frames) {
            return Opened::Forged;
        }
        self.verified = length;
        Opened::Verified
    }

    /// Appends the answers to `out`, in records that hold whole frames.
    pub fn seal(&mut self, out: &mut Vec<u8>) {
        let mut rest = &self.answers[..];
        while !rest.is_empty() {
            let mut end = frame_length(rest);
            while end < rest.len() && end + frame_length(&rest[end..]) <= MOST {
                end += frame_length(&rest[end..]);
            }
            let (record, after) = rest.split_at(end);
            self.sealer.seal(record, out);
            rest = after;
        }
        self.answers.clear();
        self.answers.shrink_to(MOST);
    }
}

/// Length of the frame that `frames` begin with.
fn frame_length(frames: &[u8]) -> usize {
    Header::read(frames).map_or(frames.len(), |header| HEADER + header.length as usize)
}
