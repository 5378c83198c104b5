//! What sessions promise, with the real state behind them and without a socket: a store that agrees with a simple model, leases that are never held
//! twice, computations that always come to an end, and no frame that does harm.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use noizylab_engine::bridge::{Outbox, Wake};
use noizylab_engine::broker::session::{Credit, Mailbox, Session};
use noizylab_engine::broker::wire::{HEADER, Header, answer, kind, tag};
use noizylab_engine::broker::{Config, Core, Level, Owner};
use parking_lot::Mutex;
use proptest::prelude::*;

const ITEMS: u64 = 8;

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// Keeps the frames that come late.
#[derive(Default)]
struct Kept(Mutex<Vec<u8>>);

impl Mailbox for Kept {
    fn deliver(&self, head: [u8; HEADER], body: Arc<[u8]>, _: Option<Credit>) {
        self.0.lock().extend([&head[..], &body].concat());
    }

    fn hang_up(&self) -> bool {
        false
    }
}

fn core() -> Arc<Core> {
    let config = Config {
        pipe: String::new(),
        secret: None,
        max_request_size: 1 << 20,
        max_value_size: 64,
        max_items: ITEMS,
        max_leases: 100,
        max_connections: 1,
        require_ttl: true,
        default_ttl: 1e9,
        refresh_ttl_on_get: false,
        request_timeout: Duration::ZERO,
        sweeper_interval: Duration::from_secs(3600),
        idle_timeout: None,
        heartbeat_interval: None,
        metrics: true,
        spin: Duration::ZERO,
    };
    let outbox = Arc::new(Outbox::new(Box::new(Nobody)));
    Core::new(config, Owner::new(outbox, 1, Level::Error))
}

/// An answer: the number of its request, its kind, its tag, its body.
type Answer = (u32, u8, u8, Vec<u8>);

struct Client {
    session: Session,
    late: Arc<Kept>,
    last: u32,
    /// Of the lease that it got last.
    token: Vec<u8>,
}

impl Client {
    fn new(core: &Arc<Core>) -> Self {
        let late = Arc::new(Kept::default());
        Self { session: Session::open(core, Arc::clone(&late) as _), late, last: 0, token: Vec::new() }
    }

    /// Sends a request; its number, and the answer if there is one already.
    fn send(&mut self, kind: u8, tag: u8, key: &[u8], rest: &[u8]) -> (u32, Option<Answer>) {
        self.last += 1;
        let body = [key, rest].concat();
        let header = Header { length: body.len() as u32, id: self.last, kind, tag, key: key.len() as u16 };
        let mut out = Vec::new();
        self.session.frame(&header, &body, &mut out);
        let mut answers = read(&out);
        assert!(answers.len() <= 1, "one request has one answer");
        (self.last, answers.pop())
    }

    fn ask(&mut self, kind: u8, tag: u8, key: &[u8], rest: &[u8]) -> Answer {
        self.send(kind, tag, key, rest).1.expect("an answer at once")
    }

    fn get(&mut self, key: &[u8]) -> Result<Vec<u8>, String> {
        result(self.ask(kind::GET, 0, key, &[]))
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, String> {
        result(self.ask(kind::SET, tag::TEXT, key, &[&ttl(), value].concat()))
    }

    /// Remembers the token of a lease; its value.
    fn keep(&mut self, lease: &[u8]) -> u32 {
        let (value, token) = lease.split_at(4);
        self.token = token.to_vec();
        u32::from_le_bytes(value.try_into().expect("four bytes"))
    }

    fn late(&self) -> Vec<Answer> {
        read(&std::mem::take(&mut *self.late.0.lock()))
    }
}

fn ttl() -> [u8; 8] {
    1e9f64.to_le_bytes()
}

fn read(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(header) = Header::read(bytes) {
        let (body, rest) = bytes[HEADER..].split_at(header.length as usize);
        answers.push((header.id, header.kind, header.tag, body.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole frames");
    answers
}

fn result((_, kind, _, body): Answer) -> Result<Vec<u8>, String> {
    match kind {
        answer::OK => Ok(body),
        _ => Err(String::from_utf8(body).expect("a word")),
    }
}

#[derive(Clone, Debug)]
enum Act {
    Get(u8),
    Set(u8, Vec<u8>),
    Del(u8),
    Incr(u8, i16),
    Cas(u8, Option<Vec<u8>>, Vec<u8>),
    Mset(Vec<(u8, Vec<u8>)>),
    Mget(Vec<u8>),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = 0u8..12;
    let value = || proptest::collection::vec(b'0'..b'4', 0..3);
    let act = prop_oneof![
        key.clone().prop_map(Act::Get),
        (key.clone(), value()).prop_map(|(key, value)| Act::Set(key, value)),
        key.clone().prop_map(Act::Del),
        (key.clone(), any::<i16>()).prop_map(|(key, by)| Act::Incr(key, by)),
        (key.clone(), proptest::option::of(value()), value())
            .prop_map(|(key, old, new)| Act::Cas(key, old, new)),
        proptest::collection::vec((key.clone(), value()), 0..6).prop_map(Act::Mset),
        proptest::collection::vec(key, 0..6).prop_map(Act::Mget),
    ];
    proptest::collection::vec(act, 0..200)
}

/// A value of the model: a string, or a number that INCR has made.
#[derive(Clone, Debug, PartialEq)]
enum Model {
    Text(Vec<u8>),
    Number(f64),
}

impl Model {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => format!("{number}").into_bytes(),
        }
    }
}

fn name(key: u8) -> Vec<u8> {
    format!("key{key}").into_bytes()
}

proptest! {
    #[test]
    fn a_store_agrees_with_a_map_that_has_a_bound(acts in acts()) {
        let core = core();
        let mut client = Client::new(&core);
        let mut model: BTreeMap<u8, Model> = BTreeMap::new();
        for act in acts {
            let has_room = |model: &BTreeMap<u8, Model>, keys: &HashSet<u8>| {
                let fresh = keys.iter().filter(|key| !model.contains_key(key)).count();
                (model.len() + fresh) as u64 <= ITEMS || fresh == 0
            };
            match act {
                Act::Get(key) => {
                    let expected = model.get(&key).map(Model::bytes).ok_or_else(|| "not_found".to_owned());
                    prop_assert_eq!(client.get(&name(key)), expected);
                }
                Act::Set(key, value) => {
                    let fits = has_room(&model, &HashSet::from([key]));
                    prop_assert_eq!(client.set(&name(key), &value).is_ok(), fits);
                    if fits {
                        model.insert(key, Model::Text(value));
                    }
                }
                Act::Del(key) => {
                    let told = result(client.ask(kind::DEL, 0, &name(key), &[])).expect("always");
                    let expected: &[u8] = if model.remove(&key).is_some() { b"true" } else { b"false" };
                    prop_assert_eq!(told, expected);
                }
                Act::Incr(key, by) => {
                    let by = f64::from(by);
                    let told = result(client.ask(kind::INCR, 0, &name(key), &[ttl(), by.to_le_bytes()].concat()));
                    let before = match model.get(&key) {
                        None => Some(0.0),
                        Some(Model::Number(number)) => Some(*number),
                        Some(Model::Text(_)) => None,
                    };
                    match before {
                        None => prop_assert_eq!(told, Err("not_a_number".to_owned())),
                        Some(_) if !has_room(&model, &HashSet::from([key])) => {
                            prop_assert_eq!(told, Err("max_items".to_owned()));
                        }
                        Some(before) => {
                            let after = Model::Number(before + by + 0.0);
                            prop_assert_eq!(told, Ok(after.bytes()));
                            model.insert(key, after);
                        }
                    }
                }
                Act::Cas(key, old, new) => {
                    let expected = old.clone().unwrap_or_default();
                    let expected_tag = if old.is_some() { tag::TEXT } else { tag::NONE };
                    let length = (expected.len() as u32).to_le_bytes();
                    let rest = [&ttl()[..], &[expected_tag], &length, &expected, &new].concat();
                    let told = result(client.ask(kind::CAS, tag::TEXT, &name(key), &rest));
                    if model.get(&key) != old.map(Model::Text).as_ref() {
                        prop_assert_eq!(told, Ok(b"false".to_vec()));
                    } else if has_room(&model, &HashSet::from([key])) {
                        prop_assert_eq!(told, Ok(b"true".to_vec()));
                        model.insert(key, Model::Text(new));
                    } else {
                        prop_assert_eq!(told, Err("max_items".to_owned()));
                    }
                }
                Act::Mset(entries) => {
                    let mut rest = [&ttl()[..], &(entries.len() as u32).to_le_bytes()].concat();
                    for (key, value) in &entries {
                        let key = name(*key);
                        rest.extend((key.len() as u16).to_le_bytes());
                        rest.push(tag::TEXT);
                        rest.extend((value.len() as u32).to_le_bytes());
                        rest.extend(key);
                        rest.extend(value);
                    }
                    let keys = entries.iter().map(|(key, _)| *key).collect();
                    let fits = has_room(&model, &keys);
                    prop_assert_eq!(result(client.ask(kind::MSET, 0, &[], &rest)).is_ok(), fits);
                    if fits {
                        model.extend(entries.into_iter().map(|(key, value)| (key, Model::Text(value))));
                    }
                }
                Act::Mget(keys) => {
                    let mut rest = (keys.len() as u32).to_le_bytes().to_vec();
                    for key in &keys {
                        let key = name(*key);
                        rest.extend((key.len() as u32).to_le_bytes());
                        rest.extend(key);
                    }
                    let told = result(client.ask(kind::MGET, 0, &[], &rest)).expect("always");
                    let mut expected = (keys.len() as u32).to_le_bytes().to_vec();
                    for key in &keys {
                        let found = model.get(key);
                        expected.push(match found {
                            None => tag::NONE,
                            Some(Model::Text(_)) => tag::TEXT,
                            Some(Model::Number(_)) => tag::JSON,
                        });
                        let bytes = found.map(Model::bytes).unwrap_or_default();
                        expected.extend((bytes.len() as u32).to_le_bytes());
                        expected.extend(bytes);
                    }
                    prop_assert_eq!(told, expected);
                }
            }
        }
    }

    #[test]
    fn no_value_is_leased_twice_and_nobody_waits_in_vain(steps in proptest::collection::vec((0usize..12, 0u8..3), 0..200)) {
        const VALUES: u32 = 3;
        let core = core();
        let mut clients: Vec<Option<Client>> = (0..12).map(|_| Some(Client::new(&core))).collect();
        let mut waits: HashMap<usize, u32> = HashMap::new();
        let mut holds: HashMap<usize, u32> = HashMap::new();
        for (at, what) in steps {
            let worker = format!("worker{at}").into_bytes();
            if what < 2 && waits.contains_key(&at) {
                continue;
            }
            if what == 2 {
                // It is killed: what it waited for and owned is free, and somebody comes in its place.
                clients[at] = None;
                clients[at] = Some(Client::new(&core));
                waits.remove(&at);
                holds.remove(&at);
            } else if holds.remove(&at).is_some() {
                let client = clients[at].as_mut().expect("there");
                let token = client.token.clone();
                let told = result(client.ask(kind::RELEASE, 0, &[], &[&token[..], &worker].concat()));
                prop_assert_eq!(told, Ok(b"true".to_vec()));
            } else {
                let client = clients[at].as_mut().expect("there");
                let rest = [&ttl()[..], &f64::INFINITY.to_le_bytes(), &VALUES.to_le_bytes(), &[1], &worker].concat();
                let (request, told) = client.send(kind::LEASE, 0, b"pool", &rest);
                match told {
                    Some(told) => {
                        let body = result(told).expect("a lease");
                        holds.insert(at, client.keep(&body));
                    }
                    None => drop(waits.insert(at, request)),
                }
            }
            for (at, client) in clients.iter_mut().enumerate() {
                let client = client.as_mut().expect("there");
                for told in client.late() {
                    prop_assert_eq!(waits.remove(&at), Some(told.0));
                    let body = result(told).expect("a lease");
                    holds.insert(at, client.keep(&body));
                }
            }
            let values: HashSet<u32> = holds.values().copied().collect();
            prop_assert_eq!(values.len(), holds.len());
            prop_assert!(values.iter().all(|&value| value < VALUES));
            prop_assert!(waits.is_empty() || holds.len() == VALUES as usize, "somebody waits though something is free");
        }
    }

    #[test]
    fn no_frame_does_harm(frames in proptest::collection::vec((any::<u8>(), any::<u8>(), 0u16..40, proptest::collection::vec(any::<u8>(), 0..60)), 0..60)) {
        let core = core();
        let mut client = Client::new(&core);
        for (at, (kind, tag, key, body)) in frames.into_iter().enumerate() {
            let header = Header { length: body.len() as u32, id: at as u32, kind: kind % 20, tag: tag % 18, key };
            let mut out = Vec::new();
            client.session.frame(&header, &body, &mut out);
            read(&out);
        }
        client.late();
        let mut other = Client::new(&core);
        let told = other.get(b"nothing of the kind");
        prop_assert_eq!(told, Err("not_found".to_owned()));
    }
}

#[test]
fn counting_in_many_threads_loses_nothing() {
    let core = core();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                let mut client = Client::new(&core);
                for _ in 0..5000 {
                    let rest = [ttl(), 1f64.to_le_bytes()].concat();
                    result(client.ask(kind::INCR, 0, b"count", &rest)).expect("a number");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert_eq!(Client::new(&core).get(b"count"), Ok(b"40000".to_vec()));
}

#[test]
fn a_computation_passes_on_until_somebody_lands_it() {
    let core = core();
    let mut clients: Vec<Client> = (0..5).map(|_| Client::new(&core)).collect();
    let asked: Vec<_> = clients.iter_mut().map(|client| client.send(kind::BEGIN, 0, b"key", &[])).collect();
    assert_eq!(asked[0].1.as_ref().map(|told| told.1), Some(answer::COMPUTE));
    assert!(asked[1..].iter().all(|(_, told)| told.is_none()));
    drop(clients.remove(0));
    drop(clients.remove(0));
    let told = clients[0].late();
    assert_eq!(told.iter().map(|told| told.1).collect::<Vec<_>>(), [answer::COMPUTE]);
    let rest = [&told[0].0.to_le_bytes()[..], &ttl(), &[1], b"value"].concat();
    assert!(result(clients[0].ask(kind::LAND, tag::TEXT, b"key", &rest)).is_ok());
    for client in &mut clients[1..] {
        assert_eq!(client.late().pop().map(result), Some(Ok(b"value".to_vec())));
    }
    assert_eq!(clients[1].get(b"key"), Ok(b"value".to_vec()));
}

/// A key that was set anew just after its time was over used to be told as set, and then as expired.
#[test]
fn what_watches_tell_is_in_the_order_in_which_it_happened() {
    let core = core();
    let mut watcher = Client::new(&core);
    assert!(result(watcher.ask(kind::WATCH, 0, b"", &100u32.to_le_bytes())).is_ok());
    let mut client = Client::new(&core);
    let rest = [&0.01f64.to_le_bytes()[..], b"old"].concat();
    assert!(result(client.ask(kind::SET, tag::TEXT, b"key", &rest)).is_ok());
    let due = core.now() + 0.02;
    while core.now() < due {
        thread::yield_now();
    }
    client.set(b"key", b"new").expect("room");
    client.ask(kind::DEL, 0, b"key", &[]);
    let told: Vec<u8> = watcher.late().iter().map(|(_, _, _, body)| body[3]).collect();
    assert_eq!(told, [1, 3, 1, 2]);
}
