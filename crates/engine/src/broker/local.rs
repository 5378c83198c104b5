//! A client in the broker's own process: the same frames, handed over by a call instead of a socket.

use std::sync::Arc;

use super::core::Core;
use super::host;
use super::session::{Credit, Mailbox, Session};
use super::wire::{HEADER, Header};
use crate::bridge::{Frame, Layout, Outbox, Record, RecordKind};
use crate::error::Error;
use crate::reserve::try_reserve_exact;

/// Memory of answers that is kept for the next one.
const KEPT: usize = 64 << 10;

/// A client of an isolate.
pub struct Local {
    core: Arc<Core>,
    session: Session,
    /// The answers to the last exchange.
    answers: Vec<u8>,
}

/// The way to the isolate for what comes later.
struct Isolate {
    outbox: Arc<Outbox>,
    channel: u32,
}

impl Mailbox for Isolate {
    fn deliver(&self, head: [u8; HEADER], body: Arc<[u8]>, credit: Option<Credit>) {
        let mut bytes = Vec::new();
        if try_reserve_exact(&mut bytes, HEADER + body.len()).is_err() {
            // Without it the client would wait for ever: it is to ask anew.
            self.gone();
            return;
        }
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&body);
        let frame = Frame { layout: Layout::Mixed, count: 1, bytes };
        let record = Record::notice(self.channel, RecordKind::BrokerFrame, 0, 1);
        self.outbox.send(Record { frame, credit, ..record });
    }

    /// An isolate of this process: there is nothing to hang up.
    fn hang_up(&self) -> bool {
        false
    }

    fn gone(&self) {
        self.outbox.send(Record::notice(self.channel, RecordKind::BrokerGone, 0, 1));
    }
}

impl Local {
    /// Joins the broker that listens at `pipe`, if it is one of this process. What it answers later goes to `channel`.
    ///
    /// Fails with [`Error::BrokerAuthFailed`] and [`Error::BrokerDraining`].
    pub fn attach(
        outbox: Arc<Outbox>,
        channel: u32,
        pipe: &str,
        secret: &[u8],
    ) -> Result<Option<Self>, Error> {
        let Some(core) = host::find(pipe) else { return Ok(None) };
        if core.config().secret.as_ref().is_some_and(|own| !own.is(secret)) {
            return Err(Error::BrokerAuthFailed);
        }
        if core.is_draining() {
            return Err(Error::BrokerDraining);
        }
        let session = Session::open(&core, Arc::new(Isolate { outbox, channel }));
        Ok(Some(Self { core, session, answers: Vec::new() }))
    }

    /// Hands over the whole frames that `requests` is made of, and gives the answers that there are now. `None`: the broker is gone.
    pub fn exchange(&mut self, mut requests: &[u8]) -> Option<&[u8]> {
        if self.answers.capacity() > KEPT {
            self.answers = Vec::new();
        }
        self.answers.clear();
        if self.core.is_stopped() {
            return None;
        }
        while let Some(header) = Header::read(requests) {
            let Some(body) = requests[HEADER..].get(..header.length as usize) else { break };
            requests = &requests[HEADER + body.len()..];
            if HEADER + body.len() > self.core.config().max_request_size {
                super::wire::write_refusal(&mut self.answers, header.id, super::refusal::Refusal::TooLarge);
                continue;
            }
            self.session.frame(&header, body, &mut self.answers);
            while self.session.is_listing() {
                self.session.list_on(&mut self.answers);
            }
        }
        (!self.core.is_stopped()).then_some(&*self.answers)
    }

    /// The answers to the last exchange.
    pub fn answers(&self) -> &[u8] {
        &self.answers
    }
}
