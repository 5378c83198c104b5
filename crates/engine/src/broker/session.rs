//! One client's view of the broker: a connection, or an isolate of the broker's own process.
//!
//! Requests come in as frames or lines and take effect in their order. What can be answered is answered at once; what waits (a lease, another's
//! computation, changes) comes later through the [`Mailbox`]. When a session is dropped its client is gone: what it waited
//! for is taken back, what it computed passes to others, and the leases that it owns end.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::asker::Asker;
use super::auth::nonce;
use super::core::{Core, Pending, SessionState, State};
use super::leases::{OPEN, Token, Waiter, Wanted};
use super::line::Request;
use super::listing::Listing;
use super::metrics::Action;
use super::owner::Level;
use super::refusal::Refusal;
use super::server::hello;
use super::store::{Store, Value};
use super::values::{LONGEST_KEY, check_key};
use super::watches::{Change, OnTheWay, Watch};
use super::wire::{HEADER, Header, Reader, answer, kind, tag, write_answer, write_flag, write_refusal};
use crate::reserve::{try_reserve, try_shared};

/// Dropped when what it hangs on has been handed over (or never can be).
pub type Credit = Box<dyn Any + Send>;

/// So many answers may a session wait for.
const MOST_PENDING: usize = 65_536;
/// So many watches may a session have.
const MOST_WATCHES: usize = 1024;
/// Most bytes of the answer to one MGET.
const MOST_ANSWER: usize = 64 << 20;

/// Where a session's late frames go. Called from any thread, under the broker's lock: neither method blocks.
pub trait Mailbox: Send + Sync {
    /// Takes a frame for the client. Many may share a body.
    fn deliver(&self, head: [u8; HEADER], body: Arc<[u8]>, credit: Option<Credit>);

    /// The client takes nothing in: it is to be given up, if it is one that can be. Whether it is.
    fn hang_up(&self) -> bool;

    /// The broker has stopped. Comes last.
    fn gone(&self) {}
}

/// One client's view of the broker.
pub struct Session {
    pub(super) core: Arc<Core>,
    id: u64,
    /// A list that is being written.
    pub(super) listing: Option<Listing>,
}

impl Drop for Session {
    fn drop(&mut self) {
        let now = self.core.now();
        self.core.with(now, |state| state.forget(now, self.id));
    }
}

/// What [`Session::list_on`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListStep {
    /// There is more to come.
    More,
    /// The list, or a refusal in its place, is there.
    Over,
    /// It cannot go on, and a part of it was written.
    Broken,
}

/// What a request came to: it is answered, or it will be.
type Done = Result<(), Refusal>;

impl Session {
    /// A new client, whose late frames go to `mailbox`.
    pub fn open(core: &Arc<Core>, mailbox: Arc<dyn Mailbox>) -> Self {
        let mut state = core.lock();
        state.last_session += 1;
        let id = state.last_session;
        let session = SessionState {
            mailbox,
            pending: HashMap::new(),
            owned: HashSet::new(),
            on_the_way: OnTheWay::default(),
        };
        state.sessions.insert(id, session);
        drop(state);
        Self { core: Arc::clone(core), id, listing: None }
    }

    /// Handles a frame, and appends its answer to `out`, if there is one already. `body` is as long as the header says.
    pub fn frame(&mut self, header: &Header, body: &[u8], out: &mut Vec<u8>) {
        if header.kind == kind::LINE {
            self.line_frame(header.id, body, out);
            return;
        }
        let started = Instant::now();
        let now = self.core.at(started);
        self.core.touch(now);
        let action = action_of(header.kind);
        self.log_request(action);
        let before = out.len();
        let done = self.dispatch(now, header, body, out);
        if let Err(refusal) = done {
            out.truncate(before);
            write_refusal(out, header.id, refusal);
        }
        if self.core.metrics.is_on() {
            self.core.metrics.count(action, done.err(), started.elapsed());
        }
    }

    /// Handles a line, and appends its answer to `out`, without a line's end.
    pub fn line(&mut self, request: &Request<'_>, out: &mut Vec<u8>) {
        let started = Instant::now();
        let now = self.core.at(started);
        self.core.touch(now);
        let (action, done) = self.answer_line(now, request, out);
        // A list counts when it is over.
        if self.listing.is_none() {
            self.core.metrics.count(action, done.err(), started.elapsed());
        }
    }

    /// Whether a list is being written. It goes on with [`list_on`](Self::list_on), and nothing else is asked for meanwhile.
    pub fn is_listing(&self) -> bool {
        self.listing.is_some()
    }

    /// Appends the next portion of the list that is being written.
    pub fn list_on(&mut self, out: &mut Vec<u8>) -> ListStep {
        let Some(mut listing) = self.listing.take() else { return ListStep::Over };
        let was_silent = listing.is_silent();
        let mut text = listing.frame.map(|_| std::mem::take(&mut listing.text));
        let before = text.as_ref().unwrap_or(out).len();
        let done = listing.step(&self.core, text.as_mut().unwrap_or(out));
        if let Some(text) = text {
            listing.text = text;
        }
        let refusal = match done {
            Ok(true) => {
                self.listing = Some(listing);
                return ListStep::More;
            }
            Ok(false) => None,
            Err(refusal) => Some(refusal),
        };
        self.core.metrics.count(Action::List, refusal, listing.started.elapsed());
        match (listing.frame, refusal) {
            (Some(id), None) => write_answer(out, id, answer::OK, tag::JSON, &[&listing.text]),
            (Some(id), Some(refusal)) => write_refusal(out, id, refusal),
            (None, Some(_)) if !was_silent => {
                out.truncate(before);
                return ListStep::Broken;
            }
            (None, Some(refusal)) => super::lines::write_error(out, refusal),
            (None, None) => {}
        }
        ListStep::Over
    }

    pub(super) fn log_request(&self, action: Action) {
        self.core.log(Level::Debug, "Processing request", || {
            let number = self.core.next_request();
            let name = super::metrics::ACTIONS[action as usize];
            serde_json::json!({ "action": name, "correlationId": format!("{}-{number}", Core::epoch()) })
        });
    }

    fn line_frame(&mut self, id: u32, body: &[u8], out: &mut Vec<u8>) {
        let mut text = Vec::new();
        match Request::parse(body) {
            // The protocol is settled; what is of interest are the limits.
            Ok(request) if hello::is_hello(&request) => {
                text.extend_from_slice(hello::answer_again(self.core.config()).as_bytes());
            }
            Ok(request) => self.line(&request, &mut text),
            Err(_) => {
                self.core.count_refusal(Refusal::InvalidJson);
                super::lines::write_error(&mut text, Refusal::InvalidJson);
            }
        }
        if let Some(listing) = &mut self.listing {
            (listing.frame, listing.text) = (Some(id), text);
            return;
        }
        write_answer(out, id, answer::OK, tag::JSON, &[&text]);
    }

    fn dispatch(&mut self, now: f64, header: &Header, body: &[u8], out: &mut Vec<u8>) -> Done {
        let key = body.get(..usize::from(header.key)).ok_or(Refusal::InvalidFrame)?;
        let mut rest = Reader::new(&body[key.len()..]);
        let id = header.id;
        if self.core.is_stopped() {
            return Err(Refusal::Stopped);
        }
        match header.kind {
            kind::GET => self.get(now, id, check_key(key)?, out),
            kind::SET => {
                let ttl = rest.f64().ok_or(Refusal::InvalidFrame)?;
                let value = Value { tag: header.tag, bytes: rest.rest() };
                self.set(now, check_key(key)?, value, given(ttl))?;
                write_answer(out, id, answer::OK, tag::NONE, &[]);
                Ok(())
            }
            kind::DEL => {
                let was_there = self.del(now, check_key(key)?);
                write_flag(out, id, was_there);
                Ok(())
            }
            kind::MGET => self.mget(now, id, rest, out),
            kind::MSET => {
                self.mset(now, rest)?;
                write_answer(out, id, answer::OK, tag::NONE, &[]);
                Ok(())
            }
            kind::INCR => self.incr(now, id, check_key(key)?, rest, out),
            kind::CAS => self.cas(now, header, check_key(key)?, rest, out),
            kind::LEASE => self.lease_frame(now, id, key, rest, out),
            kind::RELEASE => {
                let token = rest.array().ok_or(Refusal::InvalidFrame)?;
                let released = self.release(now, rest.rest(), &token)?;
                write_flag(out, id, released);
                Ok(())
            }
            kind::RENEW => self.renew(now, id, key, rest, out),
            kind::BEGIN => self.begin(now, id, check_key(key)?, out),
            kind::LAND => self.land(now, header, check_key(key)?, rest, out),
            kind::WATCH => self.watch(now, id, key, rest, out),
            kind::CANCEL => self.cancel(now, rest, out),
            kind::PING => {
                write_answer(out, id, answer::OK, tag::NONE, &[]);
                Ok(())
            }
            _ => Err(Refusal::UnknownAction),
        }
    }

    fn get(&self, now: f64, id: u32, key: &[u8], out: &mut Vec<u8>) -> Done {
        let refresh = self.core.config().refresh_ttl_on_get;
        self.core.with(now, |state| {
            let item = state.store.get(now, key)?;
            if refresh {
                Store::refresh(item, now);
            }
            write_answer(out, id, answer::OK, item.tag, &[item.value()]);
            Ok(())
        })
    }

    /// Stores a value.
    pub(super) fn set(&self, now: f64, key: &[u8], value: Value<'_>, ttl: Option<f64>) -> Done {
        let ttl = self.core.value_ttl(ttl)?;
        self.core.check(value)?;
        self.core.with(now, |state| self.store(state, now, key, value, ttl))?;
        self.log_set(key, ttl, value);
        Ok(())
    }

    /// Stores a key without a value: what an original client sends for `undefined`.
    pub(super) fn set_nothing(&self, now: f64, key: &[u8], ttl: Option<f64>) -> Done {
        let ttl = self.core.value_ttl(ttl)?;
        let value = Value { tag: tag::NONE, bytes: &[] };
        self.core.with(now, |state| self.store(state, now, key, value, ttl))
    }

    fn store(&self, state: &mut State, now: f64, key: &[u8], value: Value<'_>, ttl: f64) -> Done {
        state.store.set(now, key, value, ttl, self.core.most_items())?;
        state.changed(Change::Set, key, ttl, value.tag, value.bytes);
        Ok(())
    }

    fn log_set(&self, key: &[u8], ttl: f64, value: Value<'_>) {
        self.core.log(Level::Debug, "Key set", || {
            let compressed = matches!(value.tag, tag::GZIP | tag::BASE64);
            serde_json::json!({ "key": String::from_utf8_lossy(key), "ttl": ttl, "compressed": compressed })
        });
    }

    /// Deletes a value; whether there was one.
    pub(super) fn del(&self, now: f64, key: &[u8]) -> bool {
        self.core.with(now, |state| {
            let was_there = state.store.delete(now, key);
            if was_there {
                state.changed(Change::Deleted, key, f64::NAN, tag::NONE, &[]);
            }
            was_there
        })
    }

    fn mget(&self, now: f64, id: u32, mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let count = rest.u32().ok_or(Refusal::InvalidFrame)?;
        let refresh = self.core.config().refresh_ttl_on_get;
        let mut values = count.to_le_bytes().to_vec();
        self.core.with(now, |state| {
            for _ in 0..count {
                let length = rest.u32().ok_or(Refusal::InvalidFrame)?;
                let key = check_key(rest.bytes(length as usize).ok_or(Refusal::InvalidFrame)?)?;
                let Ok(item) = state.store.get(now, key) else {
                    values.extend_from_slice(&[tag::NONE, 0, 0, 0, 0]);
                    continue;
                };
                if refresh {
                    Store::refresh(item, now);
                }
                try_reserve(&mut values, 5 + item.value().len())?;
                values.push(item.tag);
                values.extend_from_slice(&(item.value().len() as u32).to_le_bytes());
                values.extend_from_slice(item.value());
                if values.len() > MOST_ANSWER {
                    return Err(Refusal::TooLarge);
                }
            }
            Ok(())
        })?;
        write_answer(out, id, answer::OK, tag::BYTES, &[&values]);
        Ok(())
    }

    fn mset(&self, now: f64, mut rest: Reader<'_>) -> Done {
        let mut entries = Vec::new();
        let (ttl, count) = rest.f64().zip(rest.u32()).ok_or(Refusal::InvalidFrame)?;
        let ttl = self.core.value_ttl(given(ttl))?;
        for _ in 0..count {
            let entry = read_entry(&mut rest).ok_or(Refusal::InvalidFrame)?;
            check_key(entry.0)?;
            self.core.check(entry.1)?;
            entries.push(entry);
        }
        self.core.with(now, |state| {
            let store = &mut state.store;
            let fresh: HashSet<&[u8]> =
                entries.iter().map(|(key, _)| *key).filter(|key| store.peek(now, key).is_none()).collect();
            store.make_room(now, fresh.len() as u64, self.core.most_items())?;
            entries.iter().try_for_each(|(key, value)| self.store(state, now, key, *value, ttl))
        })?;
        for (key, value) in entries {
            self.log_set(key, ttl, value);
        }
        Ok(())
    }

    fn incr(&self, now: f64, id: u32, key: &[u8], mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let (ttl, by) = rest.f64().zip(rest.f64()).ok_or(Refusal::InvalidFrame)?;
        let ttl = given(ttl);
        let mut buffer = ryu_js::Buffer::new();
        let text = self.core.with(now, |state| {
            let known = state
                .store
                .peek(now, key)
                .map(|item| (number_of(item.tag, item.value()), item.expires, item.ttl));
            let (before, kept) = match known {
                Some((number, expires, ttl)) => (number.ok_or(Refusal::NotANumber)?, Some((expires, ttl))),
                None => (0.0, None),
            };
            let after = before + by;
            if !after.is_finite() {
                return Err(Refusal::NotANumber);
            }
            let text = buffer.format(if after == 0.0 { 0.0 } else { after });
            let value = Value { tag: tag::JSON, bytes: text.as_bytes() };
            match (ttl, kept) {
                (None, Some((expires, given))) => {
                    self.store(state, now, key, value, expires - now)?;
                    if let Ok(item) = state.store.get(now, key) {
                        item.ttl = given;
                    }
                }
                (ttl, _) => self.store(state, now, key, value, self.core.value_ttl(ttl)?)?,
            }
            Ok(text)
        })?;
        write_answer(out, id, answer::OK, tag::JSON, &[text.as_bytes()]);
        Ok(())
    }

    fn cas(&self, now: f64, header: &Header, key: &[u8], mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let ttl = rest.f64().ok_or(Refusal::InvalidFrame)?;
        let (expected_tag, length) = rest.u8().zip(rest.u32()).ok_or(Refusal::InvalidFrame)?;
        let expected = rest.bytes(length as usize).ok_or(Refusal::InvalidFrame)?;
        let expected = Value { tag: expected_tag, bytes: expected };
        let value = Value { tag: header.tag, bytes: rest.rest() };
        let ttl = self.core.value_ttl(given(ttl))?;
        self.core.check(value)?;
        let is_stored = self.core.with(now, |state| {
            let is_expected = match state.store.peek(now, key) {
                None => expected.tag == tag::NONE,
                Some(item) => expected == Value { tag: item.tag, bytes: item.value() },
            };
            if is_expected { self.store(state, now, key, value, ttl).map(|()| true) } else { Ok(false) }
        })?;
        write_flag(out, header.id, is_stored);
        Ok(())
    }

    fn lease_frame(&self, now: f64, id: u32, pool: &[u8], mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let (ttl, wait) = rest.f64().zip(rest.f64()).ok_or(Refusal::InvalidFrame)?;
        let (max, flags) = rest.u32().zip(rest.u8()).ok_or(Refusal::InvalidFrame)?;
        let is_owned = flags & 1 != 0;
        let max = if max == 0 { u32::MAX } else { max };
        let wanted = Wanted {
            max,
            token: if is_owned { token() } else { OPEN },
            ..self.wanted(pool, rest.rest(), given(ttl))?
        };
        let ticket = (wait > 0.0).then_some((id, wait));
        let Some(value) = self.lease(now, &wanted, ticket)? else { return Ok(()) };
        write_answer(out, id, answer::OK, tag::BYTES, &[&value.to_le_bytes(), &wanted.token]);
        Ok(())
    }

    /// A request for an open lease without a bound.
    pub(super) fn wanted(&self, pool: &[u8], worker: &[u8], ttl: Option<f64>) -> Result<Wanted, Refusal> {
        if pool.is_empty() || worker.is_empty() {
            return Err(Refusal::KeyAndWorkerRequired);
        }
        if pool.len().max(worker.len()) > LONGEST_KEY {
            return Err(Refusal::TooLarge);
        }
        let ttl = self.core.lease_ttl(ttl)?;
        let session = self.id;
        Ok(Wanted { pool: pool.into(), worker: worker.into(), ttl, max: u32::MAX, token: OPEN, session })
    }

    /// Grants a lease, or waits for one under the number of a request, for so many milliseconds; `None`: it waits.
    pub(super) fn lease(
        &self,
        now: f64,
        wanted: &Wanted,
        ticket: Option<(u32, f64)>,
    ) -> Result<Option<u32>, Refusal> {
        let value = self.core.with(now, |state| {
            match (state.leases.lease(now, wanted, self.core.most_leases()), ticket) {
                (Err(Refusal::PoolExhausted), Some((request, wait))) => {
                    self.await_lease(state, now, Waiter { wanted: wanted.clone(), request }, wait)?;
                    Ok::<_, Refusal>(None)
                }
                (outcome, _) => {
                    let value = outcome?;
                    if wanted.token != OPEN
                        && let Some(session) = state.sessions.get_mut(&self.id)
                    {
                        session.owned.insert(Arc::clone(&wanted.worker));
                    }
                    Ok(Some(value))
                }
            }
        })?;
        if let Some(value) = value {
            self.core.log(Level::Debug, "Lease granted", || {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                serde_json::json!({ "key": text(&wanted.pool), "value": value, "workerId": text(&wanted.worker), "ttl": wanted.ttl })
            });
        }
        Ok(value)
    }

    fn await_lease(&self, state: &mut State, now: f64, waiter: Waiter, wait: f64) -> Done {
        let request = waiter.request;
        self.room_for(state, request)?;
        let pool = Arc::clone(&waiter.wanted.pool);
        let turn = state.leases.wait(waiter);
        self.await_answer(state, request, Pending::Lease { pool, turn });
        state.waiting += 1;
        if wait.is_finite() {
            state.limit_wait(now + wait, self.asker(request), turn);
        }
        Ok(())
    }

    /// Lets a lease go; whether there was one.
    pub(super) fn release(&self, now: f64, worker: &[u8], token: &Token) -> Result<bool, Refusal> {
        if worker.is_empty() {
            return Err(Refusal::WorkerRequired);
        }
        let released = self.core.with(now, |state| {
            let released = state.leases.release(now, worker, token)?;
            if *token != OPEN
                && let Some(session) = state.sessions.get_mut(&self.id)
            {
                session.owned.remove(worker);
            }
            Ok::<_, Refusal>(released)
        })?;
        self.core.log(
            Level::Debug,
            "Lease released",
            || serde_json::json!({ "workerId": String::from_utf8_lossy(worker) }),
        );
        Ok(released)
    }

    fn renew(&self, now: f64, id: u32, pool: &[u8], mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let ttl = rest.f64().ok_or(Refusal::InvalidFrame)?;
        let token = rest.array().ok_or(Refusal::InvalidFrame)?;
        let ttl = self.core.lease_ttl(given(ttl))?;
        let pool = (!pool.is_empty()).then_some(pool);
        let worker = rest.rest();
        if worker.is_empty() {
            return Err(Refusal::WorkerRequired);
        }
        self.core.with(now, |state| state.leases.renew(now, worker, pool, &token, ttl))?;
        write_answer(out, id, answer::OK, tag::NONE, &[]);
        Ok(())
    }

    fn begin(&self, now: f64, id: u32, key: &[u8], out: &mut Vec<u8>) -> Done {
        let refresh = self.core.config().refresh_ttl_on_get;
        self.core.with(now, |state| {
            if let Ok(item) = state.store.get(now, key) {
                if refresh {
                    Store::refresh(item, now);
                }
                write_answer(out, id, answer::OK, item.tag, &[item.value()]);
                return Ok(());
            }
            self.room_for(state, id)?;
            if state.flights.begin(key, self.asker(id)) {
                write_answer(out, id, answer::COMPUTE, tag::NONE, &[]);
            }
            self.await_answer(state, id, Pending::Flight);
            Ok(())
        })
    }

    fn land(&self, now: f64, header: &Header, key: &[u8], mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let (begun, ttl) = rest.u32().zip(rest.f64()).ok_or(Refusal::InvalidFrame)?;
        let is_kept = rest.u8().ok_or(Refusal::InvalidFrame)? & 1 != 0 && header.tag != tag::ERROR;
        let value = Value { tag: header.tag, bytes: rest.rest() };
        let sound = if is_kept {
            self.core.value_ttl(given(ttl)).and_then(|ttl| self.core.check(value).map(|()| ttl))
        } else {
            Ok(0.0)
        };
        self.core.with(now, |state| {
            let owner = self.asker(begun);
            let Some(landed) = state.flights.land(key, &owner) else { return Err(Refusal::NotOwner) };
            if let Some(session) = state.sessions.get_mut(&self.id) {
                session.pending.remove(&begun);
            }
            let stored = match sound {
                Ok(ttl) if is_kept && landed.is_current => self.store(state, now, key, value, ttl),
                outcome => outcome.map(|_| ()),
            };
            let (kind, tag, body) = match stored {
                Err(refusal) => (answer::ERROR, tag::TEXT, refusal.word().as_bytes()),
                Ok(()) if value.tag == tag::ERROR => (answer::ERROR, value.tag, value.bytes),
                Ok(()) => (answer::OK, value.tag, value.bytes),
            };
            match try_shared(&[body]) {
                Ok(body) => state.answer_all(landed.waiters, kind, tag, &body),
                Err(_) => {
                    landed.waiters.into_iter().for_each(|waiter| state.refuse(waiter, Refusal::OutOfMemory))
                }
            }
            stored
        })?;
        write_answer(out, header.id, answer::OK, tag::NONE, &[]);
        Ok(())
    }

    fn watch(&self, now: f64, id: u32, prefix: &[u8], mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let most = rest.u32().ok_or(Refusal::InvalidFrame)?;
        self.core.with(now, |state| {
            self.room_for(state, id)?;
            let asker = self.asker(id);
            let Some(session) = state.sessions.get(&self.id) else { return Err(Refusal::Stopped) };
            let watches =
                session.pending.values().filter(|pending| matches!(pending, Pending::Watch)).count();
            if watches >= MOST_WATCHES {
                return Err(Refusal::TooManyPending);
            }
            let most = most.clamp(1, MOST_PENDING as u32);
            state.watches.push(Watch::new(asker, prefix, most, session.on_the_way.clone()));
            state.store.tells_expired = true;
            self.await_answer(state, id, Pending::Watch);
            Ok(())
        })?;
        write_answer(out, id, answer::OK, tag::NONE, &[]);
        Ok(())
    }

    /// Takes a request back. Its own answer says so; this one has none.
    fn cancel(&self, now: f64, mut rest: Reader<'_>, out: &mut Vec<u8>) -> Done {
        let Some(request) = rest.u32() else { return Ok(()) };
        self.core.with(now, |state| {
            let is_owner =
                match state.sessions.get(&self.id).and_then(|session| session.pending.get(&request)) {
                    Some(Pending::Flight) => state.flights.is_owner(&self.asker(request)),
                    _ => false,
                };
            match state.take_back(now, self.asker(request)) {
                Some(Pending::Watch) => {
                    let word = Refusal::Cancelled.word().as_bytes();
                    write_answer(out, request, answer::END, tag::TEXT, &[word]);
                }
                Some(_) if !is_owner => write_refusal(out, request, Refusal::Cancelled),
                _ => {}
            }
        });
        Ok(())
    }

    fn asker(&self, request: u32) -> Asker {
        Asker { session: self.id, request }
    }

    /// Whether one more answer may be waited for under this number.
    fn room_for(&self, state: &State, request: u32) -> Done {
        let Some(session) = state.sessions.get(&self.id) else { return Err(Refusal::Stopped) };
        if session.pending.len() >= MOST_PENDING {
            return Err(Refusal::TooManyPending);
        }
        if session.pending.contains_key(&request) { Err(Refusal::InvalidFrame) } else { Ok(()) }
    }

    fn await_answer(&self, state: &mut State, request: u32, pending: Pending) {
        if let Some(session) = state.sessions.get_mut(&self.id) {
            session.pending.insert(request, pending);
        }
    }
}

fn action_of(kind: u8) -> Action {
    match kind {
        kind::GET => Action::Get,
        kind::SET => Action::Set,
        kind::DEL => Action::Del,
        kind::MGET => Action::Mget,
        kind::MSET => Action::Mset,
        kind::INCR => Action::Incr,
        kind::CAS => Action::Cas,
        kind::LEASE => Action::Lease,
        kind::RELEASE => Action::Release,
        kind::RENEW => Action::Renew,
        kind::BEGIN => Action::GetOrSet,
        kind::LAND => Action::Land,
        kind::WATCH => Action::Watch,
        kind::CANCEL => Action::Cancel,
        kind::PING => Action::Ping,
        _ => Action::Unknown,
    }
}

/// A number of the wire that may not have been given.
fn given(number: f64) -> Option<f64> {
    (!number.is_nan()).then_some(number)
}

fn token() -> Token {
    let mut token = OPEN;
    token.copy_from_slice(&nonce()[..OPEN.len()]);
    token
}

/// The number that a stored value is.
fn number_of(value_tag: u8, value: &[u8]) -> Option<f64> {
    if value_tag != tag::JSON {
        return None;
    }
    super::json_text::number(value)
}

/// One entry of an MSET.
fn read_entry<'a>(rest: &mut Reader<'a>) -> Option<(&'a [u8], Value<'a>)> {
    let key = rest.u16()?;
    let tag = rest.u8()?;
    let value = rest.u32()?;
    let key = rest.bytes(usize::from(key))?;
    Some((key, Value { tag, bytes: rest.bytes(value as usize)? }))
}
