//! Least recently used, with hits that the cache does not hear of.
//!
//! Isolates stamp a slot with the current tick. Slots stand in one list per tick, at first that of their insertion. Whoever looks for a victim
//! takes from the oldest list; a slot with a younger stamp moves to the list of its stamp. So what leaves is
//! always of the oldest tick, as an exact order would have it, and hits cost no lock. Within a tick the order is that of insertion
//! and discovery.
//!
//! The link of a slot says the tick of its list. Lists that are too many are joined at the old end, without a visit to their slots: so a slot whose
//! tick is that of no list is in the first one.

use std::collections::VecDeque;

use super::slots::{List, NONE, Slots};

/// More lists are not kept: the oldest are joined, and the order between them is lost.
const MOST_LISTS: usize = 8192;
/// The first list is visited after so many ticks, long before its ticks (of 32 bits) and stamps (of 24) could be taken for young ones.
const VISIT: u32 = 1 << 22;
/// A visit that comes later than this after the last one cannot trust the stamps: some may be older than half of their ring.
const LATEST: u32 = 3 << 21;

/// The order of a shard.
#[derive(Debug, Default)]
pub(super) struct Lru {
    /// Tick of the first list.
    first: u32,
    lists: VecDeque<List>,
    /// Tick of the last visit to the first list.
    visited: u32,
}

impl Lru {
    /// A slot comes in, stamped with `tick`.
    pub fn insert(&mut self, slots: &mut Slots, slot: u32, tick: u32) {
        if self.lists.is_empty() {
            self.first = tick;
        }
        // An isolate may stamp with a tick that it read a while ago.
        let mut at = tick.wrapping_sub(self.first).cast_signed().max(0) as usize;
        if at >= 2 * MOST_LISTS {
            self.join(slots, self.lists.len());
            self.first = tick.wrapping_sub(1);
            at = 1;
        }
        // Where there is no memory for more lists, the last one takes what is younger.
        if self.lists.try_reserve((at + 1).saturating_sub(self.lists.len())).is_err() {
            at = at.min(self.lists.len().saturating_sub(1));
        }
        while self.lists.len() <= at {
            self.lists.push_back(List::EMPTY);
        }
        let place = self.first.wrapping_add(at as u32);
        self.lists[at].push(slots, slot, place);
        let surplus = self.lists.len().saturating_sub(MOST_LISTS);
        if surplus > 0 {
            self.join(slots, surplus + 1);
        }
        if self.is_visit_due(place) {
            self.visit(slots, place);
        }
    }

    /// Whether the stamps of the first list have to be looked after at `tick`, which may also be before the last visit.
    fn is_visit_due(&self, tick: u32) -> bool {
        (VISIT + 1..=u32::MAX - VISIT).contains(&tick.wrapping_sub(self.visited))
    }

    /// A slot leaves.
    pub fn remove(&mut self, slots: &mut Slots, slot: u32) {
        let at = slots.link(slot).place.wrapping_sub(self.first) as usize;
        let at = if at < self.lists.len() { at } else { 0 };
        self.lists[at].unlink(slots, slot);
    }

    /// The least recently used slot, still in its place.
    pub fn victim(&mut self, slots: &mut Slots, now: u32) -> Option<u32> {
        // Other shards may have moved the tick on while nothing came into this one.
        if self.is_visit_due(now) && !self.lists.is_empty() {
            if now.wrapping_sub(self.first) as usize >= 2 * MOST_LISTS {
                self.join(slots, self.lists.len());
            }
            self.visit(slots, now);
        }
        loop {
            let slot = self.lists.front()?.head;
            if slot == NONE {
                self.lists.pop_front();
                self.first = self.first.wrapping_add(1);
                continue;
            }
            let stamped = slots.words(slot).stamped(now);
            if stamped.wrapping_sub(self.first).cast_signed() <= 0 {
                return Some(slot);
            }
            self.remove(slots, slot);
            self.insert(slots, slot, stamped);
        }
    }

    /// Joins the first lists, so many of them, to one.
    fn join(&mut self, slots: &mut Slots, lists: usize) {
        let mut all = List::EMPTY;
        for list in self.lists.drain(..lists) {
            all.append(slots, list);
        }
        self.lists.push_front(all);
        self.first = self.first.wrapping_add(lists as u32 - 1);
    }

    /// Gives the slots of the first list its tick, and those that were not used since, its stamp.
    fn visit(&mut self, slots: &mut Slots, now: u32) {
        // After a long time without insertions nobody can tell which stamps are young: none is.
        let in_time = now.wrapping_sub(self.visited) <= LATEST;
        self.visited = now;
        let mut slot = self.lists.front().map_or(NONE, |list| list.head);
        while slot != NONE {
            let stamped = slots.words(slot).stamped(now);
            if !in_time || stamped.wrapping_sub(self.first).cast_signed() < 0 {
                slots.words(slot).reset(self.first);
            }
            let link = slots.link_mut(slot);
            link.place = self.first;
            slot = link.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Entry;
    use super::*;

    fn filled(slots: &mut Slots, order: &mut Lru, tick: u32) -> u32 {
        let slot = slots.take(|_| Ok(0)).expect("there is memory");
        slots.fill(slot, Entry::new(b"", b"", 0, None).expect("there is memory"));
        slots.words(slot).reset(tick);
        order.insert(slots, slot, tick);
        slot
    }

    fn take(slots: &mut Slots, order: &mut Lru, now: u32) -> Option<u32> {
        let slot = order.victim(slots, now)?;
        order.remove(slots, slot);
        slots.empty(slot);
        Some(slot)
    }

    #[test]
    fn what_leaves_is_of_the_oldest_tick_also_across_the_end_of_numbers() {
        for start in [0, u32::MAX - 5, 0x00ff_fffe] {
            let (mut slots, mut order) = (Slots::default(), Lru::default());
            let all: Vec<u32> =
                (0..10).map(|n| filled(&mut slots, &mut order, start.wrapping_add(n))).collect();
            let now = start.wrapping_add(10);
            // The first ones are used again, in reverse.
            for (age, &slot) in all[..3].iter().enumerate() {
                slots.words(slot).stamp(now.wrapping_sub(age as u32), true);
            }
            let left: Vec<u32> = std::iter::from_fn(|| take(&mut slots, &mut order, now)).collect();
            let order: Vec<usize> = [3, 4, 5, 6, 7, 8, 2, 9, 1, 0].to_vec();
            let position = |slot: u32| left.iter().position(|&one| one == slot).expect("all leave");
            // 8 and 2 are of one tick, as are 9 and 1.
            let ticks: Vec<usize> = order.iter().map(|&n| position(all[n])).collect();
            assert!(ticks[..5].is_sorted() && ticks[..5].iter().max() < ticks[5..].iter().min());
            assert_eq!(ticks[9], 9);
        }
    }

    /// A caller's tick may be behind that of a hit in another thread, by one or by many. The hit then seemed to be as old as a stamp can
    /// be, and the hottest entry was thrown out.
    #[test]
    fn a_hit_that_is_ahead_of_the_caller_is_young_at_every_place_of_both_rings() {
        for start in [0, 0x007f_fffe, 0x00ff_fffe, 0x0100_0000, 0x7fff_fffe, u32::MAX - 1] {
            for ahead in [1, 2, 1000, (1 << 23) - 2] {
                let (mut slots, mut order) = (Slots::default(), Lru { visited: start, ..Lru::default() });
                let hot = filled(&mut slots, &mut order, start);
                let cold = filled(&mut slots, &mut order, start);
                let now = start.wrapping_add(1);
                slots.words(hot).stamp(now.wrapping_add(ahead), true);
                assert_eq!(slots.words(hot).stamped(now), now);
                assert_eq!(order.victim(&mut slots, now), Some(cold), "start {start}, ahead {ahead}");
            }
        }
    }

    #[test]
    fn a_hit_from_before_the_last_visit_costs_no_other_its_age() {
        let (mut slots, mut order) = (Slots::default(), Lru::default());
        let visited = VISIT + 10;
        let first = filled(&mut slots, &mut order, visited);
        assert_eq!(order.visited, visited);
        filled(&mut slots, &mut order, visited - 1);
        assert_eq!(order.visited, visited);
        assert_eq!(order.victim(&mut slots, visited), Some(first));
    }

    #[test]
    fn a_shard_that_nothing_came_into_for_long_still_knows_its_oldest() {
        let (mut slots, mut order) = (Slots::default(), Lru::default());
        let all: Vec<u32> = (0..5).map(|tick| filled(&mut slots, &mut order, tick)).collect();
        // So old that each stamp, seen from now, is beyond half of its ring.
        let now = (1 << 23) + 10;
        let left: Vec<u32> = std::iter::from_fn(|| take(&mut slots, &mut order, now)).collect();
        assert_eq!(left, all);
    }

    #[test]
    fn more_ticks_than_lists_lose_order_and_no_slot() {
        let (mut slots, mut order) = (Slots::default(), Lru::default());
        let last = 3 * MOST_LISTS as u32;
        for tick in 0..last {
            filled(&mut slots, &mut order, tick);
        }
        assert!(order.lists.len() <= MOST_LISTS);
        let mut left = 0;
        while take(&mut slots, &mut order, last).is_some() {
            left += 1;
        }
        assert_eq!(left, last);
    }

    #[test]
    fn what_was_never_used_again_does_not_turn_young_with_time() {
        let (mut slots, mut order) = (Slots::default(), Lru::default());
        let old = filled(&mut slots, &mut order, 7);
        // Others come and go, further than the ticks of a stamp reach.
        let mut tick = 7_u32;
        for _ in 0..40_000 {
            tick = tick.wrapping_add(1000);
            let passing = filled(&mut slots, &mut order, tick);
            order.remove(&mut slots, passing);
            slots.empty(passing);
        }
        filled(&mut slots, &mut order, tick);
        assert_eq!(order.victim(&mut slots, tick), Some(old));
    }

    #[test]
    fn after_a_long_time_without_insertions_the_old_ones_are_still_the_oldest() {
        let (mut slots, mut order) = (Slots::default(), Lru::default());
        let old: Vec<u32> = (0..5).map(|tick| filled(&mut slots, &mut order, tick)).collect();
        let now = 1 << 25;
        let new = filled(&mut slots, &mut order, now);
        let left: Vec<u32> = std::iter::from_fn(|| take(&mut slots, &mut order, now)).collect();
        assert_eq!(left, [old, vec![new]].concat());
    }
}
