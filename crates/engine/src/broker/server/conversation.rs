//! Both protocols of a connection, without the connection: bytes in, bytes out, one request at a time. `docs/broker-protocol.md` draws them.
//!
//! It begins with lines; a hello as the first line goes on with frames, in records where there is a secret. A request
//! that is too long is never held: a line ends the conversation, a frame is skipped.

use std::sync::Arc;

use memchr::memchr;

use super::hello;
use super::inbox::Inbox;
use super::records::{self, Opened, Records};
use crate::broker::auth::{RECORD_HEADER, nonce};
use crate::broker::core::Core;
use crate::broker::line::Request;
use crate::broker::lines::write_error;
use crate::broker::refusal::Refusal;
use crate::broker::session::{ListStep, Session};
use crate::broker::wire::{HEADER, Header, write_refusal};
use crate::error::Error;
use crate::reserve::try_extend;
use crate::runtime;

/// Lines from this length on are verified where they hold nobody up.
const LONG: usize = 64 << 10;

/// What one client and the broker say to each other.
pub(super) struct Conversation {
    core: Arc<Core>,
    session: Session,
    stage: Stage,
}

enum Stage {
    Lines {
        is_first: bool,
        /// So many bytes of the next line hold no line feed.
        scanned: usize,
    },
    Frames {
        /// So many bytes of a frame that is too long are still to come.
        skipped: usize,
    },
    Records(Box<Records>),
}

/// What [`Conversation::step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It handled a request.
    Handled,
    /// It handled a part of one: others have their turn before it goes on.
    Portion,
    /// It has to wait for more.
    Incomplete,
    /// It has answered for the last time.
    Finished,
    /// What came cannot have come from the client: nothing is said to that.
    Broken,
}

impl Conversation {
    pub fn new(core: &Arc<Core>, session: Session) -> Self {
        let stage = Stage::Lines { is_first: true, scanned: 0 };
        Self { core: Arc::clone(core), session, stage }
    }

    /// Handles the next request. What it has to say is in `out` at the latest after [`Self::seal`].
    pub fn step(&mut self, inbox: &mut Inbox, out: &mut Vec<u8>) -> Step {
        if self.session.is_listing() {
            return self.list_on(out);
        }
        match &mut self.stage {
            Stage::Lines { .. } => self.line(inbox, out),
            Stage::Frames { skipped } => {
                let skips = inbox.unread().len().min(*skipped);
                inbox.consume(skips);
                *skipped -= skips;
                if *skipped > 0 { Step::Incomplete } else { self.frame(inbox, out) }
            }
            Stage::Records(_) => self.record(inbox, out),
        }
    }

    /// Whether a request has begun and not ended.
    pub fn is_within(&self, inbox: &Inbox) -> bool {
        !inbox.is_empty() || matches!(self.stage, Stage::Frames { skipped: 1.. })
    }

    /// Says something late.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn late(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.stage {
            Stage::Records(records) => try_extend(&mut records.answers, frames),
            Stage::Frames { .. } => try_extend(out, frames),
            Stage::Lines { .. } => Ok(()), // a line never asks for what comes later
        }
    }

    /// Puts into `out` what waits to be sealed.
    pub fn seal(&mut self, out: &mut Vec<u8>) {
        if let Stage::Records(records) = &mut self.stage {
            records.seal(out);
        }
    }

    /// A request has not come to its end in time. Only a line is told: a frame's answer would have no number.
    pub fn give_up(&mut self, out: &mut Vec<u8>) -> Step {
        if let Stage::Lines { .. } = self.stage {
            refuse(&self.core, Refusal::RequestTimeout, out);
            return Step::Finished;
        }
        Step::Broken
    }

    fn list_on(&mut self, out: &mut Vec<u8>) -> Step {
        let is_line = matches!(self.stage, Stage::Lines { .. });
        let out = match &mut self.stage {
            Stage::Records(records) => &mut records.answers,
            Stage::Lines { .. } | Stage::Frames { .. } => out,
        };
        match self.session.list_on(out) {
            ListStep::More => return Step::Portion,
            ListStep::Broken => return Step::Broken,
            ListStep::Over => {}
        }
        if is_line {
            out.push(b'\n');
        }
        Step::Handled
    }

    fn line(&mut self, inbox: &mut Inbox, out: &mut Vec<u8>) -> Step {
        let Stage::Lines { is_first, scanned } = &mut self.stage else { return Step::Broken };
        let most = self.core.config().max_request_size;
        let unread = inbox.unread();
        let end = memchr(b'\n', &unread[*scanned..]).map(|end| *scanned + end);
        if end.unwrap_or(unread.len()) > most {
            refuse(&self.core, Refusal::TooLarge, out);
            return Step::Finished;
        }
        let Some(end) = end else {
            *scanned = unread.len();
            return Step::Incomplete;
        };
        *scanned = 0;
        let is_first = std::mem::take(is_first);
        if let Err(refusal) = self.answer_line(&unread[..end], is_first, out) {
            refuse(&self.core, refusal, out);
        }
        inbox.consume(end + 1);
        Step::Handled
    }

    fn answer_line(&mut self, line: &[u8], is_first: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let request = Request::parse(line).map_err(|_| Refusal::InvalidJson)?;
        let config = self.core.config();
        if let Some(secret) = &config.secret {
            let verify = || secret.verify_line(line, &request);
            // What is not signed as JavaScript writes it is written anew: of a long line that takes tens of milliseconds.
            let is_signed = if line.len() < LONG { verify() } else { runtime::block_in_place(verify) };
            if !is_signed {
                return Err(Refusal::AuthFailed);
            }
        }
        if is_first && hello::is_hello(&request) {
            let answer = hello::answer(&request, config, nonce())?;
            out.extend_from_slice(answer.as_bytes());
            let records = config.secret.as_ref().map(|secret| secret.records(line, answer.as_bytes()));
            self.stage = match records {
                Some(records) => Stage::Records(Box::new(Records::new(records))),
                None => Stage::Frames { skipped: 0 },
            };
        } else {
            self.session.line(&request, out);
        }
        if !self.session.is_listing() {
            out.push(b'\n');
        }
        Ok(())
    }

    fn frame(&mut self, inbox: &mut Inbox, out: &mut Vec<u8>) -> Step {
        let Stage::Frames { skipped } = &mut self.stage else { return Step::Broken };
        let unread = inbox.unread();
        let Some(header) = Header::read(unread) else { return Step::Incomplete };
        let length = header.length as usize;
        if length.saturating_add(HEADER) > self.core.config().max_request_size {
            refuse_frame(&self.core, &header, out);
            inbox.consume(HEADER);
            *skipped = length;
            return Step::Handled;
        }
        let Some(body) = unread[HEADER..].get(..length) else { return Step::Incomplete };
        self.session.frame(&header, body, out);
        inbox.consume(HEADER + length);
        Step::Handled
    }

    fn record(&mut self, inbox: &mut Inbox, out: &mut Vec<u8>) -> Step {
        let Stage::Records(records) = &mut self.stage else { return Step::Broken };
        let most = self.core.config().max_request_size;
        if records.verified == 0 {
            match records.open(inbox.unread(), most) {
                Opened::Verified => inbox.consume(RECORD_HEADER),
                Opened::Incomplete => return Step::Incomplete,
                Opened::Forged => return Step::Broken,
            }
        }
        let frames = &inbox.unread()[..records.verified];
        let Some(header) = Header::read(frames) else { return Step::Broken };
        let length = header.length as usize;
        let Some(body) = frames[HEADER..].get(..length) else { return Step::Broken };
        if HEADER + length > most {
            refuse_frame(&self.core, &header, &mut records.answers);
        } else {
            self.session.frame(&header, body, &mut records.answers);
        }
        records.verified -= HEADER + length;
        inbox.consume(HEADER + length);
        if records.answers.len() >= records::MOST {
            records.seal(out);
        }
        Step::Handled
    }
}

/// Refuses a line before it is known what it wants.
fn refuse(core: &Core, refusal: Refusal, out: &mut Vec<u8>) {
    core.touch(core.now());
    core.count_refusal(refusal);
    write_error(out, refusal);
    out.push(b'\n');
}

fn refuse_frame(core: &Core, header: &Header, out: &mut Vec<u8>) {
    core.touch(core.now());
    core.count_refusal(Refusal::TooLarge);
    write_refusal(out, header.id, Refusal::TooLarge);
}
