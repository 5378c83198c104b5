//! The shared cache, as the door uses it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use noizylab_engine::bridge::outbox::{Drain, Wake};
use noizylab_engine::bridge::{Frame, Outbox};
use noizylab_engine::cache::{self, Asker, Begin, Cache, Config, Item, Look, Policy};
use noizylab_engine::error::Error;
use noizylab_engine::payload::Tag;
use proptest::prelude::*;

const FOREVER: f64 = f64::INFINITY;

fn config(max_entries: u64, max_bytes: u64, policy: Policy) -> Config {
    Config { max_entries, max_bytes, max_entry_bytes: u64::MAX, policy }
}

fn entries(max_entries: u64) -> Cache {
    Cache::new(config(max_entries, u64::MAX, Policy::Lru))
}

fn item<'a>(key: &'a [u8], value: &'a [u8]) -> Item<'a> {
    Item { key, value, tag: 3, ttl: FOREVER, stale: 0.0 }
}

fn put(cache: &Cache, key: &str, value: &str) {
    cache.set(item(key.as_bytes(), value.as_bytes())).expect("it fits");
}

fn look(cache: &Cache, key: &str, how: Look) -> Option<String> {
    let mut value = Vec::new();
    cache.get(key.as_bytes(), how, |bytes| value.extend_from_slice(bytes))?;
    Some(String::from_utf8(value).expect("only text is stored here"))
}

fn get(cache: &Cache, key: &str) -> Option<String> {
    look(cache, key, Look::Use)
}

/// All that pages show, by key.
fn all(cache: &Cache) -> HashMap<Vec<u8>, Vec<u8>> {
    let mut found = HashMap::new();
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        let mut page = Vec::new();
        cursor = cache.page(at, Look::Peek, true, &mut page).expect("it is there");
        let mut rest = page.as_slice();
        while !rest.is_empty() {
            let word =
                |i: usize| u32::from_le_bytes(rest[4 * i..4 * i + 4].try_into().expect("4 bytes")) as usize;
            let (key, value) = (word(0), word(1));
            let seen = found.insert(rest[32..32 + key].to_vec(), rest[32 + key..32 + key + value].to_vec());
            assert!(seen.is_none(), "an entry is seen once");
            rest = &rest[(32 + key + value).next_multiple_of(8)..];
        }
    }
    found
}

#[test]
fn what_is_stored_is_found_until_it_is_dropped() {
    let cache = entries(10);
    put(&cache, "a", "1");
    put(&cache, "b", "2");
    put(&cache, "a", "3");
    assert_eq!(get(&cache, "a").as_deref(), Some("3"));
    assert_eq!(cache.stats().entries, 2);
    assert!(cache.delete(b"a"));
    assert!(!cache.delete(b"a"));
    assert_eq!(get(&cache, "a"), None);
    cache.clear();
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
    assert_eq!(get(&cache, "b"), None);
    put(&cache, "b", "4");
    assert_eq!(get(&cache, "b").as_deref(), Some("4"));
}

#[test]
fn every_change_of_an_entry_changes_the_version_of_its_slot() {
    let cache = entries(1);
    let place = |key: &str| cache.get(key.as_bytes(), Look::Peek, |_| {}).map(|found| found.place);
    put(&cache, "a", "1");
    let first = place("a").expect("it is there");
    assert_eq!(place("a"), Some(first));
    put(&cache, "a", "1");
    let second = place("a").expect("it is there");
    assert_eq!((second.segment, second.at), (first.segment, first.at));
    assert_ne!(second.version, first.version);
    put(&cache, "b", "1");
    let third = place("b").expect("it is there");
    assert_eq!((third.segment, third.at), (first.segment, first.at), "the slot is used again");
    assert!(third.version > second.version);
}

#[test]
fn the_least_recently_used_leaves_first_by_hits_that_the_cache_did_not_hear_of() {
    let cache = entries(3);
    for key in ["a", "b", "c"] {
        put(&cache, key, key);
    }
    // What an isolate does at a hit is what a lookup does.
    get(&cache, "a");
    put(&cache, "d", "d");
    assert_eq!(look(&cache, "b", Look::Peek), None);
    get(&cache, "c");
    put(&cache, "e", "e");
    assert_eq!(look(&cache, "a", Look::Peek), None);
    let mut left: Vec<_> = all(&cache).into_keys().collect();
    left.sort();
    assert_eq!(left, [b"c", b"d", b"e"]);
}

#[test]
fn a_scan_does_not_wash_out_what_is_used_often_under_tinylfu() {
    let survivors = |policy| {
        let cache = Cache::new(config(100, u64::MAX, policy));
        let hot: Vec<String> = (0..50).map(|n| format!("hot{n}")).collect();
        for round in 0..20 {
            for key in &hot {
                if get(&cache, key).is_none() {
                    put(&cache, key, "hot");
                }
            }
            put(&cache, &format!("warm{round}"), "warm");
        }
        for n in 0..1000 {
            put(&cache, &format!("scan{n}"), "scan");
        }
        hot.iter().filter(|key| look(&cache, key, Look::Peek).is_some()).count()
    };
    assert_eq!(survivors(Policy::Lru), 0);
    assert!(survivors(Policy::TinyLfu) >= 45);
}

#[test]
fn expired_entries_leave_before_live_ones_and_can_be_asked_for_while_they_are_kept() {
    let cache = entries(3);
    put(&cache, "live", "1");
    for (key, ttl, stale) in [("dead", -1.0, 0.0), ("kept", -1.0, 1e9)] {
        cache.set(Item { ttl, stale, ..item(key.as_bytes(), b"2") }).expect("it fits");
    }
    assert_eq!(get(&cache, "dead"), None);
    assert_eq!(get(&cache, "kept"), None);
    assert_eq!(look(&cache, "dead", Look::Stale), None);
    assert_eq!(look(&cache, "kept", Look::Stale).as_deref(), Some("2"));
    assert_eq!(cache.stats().entries, 1);
    assert!(!cache.delete(b"kept"), "an expired entry counts as none");
    put(&cache, "a", "3");
    put(&cache, "b", "4");
    assert_eq!(get(&cache, "live").as_deref(), Some("1"));
    assert_eq!(cache.stats().evictions, 0);
}

#[test]
fn what_is_too_large_is_refused_and_nothing_is_lost() {
    let cache = Cache::new(Config { max_entry_bytes: 200, ..config(u64::MAX, 1000, Policy::Lru) });
    put(&cache, "a", "1");
    let refused = cache.set(item(b"a", &[0; 200])).expect_err("it is too large");
    assert_eq!(refused.code(), "ERR_CACHE_ENTRY_TOO_LARGE");
    let key = vec![0; 1 << 24];
    assert!(matches!(cache.set(item(&key, b"")), Err(Error::CacheKeyTooLarge { .. })));
    assert_eq!(get(&cache, "a").as_deref(), Some("1"));
}

#[test]
fn an_entry_that_grows_to_the_whole_cache_replaces_all_others_and_itself() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let cache = Cache::new(config(u64::MAX, 1000, policy));
        for key in ["a", "b", "c", "d"] {
            put(&cache, key, "small");
        }
        put(&cache, "b", &"x".repeat(900));
        assert_eq!(cache.stats().entries, 1);
        assert_eq!(get(&cache, "b").map(|value| value.len()), Some(900));
        put(&cache, "b", &"y".repeat(930));
        assert_eq!(get(&cache, "b").map(|value| value.len()), Some(930));
        assert!(cache.stats().bytes <= 1000);
    }
}

#[test]
fn the_bounds_hold_at_every_moment_while_threads_write_in_bursts() {
    for (policy, max_bytes, max_entries) in [
        (Policy::Lru, 300_000, u64::MAX),
        (Policy::TinyLfu, 40 << 20, 70_000),
        (Policy::TinyLfu, 300_000, u64::MAX),
    ] {
        let cache = Cache::new(config(max_entries, max_bytes, policy));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..4u32)
                .map(|thread| {
                    let cache = &cache;
                    scope.spawn(move || {
                        let mut random = thread + 1;
                        for _ in 0..40_000 {
                            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            let key = (random >> 8) % 100_000;
                            let value = vec![key as u8; (random >> 24) as usize * 4];
                            match random % 16 {
                                0 => drop(cache.delete(&key.to_le_bytes())),
                                1..4 => {
                                    cache.get(&key.to_le_bytes(), Look::Use, |value| {
                                        assert!(value.iter().all(|&byte| byte == key as u8));
                                    });
                                }
                                _ => drop(cache.set(item(&key.to_le_bytes(), &value)).expect("it fits")),
                            }
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let stats = cache.stats();
                    assert!(stats.bytes <= max_bytes && stats.entries <= max_entries, "{stats:?}");
                }
            });
            for writer in writers {
                writer.join().expect("a writer does not panic");
            }
            done.store(true, Ordering::Relaxed);
        });
        let left = all(&cache);
        assert_eq!(left.len() as u64, cache.stats().entries);
        cache.clear();
        assert_eq!(
            (cache.stats().bytes, cache.stats().entries),
            (0, 0),
            "all that was reserved is given back"
        );
    }
}

proptest! {
    /// Against a map that forgets nothing: what the cache gives is always the last that was stored, and what it keeps is within its bounds.
    #[test]
    fn a_cache_answers_with_the_last_value_or_not_at_all(
        operations in prop::collection::vec((0u8..10, 0u8..30, 0usize..120), 1..400),
        tinylfu in any::<bool>(),
        by_bytes in any::<bool>(),
    ) {
        let policy = if tinylfu { Policy::TinyLfu } else { Policy::Lru };
        let (max_entries, max_bytes) = if by_bytes { (u64::MAX, 2000) } else { (12, u64::MAX) };
        let cache = Cache::new(config(max_entries, max_bytes, policy));
        let mut model: HashMap<u8, Vec<u8>> = HashMap::new();
        for (step, (operation, key, size)) in operations.into_iter().enumerate() {
            match operation {
                0 => {
                    cache.delete(&[key]);
                    model.remove(&key);
                }
                1 if step % 7 == 0 => {
                    cache.clear();
                    model.clear();
                }
                1..5 => {
                    let mut value = None;
                    cache.get(&[key], Look::Use, |bytes| value = Some(bytes.to_vec()));
                    prop_assert!(value.is_none() || value.as_ref() == model.get(&key));
                }
                _ => {
                    let value = vec![step as u8; size];
                    cache.set(item(&[key], &value)).expect("it fits");
                    prop_assert!(cache.get(&[key], Look::Peek, |_| {}).is_some(), "what was just stored is there");
                    model.insert(key, value);
                }
            }
            let stats = cache.stats();
            prop_assert!(stats.entries <= max_entries && stats.bytes <= max_bytes);
        }
        for (key, value) in all(&cache) {
            prop_assert_eq!(Some(&value), model.get(&key[0]));
        }
    }
}

struct NoWake;

impl Wake for NoWake {
    fn wake(&self) {}
}

fn asker(ticket: u64) -> Asker {
    Asker { outbox: Arc::new(Outbox::new(Box::new(NoWake))), channel: 7, ticket }
}

/// The outcome (0: done, 1: take over) and ticket of the one record that waits, if one does.
fn told(asker: &Asker) -> Option<(u32, u64)> {
    let mut buffer = [0; 256];
    match asker.outbox.drain_into(&mut buffer) {
        Drain::Written(0) => None,
        Drain::Written(_) => {
            let group = f64::from_le_bytes(buffer[8..16].try_into().expect("8 bytes"));
            Some((u32::from_le_bytes(buffer[16..20].try_into().expect("4 bytes")), group as u64))
        }
        Drain::Needs(bytes) => panic!("a record of {bytes} bytes"),
    }
}

#[test]
fn one_computes_and_all_are_told() {
    let cache = entries(10);
    let (first, second, third) = (asker(1), asker(2), asker(3));
    assert_eq!(cache.begin(b"k", first.clone()), Begin::Compute);
    assert_eq!(cache.begin(b"k", second.clone()), Begin::Wait);
    assert_eq!(cache.begin(b"k", third.clone()), Begin::Wait);
    assert_eq!(cache.begin(b"other", second.clone()), Begin::Compute);
    let frame = Frame::single(Tag::Text, b"value");
    cache.land(b"k", &second, &frame, Some(item(b"k", b"forged"))).expect("it fits");
    assert_eq!((told(&third), get(&cache, "k")), (None, None), "only the owner lands");
    cache.land(b"k", &first, &frame, Some(item(b"k", b"value"))).expect("it fits");
    assert_eq!((told(&second), told(&third), told(&first)), (Some((0, 2)), Some((0, 3)), None));
    assert_eq!(get(&cache, "k").as_deref(), Some("value"));
    assert_eq!(cache.begin(b"k", third), Begin::Compute, "the flight is over");
}

#[test]
fn a_change_meanwhile_wins_over_what_is_computed() {
    type Change = fn(&Cache);
    let changes: [(&str, Change, Option<&str>); 3] = [
        ("set", |cache| put(cache, "k", "set"), Some("set")),
        ("delete", |cache| assert!(!cache.delete(b"k")), None),
        ("clear", Cache::clear, None),
    ];
    for (name, change, expected) in changes {
        let cache = entries(10);
        let (owner, waiter) = (asker(1), asker(2));
        cache.begin(b"k", owner.clone());
        cache.begin(b"k", waiter.clone());
        change(&cache);
        // Who asks from now on does not get what was computed of the old state.
        let late = asker(3);
        assert_eq!(cache.begin(b"k", late.clone()), Begin::Compute, "{name}");
        let frame = Frame::single(Tag::Text, b"computed");
        cache.land(b"k", &owner, &frame, Some(item(b"k", b"computed"))).expect("it fits");
        assert_eq!(get(&cache, "k").as_deref(), expected, "{name}");
        assert_eq!(told(&waiter), Some((0, 2)), "{name}");
        cache.land(b"k", &late, &frame, Some(item(b"k", b"new"))).expect("it fits");
        assert_eq!(get(&cache, "k").as_deref(), Some("new"), "{name}");
    }
}

#[test]
fn when_an_isolate_ends_the_next_one_takes_over() {
    let cache = cache::open("take over", config(10, u64::MAX, Policy::Lru), true).expect("it is new");
    let (owner, second, third) = (asker(1), asker(2), asker(3));
    for one in [&owner, &second, &third] {
        cache.begin(b"k", one.clone());
    }
    second.outbox.close();
    cache::forget(&second.outbox);
    owner.outbox.close();
    cache::forget(&owner.outbox);
    assert_eq!(told(&third), Some((1, 3)));
    let frame = Frame::single(Tag::Text, b"late");
    cache.land(b"k", &owner, &frame, Some(item(b"k", b"late"))).expect("it fits");
    assert_eq!(get(&cache, "k"), None, "the dead do not land");
    third.outbox.close();
    cache::forget(&third.outbox);
    assert_eq!(cache.begin(b"k", asker(4)), Begin::Compute);
}

#[test]
fn a_name_is_one_cache_and_other_bounds_are_refused() {
    let bounds = config(10, 1000, Policy::Lru);
    let one = cache::open("one", bounds, true).expect("it is new");
    put(&one, "k", "v");
    let again = cache::open("one", config(99, 99, Policy::TinyLfu), false).expect("no bounds are asked for");
    assert_eq!(get(&again, "k").as_deref(), Some("v"));
    let error = cache::open("one", config(11, 1000, Policy::TinyLfu), true).expect_err("the bounds differ");
    assert_eq!(error.code(), "ERR_CACHE_MISMATCH");
    let text = error.to_string();
    assert!(
        text.contains("maxSize 10,") && text.contains("maxSize 11,") && text.contains("'tinylfu'"),
        "{text}"
    );
}

/// A caller took the tick before it waited for the lock. Meanwhile others inserted, and a hit of theirs had a later tick: it seemed to be
/// as old as a stamp can be, and the key that all of them used was thrown out.
#[test]
fn a_key_that_is_hit_between_any_two_insertions_stays_however_many_threads_insert() {
    const SIZE: u64 = 64;
    let cache = Cache::new(Config {
        max_entries: SIZE,
        max_bytes: u64::MAX,
        max_entry_bytes: u64::MAX,
        policy: Policy::Lru,
    });
    let of = |key: &'static [u8]| Item { key, value: b"v", tag: 2, ttl: f64::INFINITY, stale: 0.0 };
    cache.set(of(b"hot")).expect("it is there");
    // Between its hit and its insertion a thread may be off the processor while the others fill the cache: then the key is old indeed. All
    // insert once a round, so it never is.
    let threads = 8;
    let round = std::sync::Barrier::new(threads);
    let lost = std::sync::atomic::AtomicU32::new(0);
    thread::scope(|scope| {
        for thread in 0..threads as u64 {
            let (cache, round, lost) = (&cache, &round, &lost);
            scope.spawn(move || {
                for n in 0..4000_u64 {
                    round.wait();
                    if cache.get(b"hot", Look::Use, |_| ()).is_none() {
                        lost.fetch_add(1, Ordering::Relaxed);
                        cache.set(of(b"hot")).expect("it is there");
                    }
                    let key = (thread << 32 | n).to_le_bytes();
                    cache.set(Item { key: &key, value: b"v", ..of(b"") }).expect("it is there");
                }
            });
        }
    });
    assert_eq!(lost.into_inner(), 0);
}

#[test]
fn a_destroyed_cache_takes_nothing_and_its_name_is_free() {
    let config = |max_entries| Config {
        max_entries,
        max_bytes: u64::MAX,
        max_entry_bytes: u64::MAX,
        policy: Policy::Lru,
    };
    let item = Item { key: b"k", value: b"v", tag: 2, ttl: f64::INFINITY, stale: 0.0 };
    let old = cache::open("to destroy", config(10), true).expect("it is there");
    old.set(item).expect("it is there");
    assert!(cache::destroy("to destroy"));
    assert!(!cache::destroy("to destroy"));
    assert!(old.get(b"k", Look::Use, |_| ()).is_none());
    assert_eq!(old.set(item).expect_err("it is destroyed").code(), "ERR_CACHE_DESTROYED");
    assert_eq!((old.stats().entries, old.stats().bytes), (0, 0));
    let new = cache::open("to destroy", config(20), true).expect("it is there");
    new.set(item).expect("it is there");
    assert!(new.get(b"k", Look::Use, |_| ()).is_some() && !old.delete(b"k"));
}
