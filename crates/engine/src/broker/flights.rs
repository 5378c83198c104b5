//! One computation of a missing value for all clients.
//!
//! The first who asks for a missing key owns its flight and computes; the others wait for the outcome. Where the owner goes away, the
//! next one in line takes over. A key that somebody changes meanwhile is asked for anew: what was being computed answers
//! those who wait for it already, and is not stored.

use std::collections::{HashMap, VecDeque};

/// A request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asker {
    /// The session.
    pub session: u64,
    /// The number of its request.
    pub request: u32,
}

#[derive(Debug)]
struct Flight {
    owner: Asker,
    waiters: VecDeque<Asker>,
}

/// A flight that is over.
#[derive(Debug)]
pub struct Landed {
    /// Nobody has changed the key meanwhile.
    pub is_current: bool,
    /// Those who wait for the outcome.
    pub waiters: VecDeque<Asker>,
}

/// All flights.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_key: HashMap<Box<[u8]>, Flight>,
    overtaken: Vec<(Box<[u8]>, Flight)>,
}

impl Flights {
    /// Somebody misses a key; whether it owns the flight now, and computes.
    pub fn begin(&mut self, key: &[u8], asker: Asker) -> bool {
        if let Some(flight) = self.by_key.get_mut(key) {
            flight.waiters.push_back(asker);
            return false;
        }
        self.by_key.insert(key.into(), Flight { owner: asker, waiters: VecDeque::new() });
        true
    }

    /// The owner has an outcome; `None`: it owns no flight of this key.
    pub fn land(&mut self, key: &[u8], owner: Asker) -> Option<Landed> {
        if self.by_key.get(key).is_some_and(|flight| flight.owner == owner) {
            let flight = self.by_key.remove(key)?;
            return Some(Landed { is_current: true, waiters: flight.waiters });
        }
        let at = self.overtaken.iter().position(|(of, flight)| flight.owner == owner && **of == *key)?;
        Some(Landed { is_current: false, waiters: self.overtaken.swap_remove(at).1.waiters })
    }

    /// Whether this asker computes.
    pub fn is_owner(&self, key: &[u8], asker: Asker) -> bool {
        let is_it = |flight: &Flight| flight.owner == asker;
        self.by_key.get(key).is_some_and(is_it) || self.overtaken.iter().any(|(_, flight)| is_it(flight))
    }

    /// Somebody else changes a key.
    pub fn overtake(&mut self, key: &[u8]) {
        if let Some(flight) = self.by_key.remove_entry(key) {
            self.overtaken.push(flight);
        }
    }

    /// A request is taken back. Returns who computes instead, where it was the owner's.
    pub fn leave(&mut self, key: &[u8], asker: Asker) -> Option<Asker> {
        if let Some(flight) = self.by_key.get_mut(key) {
            match take_out(flight, asker) {
                Left::Waiter => return None,
                Left::PassedOn(next) => return Some(next),
                Left::Over => {
                    self.by_key.remove(key);
                    return None;
                }
                Left::Stranger => {}
            }
        }
        for at in 0..self.overtaken.len() {
            let (of, flight) = &mut self.overtaken[at];
            if **of != *key {
                continue;
            }
            match take_out(flight, asker) {
                Left::Waiter => return None,
                Left::PassedOn(next) => return Some(next),
                Left::Over => {
                    self.overtaken.swap_remove(at);
                    return None;
                }
                Left::Stranger => {}
            }
        }
        None
    }
}

enum Left {
    Stranger,
    Waiter,
    PassedOn(Asker),
    Over,
}

fn take_out(flight: &mut Flight, asker: Asker) -> Left {
    if flight.owner == asker {
        return match flight.waiters.pop_front() {
            Some(next) => {
                flight.owner = next;
                Left::PassedOn(next)
            }
            None => Left::Over,
        };
    }
    let before = flight.waiters.len();
    flight.waiters.retain(|&waiter| waiter != asker);
    if flight.waiters.len() == before { Left::Stranger } else { Left::Waiter }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(session: u64) -> Asker {
        Asker { session, request: 1 }
    }

    #[test]
    fn one_computes_and_the_others_wait() {
        let mut flights = Flights::default();
        assert!(flights.begin(b"key", asker(1)));
        assert!(!flights.begin(b"key", asker(2)));
        assert!(flights.land(b"key", asker(2)).is_none());
        let landed = flights.land(b"key", asker(1)).expect("its own flight");
        assert!(landed.is_current);
        assert_eq!(landed.waiters, [asker(2)]);
        assert!(flights.land(b"key", asker(1)).is_none());
    }

    #[test]
    fn the_next_in_line_takes_over() {
        let mut flights = Flights::default();
        for session in 1..=4 {
            flights.begin(b"key", asker(session));
        }
        assert_eq!(flights.leave(b"key", asker(3)), None);
        assert_eq!(flights.leave(b"key", asker(1)), Some(asker(2)));
        assert_eq!(flights.land(b"key", asker(2)).expect("its own now").waiters, [asker(4)]);
    }

    #[test]
    fn who_asks_after_a_change_starts_anew() {
        let mut flights = Flights::default();
        flights.begin(b"key", asker(1));
        flights.begin(b"key", asker(2));
        flights.overtake(b"key");
        assert!(flights.begin(b"key", asker(3)));
        assert_eq!(flights.leave(b"key", asker(1)), Some(asker(2)));
        let landed = flights.land(b"key", asker(2)).expect("the old flight");
        assert!(!landed.is_current);
        assert!(flights.land(b"key", asker(3)).expect("the new flight").is_current);
        assert!(flights.by_key.is_empty() && flights.overtaken.is_empty());
    }
}
