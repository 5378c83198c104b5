//! A broker's state, and what all ways to it share.
//!
//! One lock guards the state: each request holds it for a lookup or two. Whatever takes longer (checking a value, listing, sweeping)
//! happens outside of it or in portions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::sync::Notify;

use super::asker::Asker;
use super::auth::Secret;
use super::deadlines::Deadlines;
use super::leases::{Leases, Waiter};
use super::metrics::Metrics;
use super::owner::{Level, Owner};
use super::refusal::Refusal;
use super::session::Mailbox;
use super::store::Store;
use super::watches::{Change, OnTheWay, Watch};
use super::wire::{HEADER, Header, answer, tag};
use crate::error::Error;
use crate::flights::Flights;
use crate::reserve::try_shared;

/// Longest time to live, in milliseconds: 34 years. Beyond, times would be too coarse to tell two of them apart.
const LONGEST_TTL: f64 = (1u64 << 40) as f64;

/// What a broker is made with. Times are in milliseconds where they are numbers; 0 items or leases: no bound.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are those of the options in `ts/broker/broker-options.ts`")]
pub struct Config {
    pub pipe: String,
    pub secret: Option<Secret>,
    pub max_request_size: usize,
    pub max_value_size: usize,
    pub max_items: u64,
    pub max_leases: usize,
    pub max_connections: u32,
    pub require_ttl: bool,
    pub default_ttl: f64,
    pub refresh_ttl_on_get: bool,
    pub request_timeout: Duration,
    pub sweeper_interval: Duration,
    pub idle_timeout: Option<Duration>,
    pub heartbeat_interval: Option<Duration>,
    pub metrics: bool,
    /// How long the server looks for more before it sleeps.
    pub spin: Duration,
}

/// What a session waits for, by the number of its request.
#[derive(Debug)]
pub(super) enum Pending {
    /// A lease, in the line of a pool.
    Lease { pool: Arc<[u8]>, turn: u64 },
    /// The outcome of a computation, its own or another's.
    Flight,
    /// Changes.
    Watch,
}

pub(super) struct SessionState {
    pub mailbox: Arc<dyn Mailbox>,
    pub pending: HashMap<u32, Pending>,
    /// Workers whose owned leases end with the session.
    pub owned: HashSet<Arc<[u8]>>,
    pub on_the_way: OnTheWay,
}

impl SessionState {
    /// Hands over a late answer. A client that takes in none of them is given up. `is_shared`: its body is counted already.
    fn deliver(&self, request: u32, kind: u8, tag: u8, body: &Arc<[u8]>, is_shared: bool) {
        let head = Header { length: body.len() as u32, id: request, kind, tag, key: 0 };
        let (credit, fits) = self.on_the_way.credit(HEADER + if is_shared { 0 } else { body.len() });
        if fits || !self.mailbox.hang_up() {
            self.mailbox.deliver(head.bytes(), Arc::clone(body), Some(credit));
        }
    }
}

/// What the lock guards.
#[derive(Default)]
pub(super) struct State {
    pub store: Store,
    pub leases: Leases,
    pub flights: Flights<Asker>,
    pub watches: Vec<Watch>,
    pub sessions: HashMap<u64, SessionState>,
    /// Until when those wait who wait for a lease, with their turn in its line.
    pub waits: Deadlines<(Asker, u64)>,
    pub waiting: usize,
    pub last_session: u64,
    /// When the keeper will look next, as far as it knows.
    pub keeper_wakes: f64,
}

/// A broker.
pub struct Core {
    config: Config,
    state: Mutex<State>,
    pub(super) metrics: Metrics,
    pub(super) owner: Owner,
    pub(super) started: Instant,
    /// The same in milliseconds since 1970.
    started_at: f64,
    in_flight: AtomicU32,
    draining: AtomicBool,
    stopped: AtomicBool,
    /// Bits of the time of the last request.
    last_activity: AtomicU64,
    pub(super) requests: AtomicU64,
    /// Wakes the keeper: something is due earlier than it knows.
    pub(super) nudge: Notify,
    /// Wakes those who wait for the end of the last request.
    pub(super) idle: Notify,
    pub(super) near_capacity: AtomicBool,
}

impl Core {
    /// A broker without a socket.
    pub fn new(config: Config, owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            metrics: Metrics::new(config.metrics),
            config,
            state: Mutex::new(State { keeper_wakes: f64::INFINITY, ..State::default() }),
            owner,
            started: Instant::now(),
            started_at: Self::epoch(),
            in_flight: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            last_activity: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            nudge: Notify::new(),
            idle: Notify::new(),
            near_capacity: AtomicBool::new(false),
        })
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The broker's time: milliseconds since it was made.
    pub fn now(&self) -> f64 {
        self.at(Instant::now())
    }

    /// The broker's time at an instant.
    pub fn at(&self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.started).as_secs_f64() * 1000.0
    }

    /// The broker's time as milliseconds since 1970; the same for the same time, however the system's clock is set meanwhile.
    pub fn epoch_at(&self, time: f64) -> f64 {
        (self.started_at + time).floor()
    }

    /// Milliseconds since 1970.
    pub fn epoch() -> f64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| (since.as_secs_f64() * 1000.0).floor())
    }

    /// Whether new clients are turned away.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Turns new clients away from now on; `false`: it did before.
    pub fn start_draining(&self) -> bool {
        !self.draining.swap(true, Ordering::AcqRel)
    }

    /// Whether it has been stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Number of requests that are being handled or whose answers are being written.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Requests are being handled until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(self))
    }

    /// Somebody asks for something.
    pub fn touch(&self, now: f64) {
        self.last_activity.store(now.to_bits(), Ordering::Relaxed);
    }

    /// When somebody asked last.
    pub fn last_activity(&self) -> f64 {
        f64::from_bits(self.last_activity.load(Ordering::Relaxed))
    }

    /// Logs a line; `fields` is a JSON object.
    pub fn log(&self, level: Level, message: &str, fields: impl FnOnce() -> Value) {
        if self.owner.wants(level) {
            self.owner.log(level, message, fields());
        }
    }

    /// A request was refused before it was known what it wants: bad JSON, a wrong signature.
    pub fn count_refusal(&self, refusal: Refusal) {
        self.metrics.count_refusal(refusal);
    }

    /// The time to live that counts, in milliseconds, for a value.
    pub fn value_ttl(&self, given: Option<f64>) -> Result<f64, Refusal> {
        let Config { require_ttl, default_ttl, .. } = self.config;
        match given {
            Some(ttl) if !ttl.is_finite() || ttl < 0.0 => Err(Refusal::InvalidTtl),
            Some(0.0) if require_ttl => Err(Refusal::InvalidTtl),
            None if require_ttl => Err(Refusal::TtlRequired),
            None | Some(0.0) => Ok(default_ttl),
            Some(ttl) => Ok(ttl.min(LONGEST_TTL)),
        }
    }

    /// The time that counts, in milliseconds, for a lease.
    pub fn lease_ttl(&self, given: Option<f64>) -> Result<f64, Refusal> {
        match given {
            Some(ttl) if !ttl.is_finite() || ttl < 0.0 => Err(Refusal::InvalidTtl),
            None | Some(0.0) => Ok(self.config.default_ttl),
            Some(ttl) => Ok(ttl.min(LONGEST_TTL)),
        }
    }

    /// Number of items that are allowed.
    pub fn most_items(&self) -> u64 {
        if self.config.max_items == 0 { u64::MAX } else { self.config.max_items }
    }

    /// Number of leases that are allowed.
    pub fn most_leases(&self) -> usize {
        if self.config.max_leases == 0 { usize::MAX } else { self.config.max_leases }
    }

    /// Runs `f` on the state; then those are told whom it concerns.
    pub(super) fn with<T>(&self, now: f64, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = f(&mut state);
        if state.settle(now) {
            self.nudge.notify_one();
        }
        result
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Forgets all; those who wait are told. Nothing is accepted from now on.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let word: Arc<[u8]> = Refusal::Stopped.word().as_bytes().into();
        let mut state = self.lock();
        for (&session, SessionState { mailbox, pending, .. }) in &state.sessions {
            for (&request, waits) in pending {
                let kind = match waits {
                    Pending::Watch => answer::END,
                    Pending::Flight if state.flights.is_owner(&Asker { session, request }) => {
                        continue;
                    }
                    Pending::Flight | Pending::Lease { .. } => answer::ERROR,
                };
                let head = Header { length: word.len() as u32, id: request, kind, tag: tag::TEXT, key: 0 };
                mailbox.deliver(head.bytes(), Arc::clone(&word), None);
            }
            mailbox.gone();
        }
        let last_session = state.last_session;
        *state = State { last_session, keeper_wakes: f64::INFINITY, ..State::default() };
        drop(state);
        self.nudge.notify_one();
    }
}

/// Requests that are being handled.
pub struct InFlight(Arc<Core>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl State {
    /// Tells those whom the last change concerns. Returns whether something is due before the keeper looks.
    fn settle(&mut self, now: f64) -> bool {
        // Telling one who is gone serves the next.
        while !self.leases.served.is_empty() {
            for (waiter, outcome) in std::mem::take(&mut self.leases.served) {
                self.tell_lease(now, &waiter, outcome);
            }
        }
        for (session, worker) in std::mem::take(&mut self.leases.ended) {
            // It may have another one by now.
            if !self.leases.is_owned(session, &worker)
                && let Some(session) = self.sessions.get_mut(&session)
            {
                session.owned.remove(&worker);
            }
        }
        self.tell_expired();
        let next = self.next_deadline();
        let is_earlier = next < self.keeper_wakes;
        if is_earlier {
            self.keeper_wakes = next.max(now);
        }
        is_earlier
    }

    /// When somebody has to be told something.
    pub fn next_deadline(&self) -> f64 {
        let mut next = f64::INFINITY;
        if self.leases.has_waiters() {
            next = next.min(self.leases.next_deadline().unwrap_or(next));
            next = next.min(self.waits.next().unwrap_or(next));
        }
        if !self.watches.is_empty() {
            next = next.min(self.store.next_deadline().unwrap_or(next));
        }
        next
    }

    /// Answers a request that waited; it waits no more.
    pub fn answer(&mut self, asker: Asker, kind: u8, tag: u8, body: &[u8]) {
        self.answer_all([asker], kind, tag, &body.into());
    }

    /// Answers requests that waited for the same.
    pub fn answer_all(
        &mut self,
        askers: impl IntoIterator<Item = Asker>,
        kind: u8,
        tag: u8,
        body: &Arc<[u8]>,
    ) {
        let mut told = HashSet::new();
        for Asker { session: id, request } in askers {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.pending.remove(&request);
                session.deliver(request, kind, tag, body, !told.insert(id));
            }
        }
    }

    /// Answers a request that waited with a refusal.
    pub fn refuse(&mut self, asker: Asker, refusal: Refusal) {
        self.answer(asker, answer::ERROR, tag::TEXT, refusal.word().as_bytes());
    }

    fn tell_lease(&mut self, now: f64, waiter: &Waiter, outcome: Result<u32, Refusal>) {
        let Waiter { wanted, request } = waiter;
        let asker = Asker { session: wanted.session, request: *request };
        self.waiting -= 1;
        match outcome {
            Err(refusal) => self.refuse(asker, refusal),
            Ok(value) => {
                let Some(session) = self.sessions.get_mut(&asker.session) else {
                    self.leases.take_back(now, wanted);
                    return;
                };
                if wanted.token != super::leases::OPEN {
                    session.owned.insert(Arc::clone(&wanted.worker));
                }
                let body = [&value.to_le_bytes()[..], &wanted.token].concat();
                self.answer(asker, answer::OK, tag::BYTES, &body);
            }
        }
    }

    /// Somebody else computes from now on.
    pub fn pass_on(&mut self, next: Asker) {
        if let Some(session) = self.sessions.get(&next.session) {
            session.deliver(next.request, answer::COMPUTE, tag::NONE, &Arc::from([]), false);
        }
    }

    /// Those who watch are told what was found to be expired.
    fn tell_expired(&mut self) {
        for key in std::mem::take(&mut self.store.gone) {
            self.tell_change(Change::Expired, &key, f64::NAN, tag::NONE, &[]);
        }
    }

    /// A key has changed: computations of it are overtaken, and those who watch are told.
    pub fn changed(&mut self, change: Change, key: &[u8], ttl: f64, value_tag: u8, value: &[u8]) {
        // What was in its place has expired before.
        self.tell_expired();
        self.flights.overtake(key);
        self.tell_change(change, key, ttl, value_tag, value);
    }

    /// Tells those who watch.
    fn tell_change(&mut self, change: Change, key: &[u8], ttl: f64, value_tag: u8, value: &[u8]) {
        // A key of the other protocol that is no text cannot be told in this one.
        if self.watches.is_empty() || std::str::from_utf8(key).is_err() {
            return;
        }
        let Self { watches, sessions, store, .. } = self;
        let mut event: Option<Result<Arc<[u8]>, Error>> = None;
        let mut told = HashSet::new();
        watches.retain(|watch| {
            if !watch.sees(key) {
                return true;
            }
            let Asker { session: id, request } = watch.asker;
            let Some(session) = sessions.get_mut(&id) else { return false };
            let parts = [key, &[change as u8], &ttl.to_le_bytes(), value];
            let sent = match event.get_or_insert_with(|| try_shared(&parts)) {
                Err(_) => Err(Refusal::OutOfMemory),
                Ok(body) => {
                    // One who watches twice holds the body once.
                    let counted = HEADER + if told.insert(id) { body.len() } else { 0 };
                    watch.credit(counted).map(|credit| (body, credit)).ok_or(Refusal::WatchOverflow)
                }
            };
            let (body, credit) = match sent {
                Ok(sent) => sent,
                Err(refusal) => {
                    session.pending.remove(&request);
                    session.deliver(request, answer::END, tag::TEXT, &refusal.word().as_bytes().into(), true);
                    return false;
                }
            };
            let head = Header {
                length: body.len() as u32,
                id: request,
                kind: answer::EVENT,
                tag: value_tag,
                key: key.len() as u16,
            };
            session.mailbox.deliver(head.bytes(), Arc::clone(body), Some(credit));
            true
        });
        store.tells_expired = !watches.is_empty();
    }

    /// Takes back what a session waits for. `None`: it does not wait for that, or its turn has just come.
    pub fn take_back(&mut self, now: f64, asker: Asker) -> Option<Pending> {
        let session = self.sessions.get_mut(&asker.session)?;
        if let Some(Pending::Lease { pool, turn }) = session.pending.get(&asker.request) {
            self.leases.leave(now, pool, *turn)?;
            self.waiting -= 1;
        }
        let pending = session.pending.remove(&asker.request)?;
        match &pending {
            Pending::Lease { .. } => {}
            Pending::Flight => {
                if let Some(next) = self.flights.leave(&asker) {
                    self.pass_on(next);
                }
            }
            Pending::Watch => {
                self.watches.retain(|watch| watch.asker != asker);
                self.store.tells_expired = !self.watches.is_empty();
            }
        }
        Some(pending)
    }

    /// A session is gone.
    pub fn forget(&mut self, now: f64, id: u64) {
        let Some(session) = self.sessions.get(&id) else { return };
        let is_watch = |pending: &Pending| matches!(pending, Pending::Watch);
        let mut requests: Vec<u32> = session
            .pending
            .iter()
            .filter(|(_, pending)| !is_watch(pending))
            .map(|(request, _)| *request)
            .collect();
        if requests.len() < session.pending.len() {
            // All at once: one after another would be a search for each.
            self.watches.retain(|watch| watch.asker.session != id);
            self.store.tells_expired = !self.watches.is_empty();
        }
        // The last first: what it computes is not passed on to another request of its own.
        requests.sort_unstable_by_key(|request| std::cmp::Reverse(*request));
        for request in requests {
            self.take_back(now, Asker { session: id, request });
        }
        let Some(session) = self.sessions.remove(&id) else { return };
        for worker in session.owned {
            self.leases.abandon(now, &worker, id);
        }
    }

    /// Those who waited too long are told so.
    pub fn end_waits(&mut self, now: f64) {
        while let Some((_, (asker, turn))) = self.waits.pop_due(now) {
            if self.waits_for(asker, turn) && self.take_back(now, asker).is_some() {
                self.refuse(asker, Refusal::LeaseTimeout);
            }
        }
    }

    /// Whether a request waits for a lease in this turn.
    fn waits_for(&self, asker: Asker, turn: u64) -> bool {
        let session = self.sessions.get(&asker.session);
        let pending = session.and_then(|session| session.pending.get(&asker.request));
        matches!(pending, Some(Pending::Lease { turn: its, .. }) if *its == turn)
    }

    /// A request that waits for a lease waits until `time` at most.
    pub fn limit_wait(&mut self, time: f64, asker: Asker, turn: u64) {
        let mut waits = std::mem::take(&mut self.waits);
        waits.push(time, (asker, turn), self.waiting, |_, &(asker, turn)| self.waits_for(asker, turn));
        self.waits = waits;
    }
}
