//! Who leaves: the order of a shard, one of two.

use super::lru::Lru;
use super::shard::Context;
use super::slots::Slots;
use super::tinylfu::TinyLfu;

/// How a cache chooses what leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Policy {
    /// Least recently used.
    Lru = 0,
    /// W-TinyLFU with an adaptive window.
    TinyLfu = 1,
}

impl Policy {
    /// Its name as an option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::TinyLfu => "tinylfu",
        }
    }

    /// The policy of a number.
    pub fn from_u32(number: u32) -> Option<Self> {
        [Self::Lru, Self::TinyLfu].into_iter().find(|&policy| policy as u32 == number)
    }
}

/// The order of a shard.
#[derive(Debug)]
pub(super) enum Order {
    Lru(Lru),
    TinyLfu(Box<TinyLfu>),
}

impl Order {
    /// `by_bytes`: the cache is bounded in bytes alone.
    pub fn new(policy: Policy, by_bytes: bool) -> Self {
        match policy {
            Policy::Lru => Self::Lru(Lru::default()),
            Policy::TinyLfu => Self::TinyLfu(Box::new(TinyLfu::new(by_bytes))),
        }
    }

    /// A slot with its entry comes in.
    pub fn insert(&mut self, slots: &mut Slots, slot: u32, tick: u32, hash: u64) {
        match self {
            Self::Lru(order) => order.insert(slots, slot, tick),
            Self::TinyLfu(order) => order.insert(slots, slot, hash),
        }
    }

    /// `change` puts another entry with the same key into a slot: that counts as a use.
    pub fn replace(&mut self, slots: &mut Slots, slot: u32, tick: u32, change: impl FnOnce(&mut Slots)) {
        match self {
            Self::Lru(order) => {
                order.remove(slots, slot);
                change(slots);
                slots.words(slot).stamp(tick, false);
                order.insert(slots, slot, tick);
            }
            Self::TinyLfu(order) => {
                order.replace(slots, slot, change);
                slots.words(slot).stamp(tick, true);
            }
        }
    }

    /// A slot, its entry still in it, leaves.
    pub fn remove(&mut self, slots: &mut Slots, slot: u32) {
        match self {
            Self::Lru(order) => order.remove(slots, slot),
            Self::TinyLfu(order) => order.remove(slots, slot),
        }
    }

    /// All slots have left.
    pub fn clear(&mut self) {
        match self {
            Self::Lru(order) => *order = Lru::default(),
            Self::TinyLfu(order) => order.clear(),
        }
    }

    /// Which slot has to leave before an entry of `incoming` bytes comes in; it stays in its place.
    pub fn victim(&mut self, slots: &mut Slots, context: &Context<'_>, incoming: u64) -> Option<u32> {
        match self {
            Self::Lru(order) => order.victim(slots, context.tick()),
            Self::TinyLfu(order) => order.victim(slots, incoming, context.window, context.hasher),
        }
    }
}
