//! One part of a cache under one lock: its index, its slots, their order and their deadlines.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;

use super::budget::Budget;
use super::entry::{Entry, Life};
use super::expiry::Expiry;
use super::policy::{Order, Policy};
use super::slots::{Place, Segment, Slots};
use super::{Hasher, Tick};
use crate::clock;
use crate::error::Error;

/// So many expired entries leave in one call at most, unless their room is needed: one call is not to pay for all.
const DUE_AT_ONCE: usize = 256;

/// What happened in a shard since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub sets: u64,
    pub evictions: u64,
    pub expirations: u64,
}

/// The state of a shard.
#[derive(Debug)]
pub(super) struct Shard {
    index: HashTable<u32>,
    pub slots: Slots,
    order: Order,
    expiry: Expiry,
    pub counts: Counts,
    /// Whether entries were ever to be kept beyond their expiry.
    keeps_expired: bool,
}

/// What the calls of a shard have in common.
pub(super) struct Context<'a> {
    pub budget: &'a Budget,
    pub tick: &'a Tick,
    /// Share of the window under `tinylfu`.
    pub window: f64,
    pub hasher: &'a Hasher,
}

impl Context<'_> {
    /// The tick of the cache. Under the lock of a shard it is never before one that was read there earlier.
    pub fn tick(&self) -> u32 {
        self.tick.read()
    }
}

impl Shard {
    pub fn new(policy: Policy, by_bytes: bool) -> Self {
        Self {
            index: HashTable::new(),
            slots: Slots::default(),
            order: Order::new(policy, by_bytes),
            expiry: Expiry::default(),
            counts: Counts::default(),
            keeps_expired: false,
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// The slot of a key, whether its entry is expired or not.
    pub fn find(&self, key: &[u8], hash: u64) -> Option<u32> {
        let slots = &self.slots;
        self.index.find(hash, |&slot| slots.entry(slot).is_some_and(|entry| entry.key() == key)).copied()
    }

    /// Puts a new entry in, for which `Budget::reserve` has made room. Fails, and changes nothing, where there is no memory.
    pub fn insert(
        &mut self,
        context: &Context<'_>,
        hash: u64,
        entry: Entry,
        register: impl FnOnce(&Arc<Segment>) -> Result<u32, Error>,
    ) -> Result<Place, Error> {
        let life = entry.life();
        self.reserve_deadline(life)?;
        let tick = context.tick();
        let Self { index, slots, .. } = self;
        let hash_of = |slots: &Slots, slot: u32| {
            slots.entry(slot).map_or(0, |entry| context.hasher.hash_one(entry.key()))
        };
        index
            .try_reserve(1, |&slot| hash_of(slots, slot))
            .map_err(|_| Error::OutOfMemory { bytes: index.len() * size_of::<u32>() })?;
        let slot = slots.take(register)?;
        self.slots.fill(slot, entry);
        self.slots.words(slot).reset(tick);
        self.order.insert(&mut self.slots, slot, tick, hash);
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |&slot| hash_of(slots, slot));
        self.expire_later(slot, life);
        Ok(self.slots.place(slot))
    }

    /// Puts an entry into the slot of its key; the budget is the caller's affair. Fails as `insert`.
    pub fn replace(&mut self, context: &Context<'_>, slot: u32, entry: Entry) -> Result<Place, Error> {
        let life = entry.life();
        self.reserve_deadline(life)?;
        self.order.replace(&mut self.slots, slot, context.tick(), |slots| drop(slots.fill(slot, entry)));
        self.expire_later(slot, life);
        Ok(self.slots.place(slot))
    }

    fn reserve_deadline(&mut self, life: Option<Life>) -> Result<(), Error> {
        if life.is_some() { self.expiry.reserve() } else { Ok(()) }
    }

    fn expire_later(&mut self, slot: u32, life: Option<Life>) {
        if let Some(life) = life {
            self.keeps_expired |= life.leaves > life.expires;
            self.expiry.push(&self.slots, slot, life.leaves, self.index.len());
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, context: &Context<'_>, slot: u32) {
        let Some(entry) = self.slots.entry(slot) else { return };
        let hash = context.hasher.hash_one(entry.key());
        let bytes = entry.own_cost();
        if let Ok(found) = self.index.find_entry(hash, |&other| other == slot) {
            found.remove();
        }
        self.order.remove(&mut self.slots, slot);
        self.slots.empty(slot);
        context.budget.release(bytes, 1);
    }

    /// How many entries are expired and still kept.
    pub fn expired(&self, now: f64) -> u64 {
        if !self.keeps_expired {
            return 0;
        }
        let slots = self.index.iter().filter_map(|&slot| self.slots.entry(slot)?.life());
        slots.filter(|life| life.expires <= now).count() as u64
    }

    /// Lets what is due leave. `false`: there was nothing.
    pub fn expire(&mut self, context: &Context<'_>) -> bool {
        // Without deadlines nobody has to know the time.
        if self.expiry.next().is_none() {
            return false;
        }
        let now = clock::read();
        let mut any = false;
        for _ in 0..DUE_AT_ONCE {
            let Some(slot) = self.expiry.pop_due(&self.slots, now) else { break };
            self.remove(context, slot);
            self.counts.expirations += 1;
            any = true;
        }
        any
    }

    /// Lets one entry leave to make room: an expired one, else the one that the policy names. `false`: there is none.
    pub fn evict(&mut self, context: &Context<'_>, incoming: u64) -> bool {
        if self.expire(context) {
            return true;
        }
        let Some(slot) = self.order.victim(&mut self.slots, context, incoming) else {
            return false;
        };
        self.remove(context, slot);
        self.counts.evictions += 1;
        true
    }

    /// The time of the next deadline.
    pub fn next_deadline(&self) -> Option<f64> {
        self.expiry.next()
    }

    /// Takes all entries out.
    pub fn clear(&mut self, context: &Context<'_>) {
        let (entries, bytes) = self.slots.clear();
        self.index = HashTable::new();
        self.order.clear();
        self.expiry.clear();
        context.budget.release(bytes, entries);
    }
}
