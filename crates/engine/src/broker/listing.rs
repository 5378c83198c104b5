//! A list of all items, portion by portion: others have their turn in between, at the store and at the thread.
//!
//! The items are found first, then put into their order, then written. An item that is there from the beginning to the end is listed once,
//! one that comes or goes meanwhile may be. What is held is sixteen bytes an item, and the portion that is being written.

use std::time::Instant;

use super::core::Core;
use super::items::Item;
use super::refusal::Refusal;
use super::values::write_key;
use super::wire::tag;
use crate::reserve::try_reserve;
use crate::runtime;

/// Items that are looked at before others have their turn.
const PAGE: u32 = 4096;
/// Items that are written before others have theirs.
const PORTION: usize = 512;
/// So many items are put into order where that holds nobody up.
const MANY: usize = 16_384;

/// Where a list is.
#[derive(Debug)]
pub(super) struct Listing {
    /// Order and number of the items.
    found: Vec<(u64, u32)>,
    stage: Stage,
    has_written: bool,
    /// When it was asked for.
    pub started: Instant,
    /// The number of the frame that asked for it.
    pub frame: Option<u32>,
    /// What is to go into that frame, whose length stands before it.
    pub text: Vec<u8>,
}

#[derive(Debug)]
enum Stage {
    /// Items are looked for, from this number on.
    Find(u32),
    /// Those that were found are written, from this place on.
    Write(usize),
}

impl Listing {
    pub fn new(started: Instant) -> Self {
        Self {
            found: Vec::new(),
            stage: Stage::Find(0),
            has_written: false,
            started,
            frame: None,
            text: Vec::new(),
        }
    }

    /// Whether nothing was written yet.
    pub fn is_silent(&self) -> bool {
        matches!(self.stage, Stage::Find(_))
    }

    /// Appends the next portion; whether there is more.
    ///
    /// Refused: [`OutOfMemory`](Refusal::OutOfMemory).
    pub fn step(&mut self, core: &Core, out: &mut Vec<u8>) -> Result<bool, Refusal> {
        match self.stage {
            Stage::Find(from) => {
                let next = self.find(core, from)?;
                if let Some(next) = next {
                    self.stage = Stage::Find(next);
                    return Ok(true);
                }
                let found = &mut self.found;
                if found.len() < MANY {
                    found.sort_unstable();
                } else {
                    runtime::block_in_place(|| found.sort_unstable());
                }
                out.extend_from_slice(br#"{"ok":true,"items":{"#);
                self.stage = Stage::Write(0);
                Ok(true)
            }
            Stage::Write(from) => {
                let to = self.found.len().min(from + PORTION);
                self.write(core, from..to, out)?;
                self.stage = Stage::Write(to);
                if to < self.found.len() {
                    return Ok(true);
                }
                out.extend_from_slice(b"}}");
                Ok(false)
            }
        }
    }

    fn find(&mut self, core: &Core, from: u32) -> Result<Option<u32>, Refusal> {
        let (now, found) = (core.now(), &mut self.found);
        try_reserve(found, PAGE as usize)?;
        Ok(core.lock().store.page(now, from, PAGE, |number, item| found.push((item.order, number))))
    }

    fn write(
        &mut self,
        core: &Core,
        range: std::ops::Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let now = core.now();
        let state = core.lock();
        for &(order, number) in &self.found[range] {
            // Another item may have its number meanwhile.
            if let Some(item) = state.store.at(now, number).filter(|item| item.order == order) {
                try_reserve(out, 6 * item.key().len() + 96)?;
                if std::mem::replace(&mut self.has_written, true) {
                    out.push(b',');
                }
                write_entry(core, item, out);
            }
        }
        Ok(())
    }
}

fn write_entry(core: &Core, item: &Item, out: &mut Vec<u8>) {
    write_key(out, item.key());
    let has_value = item.tag != tag::NONE;
    let expires = core.epoch_at(item.expires);
    out.extend_from_slice(format!(r#":{{"expires":{expires},"hasValue":{has_value}}}"#).as_bytes());
}
