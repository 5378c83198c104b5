//! One computation of a missing value for all that ask for it.
//!
//! The first to ask for a missing key owns its flight and computes; the others wait for the outcome. Where the owner goes away, the next
//! in line takes over. A key that somebody changes meanwhile is asked for anew: what was being computed answers those that wait for it
//! already, and is not kept.
//!
//! Nothing here is searched: an asker finds its flight, and its place in the line, by itself. So an asker that leaves costs the same
//! however many flights there are, overtaken ones included, and however many wait beside it. There are at most as many flights as
//! there are open questions of askers.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A flight that is over.
#[derive(Debug)]
pub struct Landed<A> {
    /// Nobody has changed the key meanwhile.
    pub is_current: bool,
    /// Those that wait for the outcome, in the order in which they came.
    pub waiters: Vec<A>,
}

/// All flights. An asker is one question: it has one place in them.
#[derive(Debug)]
pub struct Flights<A> {
    /// The flights that are not overtaken.
    by_key: HashMap<Box<[u8]>, u64>,
    flights: HashMap<u64, Flight<A>>,
    places: HashMap<A, Place>,
    /// Source of the numbers of flights, and of turns in them.
    last: u64,
}

#[derive(Debug)]
struct Flight<A> {
    key: Box<[u8]>,
    owner: A,
    waiters: BTreeMap<u64, A>,
    is_current: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    flight: u64,
    turn: u64,
}

impl<A> Default for Flights<A> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), flights: HashMap::new(), places: HashMap::new(), last: 0 }
    }
}

impl<A: Clone + Eq + Hash> Flights<A> {
    /// Number of keys whose flights are not overtaken.
    pub fn keys(&self) -> usize {
        self.by_key.len()
    }

    /// Somebody misses a key; whether it owns the flight now, and computes.
    pub fn begin(&mut self, key: &[u8], asker: A) -> bool {
        self.last += 1;
        let turn = self.last;
        if let Some(&flight) = self.by_key.get(key) {
            if let Some(found) = self.flights.get_mut(&flight) {
                found.waiters.insert(turn, asker.clone());
            }
            self.places.insert(asker, Place { flight, turn });
            return false;
        }
        self.by_key.insert(key.into(), turn);
        self.places.insert(asker.clone(), Place { flight: turn, turn });
        let flight = Flight { key: key.into(), owner: asker, waiters: BTreeMap::new(), is_current: true };
        self.flights.insert(turn, flight);
        true
    }

    /// The owner has an outcome; `None`: it owns no flight of this key.
    pub fn land(&mut self, key: &[u8], owner: &A) -> Option<Landed<A>> {
        let Place { flight: number, .. } = *self.places.get(owner)?;
        let flight = self.flights.get(&number)?;
        if flight.owner != *owner || *flight.key != *key {
            return None;
        }
        let flight = self.end(number)?;
        let waiters: Vec<A> = flight.waiters.into_values().collect();
        for waiter in &waiters {
            self.places.remove(waiter);
        }
        Some(Landed { is_current: flight.is_current, waiters })
    }

    /// Whether an outcome of this asker's flight would be kept.
    pub fn is_current(&self, key: &[u8], owner: &A) -> bool {
        self.by_key
            .get(key)
            .and_then(|number| self.flights.get(number))
            .is_some_and(|flight| flight.owner == *owner)
    }

    /// Whether this asker computes.
    pub fn is_owner(&self, asker: &A) -> bool {
        let place = self.places.get(asker);
        place.and_then(|place| self.flights.get(&place.flight)).is_some_and(|flight| flight.owner == *asker)
    }

    /// Somebody else changes a key.
    pub fn overtake(&mut self, key: &[u8]) {
        let flight = self.by_key.remove(key).and_then(|number| self.flights.get_mut(&number));
        if let Some(flight) = flight {
            flight.is_current = false;
        }
    }

    /// All keys are changed.
    pub fn overtake_all(&mut self) {
        for number in std::mem::take(&mut self.by_key).into_values() {
            if let Some(flight) = self.flights.get_mut(&number) {
                flight.is_current = false;
            }
        }
    }

    /// An asker goes away. Returns who computes instead, where it was the owner and somebody waits.
    pub fn leave(&mut self, asker: &A) -> Option<A> {
        let Place { flight: number, turn } = self.places.remove(asker)?;
        let flight = self.flights.get_mut(&number)?;
        if flight.owner != *asker {
            flight.waiters.remove(&turn);
            return None;
        }
        let Some((_, next)) = flight.waiters.pop_first() else {
            self.end(number);
            return None;
        };
        flight.owner = next.clone();
        Some(next)
    }

    /// All askers for which `is_gone` holds go away. Returns those that compute instead.
    pub fn leave_all(&mut self, is_gone: impl Fn(&A) -> bool) -> Vec<A> {
        let mut gone: Vec<(u64, A)> = self
            .places
            .iter()
            .filter(|(asker, _)| is_gone(asker))
            .map(|(asker, place)| (place.turn, asker.clone()))
            .collect();
        // The last in line first: a flight passes to nobody that is about to leave it.
        gone.sort_unstable_by_key(|(turn, _)| std::cmp::Reverse(*turn));
        gone.into_iter().filter_map(|(_, asker)| self.leave(&asker)).collect()
    }

    fn end(&mut self, number: u64) -> Option<Flight<A>> {
        let flight = self.flights.remove(&number)?;
        self.places.remove(&flight.owner);
        if flight.is_current {
            self.by_key.remove(&flight.key);
        }
        // A storm of flights leaves no large tables behind.
        if self.flights.is_empty() && self.places.capacity() > 1024 {
            *self = Self { last: self.last, ..Self::default() };
        }
        Some(flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_computes_and_the_others_wait() {
        let mut flights = Flights::default();
        assert!(flights.begin(b"key", 1));
        assert!(!flights.begin(b"key", 2));
        assert!(flights.is_owner(&1) && !flights.is_owner(&2));
        assert!(flights.land(b"key", &2).is_none());
        assert!(flights.land(b"other", &1).is_none());
        let landed = flights.land(b"key", &1).expect("its own flight");
        assert!(landed.is_current);
        assert_eq!(landed.waiters, [2]);
        assert!(flights.land(b"key", &1).is_none());
        assert!(flights.places.is_empty());
    }

    #[test]
    fn the_next_in_line_takes_over() {
        let mut flights = Flights::default();
        for asker in 1..=4 {
            flights.begin(b"key", asker);
        }
        assert_eq!(flights.leave(&3), None);
        assert_eq!(flights.leave(&1), Some(2));
        assert_eq!(flights.land(b"key", &2).expect("its own now").waiters, [4]);
    }

    #[test]
    fn whoever_asks_after_a_change_starts_anew() {
        let mut flights = Flights::default();
        flights.begin(b"key", 1);
        flights.begin(b"key", 2);
        flights.overtake(b"key");
        assert!(!flights.is_current(b"key", &1));
        assert!(flights.begin(b"key", 3));
        assert_eq!(flights.leave(&1), Some(2));
        assert!(!flights.land(b"key", &2).expect("the old flight").is_current);
        assert!(flights.is_current(b"key", &3));
        assert!(flights.land(b"key", &3).expect("the new flight").is_current);
        assert!(flights.by_key.is_empty() && flights.flights.is_empty() && flights.places.is_empty());
    }

    #[test]
    fn those_that_leave_together_pass_their_flights_to_those_that_stay() {
        let mut flights = Flights::default();
        for asker in [1, 11, 12, 2, 13] {
            flights.begin(b"a", asker);
        }
        flights.begin(b"b", 14);
        flights.overtake_all();
        flights.begin(b"a", 15);
        let mut next = flights.leave_all(|asker| *asker != 2 && *asker != 13);
        next.sort_unstable();
        assert_eq!(next, [2]);
        assert_eq!(flights.land(b"a", &2).expect("passed on").waiters, [13]);
        assert!(flights.flights.is_empty() && flights.places.is_empty());
    }
}
