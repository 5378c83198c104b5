//! Leases: values of pools, each held by one worker at a time.
//!
//! The value that a worker gets is the smallest that nobody holds, as the original gives them. A worker holds one lease over all pools; asking
//! again for the same pool renews it. Where a pool is bounded, those who wait are served in the order in which they came.
//!
//! All is O(log n): free values and deadlines are heaps, workers and pools are tables.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use super::deadlines::Deadlines;
use super::refusal::Refusal;

/// What proves that a lease is one's own.
pub type Token = [u8; 16];

/// The token of a lease that is nobody's own.
pub const OPEN: Token = [0; 16];

/// A request for a lease.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name of the pool.
    pub pool: Arc<[u8]>,
    /// Who wants it.
    pub worker: Arc<[u8]>,
    /// Milliseconds that it is held.
    pub ttl: f64,
    /// Values are below this.
    pub max: u32,
    /// [`OPEN`], or what will be needed to renew and release it.
    pub token: Token,
    /// The session that asks.
    pub session: u64,
}

#[derive(Debug)]
struct Lease {
    pool: Arc<[u8]>,
    value: u32,
    expires: f64,
    /// The time by which it stands in the heap, at or before `expires`.
    queued: f64,
    token: Token,
    session: u64,
}

/// Somebody who waits for a value.
#[derive(Debug)]
pub struct Waiter {
    /// What it wants.
    pub wanted: Wanted,
    /// The number of its request.
    pub request: u32,
}

/// What has become of somebody who waited.
pub type Served = (Waiter, Result<u32, Refusal>);

#[derive(Debug, Default)]
struct Pool {
    /// Values below `next` that nobody holds.
    free: BinaryHeap<Reverse<u32>>,
    next: u32,
    held: u32,
    /// By the order in which they came.
    waiters: BTreeMap<u64, Waiter>,
}

impl Pool {
    fn smallest_free(&self) -> u32 {
        self.free.peek().map_or(self.next, |Reverse(value)| *value)
    }

    fn take(&mut self) -> u32 {
        self.held += 1;
        if let Some(Reverse(value)) = self.free.pop() {
            return value;
        }
        self.next += 1;
        self.next - 1
    }

    fn give_back(&mut self, value: u32) {
        self.held -= 1;
        self.free.push(Reverse(value));
    }
}

/// All pools.
#[derive(Debug, Default)]
pub(super) struct Leases {
    pools: HashMap<Arc<[u8]>, Pool>,
    by_worker: HashMap<Arc<[u8]>, Lease>,
    deadlines: Deadlines<Arc<[u8]>>,
    last_turn: u64,
    waiting: usize,
    expired: u64,
    /// Those who waited and whose turn has come; whoever changes something tells them.
    pub served: Vec<Served>,
    /// Sessions and workers of owned leases that have ended, for whoever keeps count.
    pub ended: Vec<(u64, Arc<[u8]>)>,
}

impl Leases {
    /// Number of leases. Exact after [`advance`](Self::advance).
    pub fn len(&self) -> usize {
        self.by_worker.len()
    }

    /// Number of leases that have ended by their time.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Whether somebody waits.
    pub fn has_waiters(&self) -> bool {
        self.waiting > 0
    }

    /// When the next lease may be due.
    pub fn next_deadline(&self) -> Option<f64> {
        self.deadlines.next()
    }

    /// Grants or renews a lease, at once or not at all. `most`: number of leases that are allowed.
    ///
    /// Refused: [`WorkerAlreadyHasLease`](Refusal::WorkerAlreadyHasLease), [`MaxLeases`](Refusal::MaxLeases), and
    /// [`PoolExhausted`](Refusal::PoolExhausted): nothing is free, or others wait for it.
    pub fn lease(&mut self, now: f64, wanted: &Wanted, most: usize) -> Result<u32, Refusal> {
        self.advance(now, usize::MAX);
        if let Some(lease) = self.by_worker.get_mut(&wanted.worker) {
            if lease.pool != wanted.pool || lease.token != wanted.token {
                return Err(Refusal::WorkerAlreadyHasLease);
            }
            let value = lease.value;
            self.extend(&wanted.worker, now + wanted.ttl);
            return Ok(value);
        }
        if self.by_worker.len() >= most {
            return Err(Refusal::MaxLeases);
        }
        let pool = self.pools.entry(Arc::clone(&wanted.pool)).or_default();
        let is_bounded = wanted.max != u32::MAX;
        if pool.smallest_free() >= wanted.max || (is_bounded && !pool.waiters.is_empty()) {
            return Err(Refusal::PoolExhausted);
        }
        let value = pool.take();
        self.hold(now, wanted, value);
        Ok(value)
    }

    /// Waits in line after [`lease`](Self::lease) said [`PoolExhausted`](Refusal::PoolExhausted). Returns the place in the line, for [`leave`](Self::leave).
    pub fn wait(&mut self, waiter: Waiter) -> u64 {
        self.last_turn += 1;
        self.waiting += 1;
        let pool = self.pools.entry(Arc::clone(&waiter.wanted.pool)).or_default();
        pool.waiters.insert(self.last_turn, waiter);
        self.last_turn
    }

    /// Leaves the line; `None`: its turn had come before.
    pub fn leave(&mut self, now: f64, pool: &Arc<[u8]>, turn: u64) -> Option<Waiter> {
        let waiter = self.pools.get_mut(pool)?.waiters.remove(&turn)?;
        self.waiting -= 1;
        self.serve(now, pool);
        Some(waiter)
    }

    /// Lets a lease go; whether there was one.
    ///
    /// Refused: [`NotOwner`](Refusal::NotOwner).
    pub fn release(&mut self, now: f64, worker: &[u8], token: &Token) -> Result<bool, Refusal> {
        self.advance(now, usize::MAX);
        match self.by_worker.get(worker) {
            None => Ok(false),
            Some(lease) if !is_same(&lease.token, token) => Err(Refusal::NotOwner),
            Some(_) => {
                self.end(now, worker);
                Ok(true)
            }
        }
    }

    /// Holds a lease for `ttl` milliseconds from now.
    ///
    /// Refused: [`NoLease`](Refusal::NoLease): it is over, or of another pool; [`NotOwner`](Refusal::NotOwner).
    pub fn renew(
        &mut self,
        now: f64,
        worker: &[u8],
        pool: Option<&[u8]>,
        token: &Token,
        ttl: f64,
    ) -> Result<(), Refusal> {
        self.advance(now, usize::MAX);
        let (worker, lease) = self.by_worker.get_key_value(worker).ok_or(Refusal::NoLease)?;
        if pool.is_some_and(|pool| *lease.pool != *pool) {
            return Err(Refusal::NoLease);
        }
        if !is_same(&lease.token, token) {
            return Err(Refusal::NotOwner);
        }
        let worker = Arc::clone(worker);
        self.extend(&worker, now + ttl);
        Ok(())
    }

    /// Ends an owned lease of a session that is gone.
    pub fn abandon(&mut self, now: f64, worker: &[u8], session: u64) {
        if self.is_owned(session, worker) {
            self.end(now, worker);
        }
    }

    /// Whether a worker holds a lease that is this session's own.
    pub fn is_owned(&self, session: u64, worker: &[u8]) -> bool {
        self.by_worker.get(worker).is_some_and(|lease| lease.token != OPEN && lease.session == session)
    }

    /// Ends a lease that was granted to somebody who was gone by then.
    pub fn take_back(&mut self, now: f64, wanted: &Wanted) {
        if self.by_worker.get(&wanted.worker).is_some_and(|lease| lease.session == wanted.session) {
            self.end(now, &wanted.worker);
        }
    }

    /// Ends up to `most` leases whose time is over; how many.
    pub fn advance(&mut self, now: f64, most: usize) -> usize {
        let mut ended = 0;
        while ended < most {
            let Some((time, worker)) = self.deadlines.pop_due(now) else { break };
            let Some(lease) = self.by_worker.get_mut(&worker).filter(|lease| lease.queued == time) else {
                continue;
            };
            if lease.expires > now {
                lease.queued = lease.expires;
                self.queue(&worker);
            } else {
                self.end(now, &worker);
                self.expired += 1;
                ended += 1;
            }
        }
        ended
    }

    fn hold(&mut self, now: f64, wanted: &Wanted, value: u32) {
        let expires = now + wanted.ttl;
        let lease = Lease {
            pool: Arc::clone(&wanted.pool),
            value,
            expires,
            queued: expires,
            token: wanted.token,
            session: wanted.session,
        };
        self.by_worker.insert(Arc::clone(&wanted.worker), lease);
        self.queue(&wanted.worker);
    }

    fn extend(&mut self, worker: &Arc<[u8]>, expires: f64) {
        let Some(lease) = self.by_worker.get_mut(worker) else { return };
        lease.expires = expires;
        if expires < lease.queued {
            lease.queued = expires;
            self.queue(worker);
        }
    }

    fn queue(&mut self, worker: &Arc<[u8]>) {
        let by_worker = &self.by_worker;
        let Some(lease) = by_worker.get(worker) else { return };
        let is_true =
            |time: f64, worker: &Arc<[u8]>| by_worker.get(worker).is_some_and(|lease| lease.queued == time);
        self.deadlines.push(lease.queued, Arc::clone(worker), by_worker.len(), is_true);
    }

    fn end(&mut self, now: f64, worker: &[u8]) {
        let Some((worker, lease)) = self.by_worker.remove_entry(worker) else { return };
        if lease.token != OPEN {
            self.ended.push((lease.session, worker));
        }
        if let Some(pool) = self.pools.get_mut(&lease.pool) {
            pool.give_back(lease.value);
        }
        self.serve(now, &lease.pool);
    }

    /// Gives what is free to those who wait, the first first; a pool that nobody needs is forgotten.
    fn serve(&mut self, now: f64, name: &Arc<[u8]>) {
        while let Some(pool) = self.pools.get_mut(name) {
            let Some(first) = pool.waiters.first_entry() else {
                if pool.held == 0 {
                    self.pools.remove(name);
                }
                return;
            };
            let free = pool.free.peek().map_or(pool.next, |Reverse(value)| *value);
            let wanted = &first.get().wanted;
            let outcome = match self.by_worker.get(&wanted.worker) {
                // It asked twice.
                Some(lease) if lease.pool == wanted.pool && lease.token == wanted.token => Ok(lease.value),
                Some(_) => Err(Refusal::WorkerAlreadyHasLease),
                None if free >= wanted.max => return,
                None => Ok(free),
            };
            let waiter = first.remove();
            self.waiting -= 1;
            if outcome.is_ok() && !self.by_worker.contains_key(&waiter.wanted.worker) {
                pool.take();
                self.hold(now, &waiter.wanted, free);
            }
            self.served.push((waiter, outcome));
        }
    }
}

/// Compares without telling by the time that it takes how much is the same.
fn is_same(a: &Token, b: &Token) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pool: &str, worker: &str, max: u32) -> Wanted {
        Wanted {
            pool: pool.as_bytes().into(),
            worker: worker.as_bytes().into(),
            ttl: 100.0,
            max,
            token: OPEN,
            session: 1,
        }
    }

    fn lease(leases: &mut Leases, now: f64, pool: &str, worker: &str, max: u32) -> Result<u32, Refusal> {
        leases.lease(now, &wanted(pool, worker, max), 1000)
    }

    #[test]
    fn the_smallest_free_value_is_given() {
        let mut leases = Leases::default();
        for (worker, value) in [("a", 0), ("b", 1), ("c", 2)] {
            assert_eq!(lease(&mut leases, 0.0, "pool", worker, u32::MAX), Ok(value));
        }
        assert_eq!(leases.release(0.0, b"b", &OPEN), Ok(true));
        assert_eq!(leases.release(0.0, b"b", &OPEN), Ok(false));
        assert_eq!(leases.release(0.0, b"a", &OPEN), Ok(true));
        assert_eq!(lease(&mut leases, 0.0, "pool", "d", u32::MAX), Ok(0));
        assert_eq!(lease(&mut leases, 0.0, "pool", "e", u32::MAX), Ok(1));
        assert_eq!(lease(&mut leases, 0.0, "other", "f", u32::MAX), Ok(0));
    }

    #[test]
    fn asking_again_renews_and_another_pool_is_refused() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, 0.0, "pool", "a", u32::MAX), Ok(0));
        assert_eq!(lease(&mut leases, 90.0, "pool", "a", u32::MAX), Ok(0));
        assert_eq!(lease(&mut leases, 150.0, "other", "a", u32::MAX), Err(Refusal::WorkerAlreadyHasLease));
        assert_eq!(lease(&mut leases, 190.0, "other", "a", u32::MAX), Ok(0));
        assert_eq!(leases.len(), 1);
    }

    #[test]
    fn an_expired_lease_is_not_released_but_given_to_others() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, 0.0, "pool", "a", 1), Ok(0));
        assert_eq!(lease(&mut leases, 99.0, "pool", "b", 1), Err(Refusal::PoolExhausted));
        assert_eq!(leases.release(100.0, b"a", &OPEN), Ok(false));
        assert_eq!(lease(&mut leases, 100.0, "pool", "b", 1), Ok(0));
        assert_eq!(leases.renew(100.0, b"a", None, &OPEN, 10.0), Err(Refusal::NoLease));
        assert_eq!(leases.renew(100.0, b"b", Some(b"other"), &OPEN, 10.0), Err(Refusal::NoLease));
        assert_eq!(leases.renew(100.0, b"b", Some(b"pool"), &OPEN, 10.0), Ok(()));
        assert_eq!(leases.advance(110.0, 9), 1);
    }

    #[test]
    fn those_who_wait_are_served_in_their_order() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, 0.0, "pool", "a", 1), Ok(0));
        let turns: Vec<u64> = ["b", "c", "d"]
            .iter()
            .zip(1..)
            .map(|(worker, request)| leases.wait(Waiter { wanted: wanted("pool", worker, 1), request }))
            .collect();
        assert!(leases.leave(0.0, &"pool".as_bytes().into(), turns[1]).is_some());
        assert!(leases.leave(0.0, &"pool".as_bytes().into(), turns[1]).is_none());
        leases.release(1.0, b"a", &OPEN).expect("it holds one");
        assert_eq!(lease(&mut leases, 1.0, "pool", "e", 1), Err(Refusal::PoolExhausted));
        leases.release(2.0, b"b", &OPEN).expect("it holds one");
        let served: Vec<_> = leases.served.drain(..).map(|(waiter, value)| (waiter.request, value)).collect();
        assert_eq!(served, [(1, Ok(0)), (3, Ok(0))]);
        assert!(!leases.has_waiters());
    }

    #[test]
    fn an_owned_lease_is_only_its_owners() {
        let mut leases = Leases::default();
        let token = [7; 16];
        let mine = Wanted { token, ..wanted("pool", "a", 5) };
        assert_eq!(leases.lease(0.0, &mine, 10), Ok(0));
        assert_eq!(leases.release(0.0, b"a", &OPEN), Err(Refusal::NotOwner));
        assert_eq!(leases.renew(0.0, b"a", None, &[8; 16], 10.0), Err(Refusal::NotOwner));
        assert_eq!(lease(&mut leases, 0.0, "pool", "a", u32::MAX), Err(Refusal::WorkerAlreadyHasLease));
        leases.abandon(0.0, b"a", 2);
        assert_eq!(leases.len(), 1);
        leases.abandon(0.0, b"a", 1);
        assert_eq!(leases.len(), 0);
    }

    #[test]
    fn many_leases_that_come_and_go_leave_nothing_behind() {
        let mut leases = Leases::default();
        for i in 0..50_000 {
            lease(&mut leases, 0.0, "pool", &i.to_string(), u32::MAX).expect("room");
            leases.release(0.0, i.to_string().as_bytes(), &OPEN).expect("it holds one");
        }
        assert!(leases.pools.is_empty());
        assert!(leases.deadlines.memory() < 200_000);
    }
}
