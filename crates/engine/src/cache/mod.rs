//! `cache`: one cache for every thread of the process, outside of JavaScript's heap.
//!
//! # Layout
//! - `registry.rs`: caches by name. `config.rs`: their bounds. [`Cache`]: what the door calls.
//! - `shard.rs`: index, slots, order and deadlines under one lock; a large cache has several. `budget.rs`: the bounds that hold for all.
//! - `slots.rs`: where entries live, and the words by which isolates know them without asking. `entry.rs`: key and value.
//! - `policy.rs`: who leaves: `lru.rs`, or `tinylfu.rs` with `sketch.rs` and `climber.rs`. `expiry.rs`: what ends when.
//! - `trim.rs`: freed memory goes back to the system. `flights.rs`: one computation of a missing value for all isolates.
//!
//! # Guarantees
//! The bounds hold at all times: room is made before an entry comes in. After a call that changed an entry has returned, no isolate that
//! hears of it sees the old one. Nothing here depends on an isolate: one that ends leaves nothing behind but what it stored.

mod budget;
mod climber;
mod config;
mod entry;
mod expiry;
mod flights;
mod lru;
mod policy;
mod registry;
mod shard;
mod sketch;
mod slots;
mod tinylfu;
mod trim;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState as Hasher;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::bridge::{Frame, Outbox, Words};
use crate::clock;
use crate::error::Error;
use budget::Budget;
use climber::Climber;
use entry::{Entry, LONGEST_KEY, LONGEST_VALUE};
use flights::Flights;
use shard::{Context, Shard};

pub use config::Config;
pub use entry::Life;
pub use flights::{Asker, Begin, Outcome};
pub use policy::Policy;
pub use registry::{destroy, forget, open};
pub use slots::{Place, Segment};

/// A tick is so small a part of the cache: recency is exact to a 1024th of its entries.
const TICKS_A_TURN: u64 = 1024;
/// A page of entries is about so many bytes.
const PAGE_BYTES: usize = 256 << 10;
/// What stands before the key of an entry in a page.
const ITEM_HEADER: usize = 32;

/// The word that isolates stamp with.
#[derive(Debug, Default)]
pub struct Tick(AtomicU32);

impl Tick {
    fn read(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// The memory, for mapping into an isolate: its address and its length in bytes.
    pub fn memory(&self) -> (*const u8, usize) {
        (self.0.as_ptr().cast(), size_of_val(&self.0))
    }
}

/// A key and its value on the way in.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The key, as the face encodes it.
    pub key: &'a [u8],
    /// The value, as the face encodes it.
    pub value: &'a [u8],
    /// How the value is encoded; below 64.
    pub tag: u8,
    /// Milliseconds until it expires; infinite: never.
    pub ttl: f64,
    /// Milliseconds that it is kept after that.
    pub stale: f64,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Where isolates see whether it is still the same.
    pub place: Place,
    /// How the value is encoded.
    pub tag: u8,
    /// When it ends.
    pub life: Option<Life>,
    /// Length of the value in bytes.
    pub length: usize,
}

/// How to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As a use of the entry.
    Use,
    /// Without a trace.
    Peek,
    /// Without a trace, and also at an expired entry that is still kept.
    Stale,
}

/// Figures of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries that are not expired.
    pub entries: u64,
    /// Bytes, as they are counted against the bound.
    pub bytes: u64,
    /// Lookups that were answered.
    pub hits: u64,
    /// Lookups that were not.
    pub misses: u64,
    /// Entries that were stored.
    pub sets: u64,
    /// Entries that left for want of room.
    pub evictions: u64,
    /// Entries that left because their time was over.
    pub expirations: u64,
}

/// One cache.
#[derive(Debug)]
pub struct Cache {
    config: Config,
    hasher: Hasher,
    /// Made when the first entry comes into them.
    shards: Box<[OnceLock<Box<Mutex<Shard>>>]>,
    /// Set before the shards of a destroyed cache are emptied.
    is_destroyed: AtomicBool,
    budget: Budget,
    tick: Arc<Tick>,
    /// Insertions since the last tick.
    since_tick: AtomicU32,
    /// The control words of all shards' slots, by number.
    segments: RwLock<Vec<Arc<Segment>>>,
    flights: Flights,
    /// Lookups that [`get`](Self::get) answered as uses, and those that it could not.
    hits: AtomicU64,
    misses: AtomicU64,
    insertions: AtomicU64,
    /// Hits that isolates answered themselves: their words, and the sum of those that have ended.
    isolates: Mutex<Isolates>,
    climber: Mutex<Climber>,
    /// Share of the window under `tinylfu`: the bits of a double.
    window: AtomicU64,
}

/// The hits of an isolate.
pub type HitWord = Words<1>;

#[derive(Debug, Default)]
struct Isolates {
    words: Vec<Arc<HitWord>>,
    ended: f64,
}

impl Isolates {
    /// Sums up what isolates that have ended have counted.
    fn drop_ended(&mut self) {
        let ended = &mut self.ended;
        self.words.retain(|word| {
            let is_used = Arc::strong_count(word) > 1;
            if !is_used {
                *ended += word.get(0);
            }
            is_used
        });
    }
}

impl Cache {
    /// An empty cache without a name.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            hasher: Hasher::default(),
            shards: (0..config.shards()).map(|_| OnceLock::new()).collect(),
            is_destroyed: AtomicBool::new(false),
            budget: Budget::new(config.max_bytes, config.max_entries),
            tick: Arc::default(),
            since_tick: AtomicU32::new(0),
            segments: RwLock::default(),
            flights: Flights::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            insertions: AtomicU64::new(0),
            isolates: Mutex::default(),
            climber: Mutex::default(),
            window: AtomicU64::new(0),
        }
    }

    /// Its bounds.
    pub fn config(&self) -> Config {
        self.config
    }

    /// The word that isolates stamp with.
    pub fn tick(&self) -> &Arc<Tick> {
        &self.tick
    }

    /// The control words of the slots of a [`Place`].
    pub fn segment(&self, number: u32) -> Option<Arc<Segment>> {
        self.segments.read().get(number as usize).cloned()
    }

    /// An isolate will answer from what it has decoded: where it counts its hits.
    pub fn attach(&self) -> Arc<HitWord> {
        let words = Arc::<HitWord>::default();
        let mut isolates = self.isolates.lock();
        isolates.drop_ended();
        isolates.words.push(Arc::clone(&words));
        words
    }

    /// Lookups that were answered, by the cache or by an isolate from what it had decoded.
    pub fn hits(&self) -> u64 {
        let mut isolates = self.isolates.lock();
        isolates.drop_ended();
        let elsewhere: f64 = isolates.words.iter().map(|word| word.get(0)).sum::<f64>() + isolates.ended;
        self.hits.load(Ordering::Relaxed) + elsewhere as u64
    }

    /// Looks for a key; `read` sees the value.
    pub fn get(&self, key: &[u8], look: Look, read: impl FnOnce(&[u8])) -> Option<Found> {
        let found = self.find(key, look, read);
        if look == Look::Use {
            let counter = if found.is_some() { &self.hits } else { &self.misses };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    fn find(&self, key: &[u8], look: Look, read: impl FnOnce(&[u8])) -> Option<Found> {
        let hash = self.hash(key);
        let mut shard = self.present_shard(hash)?;
        let slot = shard.find(key, hash)?;
        let entry = shard.slots.entry(slot)?;
        let life = entry.life();
        if let Some(life) = life {
            let now = clock::read();
            if life.leaves <= now {
                let context = self.context();
                shard.remove(&context, slot);
                shard.counts.expirations += 1;
                return None;
            }
            if life.expires <= now && look != Look::Stale {
                return None;
            }
        }
        if look == Look::Use {
            shard.slots.words(slot).stamp(self.tick.read(), true);
        }
        read(entry.value());
        Some(Found { place: shard.slots.place(slot), tag: entry.tag(), life, length: entry.value().len() })
    }

    /// Stores an entry. A flight of its key is overtaken.
    ///
    /// Fails with `CacheKeyTooLarge`, `CacheEntryTooLarge`, `OutOfMemory`, `CacheDestroyed`; what was stored before stays then.
    pub fn set(&self, item: Item<'_>) -> Result<Place, Error> {
        // Before, for flights that are under way; after, for those that began meanwhile and may know only the old state.
        self.flights.overtake(item.key);
        let stored = self.store(item);
        self.flights.overtake(item.key);
        stored
    }

    fn store(&self, item: Item<'_>) -> Result<Place, Error> {
        let Item { key, value, tag, ttl, stale } = item;
        if key.len() > LONGEST_KEY {
            return Err(Error::CacheKeyTooLarge { bytes: key.len(), limit: LONGEST_KEY });
        }
        let cost = Entry::cost(key.len(), value.len(), ttl.is_finite());
        let limit = self.config.max_entry_bytes.min(self.config.max_bytes);
        if cost > limit || value.len() > LONGEST_VALUE {
            return Err(Error::CacheEntryTooLarge { bytes: cost, limit: limit.min(LONGEST_VALUE as u64) });
        }
        let hash = self.hash(key);
        let context = self.context();
        let life = ttl.is_finite().then(|| {
            // Times are positive: their bits are in the order of the times.
            let expires = (clock::read() + ttl).max(0.0);
            Life { expires, leaves: expires + stale }
        });
        loop {
            let mut shard = self.shard(hash);
            if self.is_destroyed.load(Ordering::SeqCst) {
                return Err(Error::CacheDestroyed);
            }
            shard.expire(&context);
            // Whatever has to leave may be the entry itself: it is looked for anew each time.
            while let Some(slot) = shard.find(key, hash) {
                let old = shard.slots.entry(slot).map_or(0, Entry::own_cost);
                if cost <= old || self.budget.reserve(cost - old, 0) {
                    let entry = Entry::new(key, value, tag, life);
                    let place = entry.and_then(|entry| shard.replace(&context, slot, entry));
                    if place.is_err() {
                        self.budget.release(cost.saturating_sub(old), 0);
                    } else {
                        self.budget.release(old.saturating_sub(cost), 0);
                        shard.counts.sets += 1;
                    }
                    return place;
                }
                if shard.len() == 1 {
                    // There is room for it once others have left, or once it has left itself.
                    shard.remove(&context, slot);
                } else {
                    shard.evict(&context, cost);
                }
            }
            let reserved = loop {
                if self.budget.reserve(cost, 1) {
                    break true;
                }
                if !shard.evict(&context, cost) {
                    break false;
                }
            };
            if reserved {
                let entry = Entry::new(key, value, tag, life);
                let place = entry
                    .and_then(|entry| shard.insert(&context, hash, entry, |segment| self.register(segment)));
                if place.is_err() {
                    self.budget.release(cost, 1);
                } else {
                    shard.counts.sets += 1;
                    self.count_insertion();
                }
                return place;
            }
            drop(shard);
            self.evict_elsewhere(hash, &context, cost);
        }
    }

    /// Drops an entry; whether there was one that had not expired. A flight of its key is overtaken.
    pub fn delete(&self, key: &[u8]) -> bool {
        self.flights.overtake(key);
        let was_there = self.drop_entry(key);
        self.flights.overtake(key);
        was_there
    }

    fn drop_entry(&self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let Some(mut shard) = self.present_shard(hash) else { return false };
        let Some(slot) = shard.find(key, hash) else { return false };
        let context = self.context();
        let life = shard.slots.entry(slot).and_then(Entry::life);
        shard.remove(&context, slot);
        life.is_none_or(|life| life.expires > clock::read())
    }

    /// Drops all entries. All flights are overtaken.
    pub fn clear(&self) {
        self.flights.overtake_all();
        let context = self.context();
        let before = self.budget.bytes();
        for shard in self.present_shards() {
            shard.lock().clear(&context);
        }
        self.flights.overtake_all();
        trim::after(before);
    }

    /// Takes all entries away for good: nothing can be stored any more. Computations that are under way still answer those that wait.
    fn destroy(&self) {
        self.is_destroyed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.clear();
    }

    fn present_shards(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.shards.iter().filter_map(|shard| shard.get().map(|shard| &**shard))
    }

    /// Lets all that is due leave; the time at which something will be due next.
    pub fn expire(&self) -> Option<f64> {
        let context = self.context();
        let next = self.present_shards().filter_map(|shard| {
            let mut shard = shard.lock();
            while shard.expire(&context) {}
            shard.next_deadline()
        });
        next.min_by(f64::total_cmp)
    }

    /// Figures; what is due leaves before.
    pub fn stats(&self) -> Stats {
        self.expire();
        let mut stats = Stats {
            entries: self.budget.entries(),
            bytes: self.budget.bytes(),
            hits: self.hits(),
            misses: self.misses.load(Ordering::Relaxed),
            ..Stats::default()
        };
        let now = clock::read();
        for shard in self.present_shards() {
            let shard = shard.lock();
            // Others delete meanwhile.
            stats.entries = stats.entries.saturating_sub(shard.expired(now));
            let counts = shard.counts;
            stats.sets += counts.sets;
            stats.evictions += counts.evictions;
            stats.expirations += counts.expirations;
        }
        stats
    }

    /// Entries that are not expired (`look` as `Stale`: also those that are and are still kept), about a quarter of a megabyte at a time, in no order. `cursor` is 0 at first, then what was returned; `None`: that was
    /// the end. An entry that is there from the first call to the last is seen once.
    ///
    /// Each is written as: u32 length of the key, u32 length of the value, u32 tag, u32 ticks since its last use, f64 expires, f64 leaves (infinite: never), key,
    /// value, padded to a multiple of 8.
    ///
    /// Fails with `OutOfMemory`.
    pub fn page(
        &self,
        cursor: u64,
        look: Look,
        with_values: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<u64>, Error> {
        let now = clock::read();
        let end_of = |life: Life| if look == Look::Stale { life.leaves } else { life.expires };
        let mut at = (cursor & u64::from(u32::MAX)) as u32;
        for index in (cursor >> 32) as usize..self.shards.len() {
            let Some(shard) = self.shards[index].get() else {
                at = 0;
                continue;
            };
            let shard = shard.lock();
            let tick = self.tick.read();
            while at < shard.slots.capacity() {
                if out.len() >= PAGE_BYTES {
                    return Ok(Some((index as u64) << 32 | u64::from(at)));
                }
                if let Some(entry) = shard.slots.entry(at)
                    && entry.life().is_none_or(|life| end_of(life) > now)
                {
                    let age = tick.wrapping_sub(shard.slots.words(at).stamped(tick));
                    write_item(out, entry, age, with_values)?;
                }
                at += 1;
            }
            at = 0;
        }
        Ok(None)
    }

    /// Asks for the value of a missing key: whether to compute it or to wait.
    pub fn begin(&self, key: &[u8], asker: Asker) -> Begin {
        self.flights.begin(key, asker)
    }

    /// The owner of a flight has computed. `item`, unless the computation failed, is stored if nobody has changed the key meanwhile; `frame` is
    /// told to all that wait.
    pub fn land(
        &self,
        key: &[u8],
        owner: &Asker,
        frame: &Frame,
        item: Option<Item<'_>>,
    ) -> Result<(), Error> {
        let stored =
            self.flights.land(key, owner, frame, || item.map_or(Ok(()), |item| self.store(item).map(drop)));
        stored.unwrap_or(Ok(()))
    }

    fn forget(&self, outbox: &Arc<Outbox>) {
        self.flights.forget(outbox);
    }

    /// Lets an entry of another shard leave: that of the key has none that could.
    fn evict_elsewhere(&self, hash: u64, context: &Context<'_>, cost: u64) {
        let own = self.shard_of(hash);
        for step in 1..=self.shards.len() {
            let other = (own + step) % self.shards.len();
            if self.shards[other].get().is_some_and(|shard| shard.lock().evict(context, cost)) {
                return;
            }
        }
    }

    fn count_insertion(&self) {
        let since = self.since_tick.fetch_add(1, Ordering::Relaxed) + 1;
        self.insertions.fetch_add(1, Ordering::Relaxed);
        if u64::from(since) * TICKS_A_TURN >= self.budget.entries() {
            self.since_tick.store(0, Ordering::Relaxed);
            self.tick.0.fetch_add(1, Ordering::Relaxed);
            self.adapt();
        }
    }

    /// Has the window of `tinylfu` follow the hit ratio.
    fn adapt(&self) {
        if self.config.policy == Policy::TinyLfu
            && let Some(mut climber) = self.climber.try_lock()
        {
            let misses = self.insertions.load(Ordering::Relaxed);
            let window = climber.observe(self.hits(), misses, self.budget.entries());
            self.window.store(window.to_bits(), Ordering::Relaxed);
        }
    }

    fn register(&self, segment: &Arc<Segment>) -> Result<u32, Error> {
        let mut segments = self.segments.write();
        let wanted = size_of::<Arc<Segment>>();
        segments.try_reserve(1).map_err(|_| Error::OutOfMemory { bytes: wanted * segments.len() })?;
        segments.push(Arc::clone(segment));
        Ok((segments.len() - 1) as u32)
    }

    fn context(&self) -> Context<'_> {
        Context {
            budget: &self.budget,
            tick: &self.tick,
            window: f64::from_bits(self.window.load(Ordering::Relaxed)),
            hasher: &self.hasher,
        }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let place = &self.shards[self.shard_of(hash)];
        let shard = place.get().unwrap_or_else(|| {
            let shard = place.get_or_init(|| {
                let by_bytes = self.config.max_entries == u64::MAX;
                Box::new(Mutex::new(Shard::new(self.config.policy, by_bytes)))
            });
            // With that in `destroy`: either it sees the shard, or whoever made it sees that the cache is destroyed.
            fence(Ordering::SeqCst);
            shard
        });
        shard.lock()
    }

    /// The shard of a hash, if anything was ever stored there.
    fn present_shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard>> {
        self.shards[self.shard_of(hash)].get().map(|shard| shard.lock())
    }

    fn shard_of(&self, hash: u64) -> usize {
        // The index takes its place from the lowest bits and its tag from the highest.
        (hash >> 32) as usize & (self.shards.len() - 1)
    }
}

fn write_item(out: &mut Vec<u8>, entry: &Entry, age: u32, with_values: bool) -> Result<(), Error> {
    let value = if with_values { entry.value() } else { &[] };
    let life = entry.life().unwrap_or(Life { expires: f64::INFINITY, leaves: f64::INFINITY });
    let bytes = ITEM_HEADER + entry.key().len() + value.len() + 8;
    out.try_reserve(bytes).map_err(|_| Error::OutOfMemory { bytes })?;
    out.extend_from_slice(&(entry.key().len() as u32).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(&u32::from(entry.tag()).to_le_bytes());
    out.extend_from_slice(&age.to_le_bytes());
    out.extend_from_slice(&life.expires.to_le_bytes());
    out.extend_from_slice(&life.leaves.to_le_bytes());
    out.extend_from_slice(entry.key());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(8), 0);
    Ok(())
}
