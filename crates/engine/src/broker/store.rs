//! The store: values by key, each with a time to live.
//!
//! # Costs
//! Looking up, storing and dropping do not depend on how many items there are, but for the logarithm of the heap of deadlines. The index is made of
//! [`SEGMENTS`] tables, so that growing rehashes a small part of it at a time.
//!
//! # Expiry
//! An item is expired from its time on, whoever looks. It stays until it is read once (which answers `expired`), overwritten, or swept;
//! it is not counted meanwhile. At most as many expired items are kept as there are live ones (and [`FEWEST_KEPT`]).

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::deadlines::Deadlines;
use super::items::{Item, Items};
use super::refusal::Refusal;
use crate::error::Error;

const SEGMENTS: usize = 256;
/// So many expired items are kept until the sweep in any case.
const FEWEST_KEPT: usize = 1024;

/// A value as it comes in: its encoding and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// See [`tag`](super::wire::tag).
    pub tag: u8,
    /// Encoded.
    pub bytes: &'a [u8],
}

/// Values by key.
#[derive(Debug)]
pub(super) struct Store {
    index: Box<[HashTable<u32>]>,
    items: Items,
    hasher: RandomState,
    deadlines: Deadlines<u32>,
    /// Items that are not expired, as far as anybody has looked.
    counted: u64,
    /// Sum of their estimates.
    estimate: u64,
    /// Bytes of all keys and values.
    payload: u64,
    /// Number and order of items that were found to be expired.
    overdue: VecDeque<(u32, u64)>,
    last_order: u64,
    /// How many were found to be expired, ever.
    expired: u64,
    /// Whether `gone` is filled.
    pub tells_expired: bool,
    /// Keys that were found to be expired, for those who watch.
    pub gone: Vec<Box<[u8]>>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            index: (0..SEGMENTS).map(|_| HashTable::new()).collect(),
            items: Items::default(),
            hasher: RandomState::default(),
            deadlines: Deadlines::default(),
            counted: 0,
            estimate: 0,
            payload: 0,
            overdue: VecDeque::new(),
            last_order: 0,
            expired: 0,
            tells_expired: false,
            gone: Vec::new(),
        }
    }
}

impl Store {
    /// Number of items that are not expired. Exact after [`advance`](Self::advance) has nothing left to do.
    pub fn len(&self) -> u64 {
        self.counted
    }

    /// The original's estimate of their bytes.
    pub fn estimate(&self) -> u64 {
        self.estimate
    }

    /// Number of items that were found to be expired, by a read or by the sweep.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Bytes that the store takes.
    pub fn memory(&self) -> u64 {
        let index: usize = self.index.iter().map(|table| table.capacity() * (size_of::<u32>() + 1)).sum();
        self.payload + (index + self.items.memory() + self.deadlines.memory()) as u64
    }

    /// The item of a key, as a read: one that is expired is dropped and reported as such.
    pub fn get(&mut self, now: f64, key: &[u8]) -> Result<&mut Item, Refusal> {
        let hash = self.hasher.hash_one(key);
        let number = self.find(hash, key).ok_or(Refusal::NotFound)?;
        if self.items.get(number).is_some_and(|item| item.expires <= now) {
            self.drop_item(hash, number);
            return Err(Refusal::Expired);
        }
        self.items.get_mut(number).ok_or(Refusal::NotFound)
    }

    /// The item of a key without a trace; `None` where it is expired.
    pub fn peek(&self, now: f64, key: &[u8]) -> Option<&Item> {
        let number = self.find(self.hasher.hash_one(key), key)?;
        self.items.get(number).filter(|item| item.expires > now)
    }

    /// Stores a value that expires `ttl` milliseconds from now. Where there are `most` items, a new key is refused with
    /// [`Refusal::MaxItems`]; where there is no memory for it, it is refused with [`Refusal::OutOfMemory`], and what was there stays.
    pub fn set(
        &mut self,
        now: f64,
        key: &[u8],
        value: Value<'_>,
        ttl: f64,
        most: u64,
    ) -> Result<(), Refusal> {
        let hash = self.hasher.hash_one(key);
        let mut item = Item::new(key, value.bytes, value.tag)?;
        (item.expires, item.ttl) = (now + ttl, ttl);
        if let Some(number) = self.find(hash, key) {
            if self.items.get(number).is_some_and(|item| item.expires > now) {
                self.replace(number, item);
                return Ok(());
            }
            self.drop_item(hash, number);
        }
        self.make_room(now, 1, most)?;
        self.reserve(hash)?;
        self.last_order += 1;
        item.order = self.last_order;
        self.insert(hash, item);
        Ok(())
    }

    /// Looks whether `more` new items have room, and lets expired ones go where not.
    pub fn make_room(&mut self, now: f64, more: u64, most: u64) -> Result<(), Refusal> {
        while self.counted + more > most {
            if self.advance(now, 1) == 0 {
                return Err(Refusal::MaxItems);
            }
        }
        Ok(())
    }

    /// Drops an item; whether there was one that was not expired.
    pub fn delete(&mut self, now: f64, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one(key);
        let Some(number) = self.find(hash, key) else { return false };
        let was_live = self.items.get(number).is_some_and(|item| item.expires > now);
        if was_live {
            self.uncount(number, false);
        }
        self.drop_item(hash, number);
        was_live
    }

    /// Looks at up to `most` deadlines that are due; the number of items that are counted no more, or whose turn was put off.
    pub fn advance(&mut self, now: f64, most: usize) -> usize {
        let mut seen = 0;
        while seen < most {
            let Some((time, number)) = self.deadlines.pop_due(now) else { break };
            let Some(item) = self.items.get_mut(number) else { continue };
            if item.queued != time || !item.is_counted {
                continue;
            }
            seen += 1;
            if item.expires > now {
                item.queued = item.expires;
                self.queue(number);
            } else {
                let order = item.order;
                self.uncount(number, true);
                self.overdue.push_back((number, order));
            }
        }
        while self.overdue.len() > FEWEST_KEPT.max(self.items.len() / 2) {
            self.drop_oldest_overdue();
        }
        seen
    }

    /// Drops up to `most` expired items; how many. Fewer than `most`: there are no more.
    pub fn sweep(&mut self, now: f64, most: usize) -> usize {
        self.advance(now, most);
        let mut swept = 0;
        while swept < most && !self.overdue.is_empty() {
            swept += usize::from(self.drop_oldest_overdue());
        }
        swept
    }

    /// When the next item may be due.
    pub fn next_deadline(&self) -> Option<f64> {
        self.deadlines.next()
    }

    /// Live items with numbers from `from` on, of at most `most` numbers; where to go on.
    pub fn page(&self, now: f64, from: u32, most: u32, mut each: impl FnMut(u32, &Item)) -> Option<u32> {
        let end = self.items.end();
        let to = end.min(from.saturating_add(most));
        for number in from..to {
            if let Some(item) = self.items.get(number).filter(|item| item.expires > now) {
                each(number, item);
            }
        }
        (to < end).then_some(to)
    }

    /// The item of a number, if it is live.
    pub fn at(&self, now: f64, number: u32) -> Option<&Item> {
        self.items.get(number).filter(|item| item.expires > now)
    }

    /// The time of an item changes: it was read, or counted on.
    pub fn refresh(item: &mut Item, now: f64) {
        item.expires = now + item.ttl;
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let items = &self.items;
        let is_it = |&number: &u32| items.get(number).is_some_and(|item| item.key() == key);
        self.index[segment(hash)].find(hash, is_it).copied()
    }

    /// Makes memory for one more item of this hash.
    fn reserve(&mut self, hash: u64) -> Result<(), Error> {
        self.items.reserve()?;
        self.deadlines.reserve()?;
        let (items, hasher, index) = (&self.items, &self.hasher, &mut self.index[segment(hash)]);
        let rehash = |&number: &u32| items.get(number).map_or(0, |item| hasher.hash_one(item.key()));
        let bytes = (index.len() + 1) * size_of::<u32>();
        index.try_reserve(1, rehash).map_err(|_| Error::OutOfMemory { bytes })
    }

    fn insert(&mut self, hash: u64, mut item: Item) {
        item.queued = item.expires;
        self.counted += 1;
        self.estimate += item.estimate();
        self.payload += item.memory();
        let number = self.items.insert(item);
        let (items, hasher) = (&self.items, &self.hasher);
        let rehash = |&number: &u32| items.get(number).map_or(0, |item| hasher.hash_one(item.key()));
        self.index[segment(hash)].insert_unique(hash, number, rehash);
        self.queue(number);
    }

    /// An item that is counted takes the place of one under the same key.
    fn replace(&mut self, number: u32, mut item: Item) {
        let Some(old) = self.items.get_mut(number) else { return };
        self.estimate = self.estimate - old.estimate() + item.estimate();
        self.payload = self.payload - old.memory() + item.memory();
        item.order = old.order;
        let is_earlier = item.expires < old.queued;
        item.queued = if is_earlier { item.expires } else { old.queued };
        *old = item;
        if is_earlier {
            self.queue(number);
        }
    }

    /// Puts an item into the heap by its `queued`.
    fn queue(&mut self, number: u32) {
        let items = &self.items;
        let Some(queued) = items.get(number).map(|item| item.queued) else { return };
        let is_true = |time: f64, number: &u32| {
            items.get(*number).is_some_and(|item| item.queued == time && item.is_counted)
        };
        self.deadlines.push(queued, number, items.len(), is_true);
    }

    fn uncount(&mut self, number: u32, by_time: bool) {
        let Some(item) = self.items.get_mut(number) else { return };
        if std::mem::replace(&mut item.is_counted, false) {
            self.counted -= 1;
            self.estimate -= item.estimate();
            if by_time {
                self.expired += 1;
                if self.tells_expired {
                    self.gone.push(item.key().into());
                }
            }
        }
    }

    /// Drops an item; one that is still counted has expired.
    fn drop_item(&mut self, hash: u64, number: u32) {
        self.uncount(number, true);
        if let Ok(entry) = self.index[segment(hash)].find_entry(hash, |&other| other == number) {
            entry.remove();
        }
        if let Some(item) = self.items.remove(number) {
            self.payload -= item.memory();
        }
    }

    fn drop_oldest_overdue(&mut self) -> bool {
        let Some((number, order)) = self.overdue.pop_front() else { return false };
        let Some(item) = self.items.get(number).filter(|item| item.order == order && !item.is_counted) else {
            return false;
        };
        let hash = self.hasher.hash_one(item.key());
        self.drop_item(hash, number);
        true
    }
}

/// Bits of the hash that a table itself makes little use of.
fn segment(hash: u64) -> usize {
    (hash >> 40) as usize % SEGMENTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u8 = super::super::wire::tag::TEXT;

    fn text(bytes: &[u8]) -> Value<'_> {
        Value { tag: TEXT, bytes }
    }

    #[test]
    fn an_expired_item_is_told_once_and_then_not_found() {
        let mut store = Store::default();
        store.set(0.0, b"key", text(b"value"), 10.0, 1).expect("room");
        assert_eq!(store.get(9.9, b"key").map(|item| item.value().to_vec()), Ok(b"value".to_vec()));
        assert_eq!(store.get(10.0, b"key").err(), Some(Refusal::Expired));
        assert_eq!(store.get(10.0, b"key").err(), Some(Refusal::NotFound));
        assert_eq!((store.len(), store.estimate(), store.payload), (0, 0, 0));
    }

    #[test]
    fn a_full_store_takes_old_keys_and_new_ones_as_others_expire() {
        let mut store = Store::default();
        for (key, ttl) in [(b"a", 10.0), (b"b", 20.0)] {
            store.set(0.0, key, text(b"1"), ttl, 2).expect("room");
        }
        assert_eq!(store.set(5.0, b"c", text(b"1"), 10.0, 2), Err(Refusal::MaxItems));
        assert_eq!(store.set(5.0, b"b", text(b"2"), 10.0, 2), Ok(()));
        assert_eq!(store.set(10.0, b"c", text(b"1"), 10.0, 2), Ok(()));
        assert_eq!(store.len(), 2);
        assert_eq!(store.get(10.0, b"a").err(), Some(Refusal::Expired));
    }

    #[test]
    fn a_later_time_is_put_off_and_an_earlier_one_is_kept() {
        let mut store = Store::default();
        store.set(0.0, b"later", text(b""), 10.0, 9).expect("room");
        store.set(0.0, b"earlier", text(b""), 100.0, 9).expect("room");
        store.set(1.0, b"later", text(b""), 50.0, 9).expect("room");
        store.set(1.0, b"earlier", text(b""), 5.0, 9).expect("room");
        assert_eq!(store.sweep(20.0, 100), 1);
        assert!(store.peek(20.0, b"earlier").is_none());
        assert!(store.peek(20.0, b"later").is_some());
        assert_eq!(store.sweep(51.0, 100), 1);
        assert_eq!(store.items.len(), 0);
    }

    #[test]
    fn what_is_deleted_and_set_again_and_again_leaves_no_heap_behind() {
        let mut store = Store::default();
        for i in 0..100_000 {
            store.set(0.0, b"key", text(b"v"), 1e9 - f64::from(i), 9).expect("room");
            store.delete(0.0, b"key");
        }
        assert!(store.deadlines.memory() < 100_000);
        assert_eq!(store.payload, 0);
    }

    #[test]
    fn expired_items_are_not_kept_without_a_bound() {
        let mut store = Store::default();
        for i in 0..100_000u32 {
            store.set(f64::from(i), &i.to_le_bytes(), text(b"v"), 1.0, 10).expect("room");
        }
        assert!(store.items.len() <= FEWEST_KEPT + 11);
    }

    #[test]
    fn those_who_watch_are_told_of_each_expiry_once() {
        let mut store = Store { tells_expired: true, ..Store::default() };
        for key in [b"a", b"b", b"c"] {
            store.set(0.0, key, text(b"1"), 1.0, 9).expect("room");
        }
        store.delete(0.0, b"c");
        assert_eq!(store.get(2.0, b"a").err(), Some(Refusal::Expired));
        store.sweep(2.0, 9);
        assert_eq!(store.gone.iter().map(|key| &**key).collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
