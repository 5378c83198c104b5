//! Actors at the door. `ts/actor/` is their face, `crates/engine/src/actor/` their engine.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, Either, Float64ArraySlice, Undefined};
use noizylab_engine::actor::office::{Office, Post};
use noizylab_engine::actor::rates::{self, Rates};
use noizylab_engine::actor::slots;
use noizylab_engine::actor::table::{self, Naming};
use noizylab_entry::entry;

use crate::error::{Result, from_engine};
use crate::isolate;
use crate::memory::{UNMAPPED, map_words};

/// Opens the office of a load: `[number, channel]`, by which others and the bridge know it.
#[entry]
pub fn actor_open(load: u32) -> Option<Vec<u32>> {
    isolate::with(|isolate| {
        let outbox = isolate.outbox(load)?;
        let channel = isolate.next();
        let office = Office::open(outbox, channel);
        let number = office.number();
        isolate.open_office(load, office);
        Some(vec![number, channel])
    })?
}

/// A process has started in an office's thread; the number of its slot of counters, or `null`: there is one of this id.
#[entry]
pub fn actor_add(office: u32, id: String) -> Option<u32> {
    table::add(office, &id)
}

/// A process has ended; its names are free.
#[entry]
pub fn actor_remove(id: String) {
    table::remove(&id);
}

/// The number of the office in whose thread a process runs; 0: there is none.
#[entry]
pub fn actor_office(id: String) -> u32 {
    table::office_of(&id).map_or(0, |office| office.number())
}

/// The number of a process's slot.
#[entry]
pub fn actor_slot(id: String) -> Option<u32> {
    table::slot_of(&id)
}

/// A segment of slots: 1024 times eight doubles. `undefined` where foreign memory is refused, or there is none.
#[entry]
pub fn actor_segment(env: &Env, number: u32) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    slots::segment(number).map_or(Ok(UNMAPPED), |segment| map_words(env, &segment))
}

/// The number at `field` of a slot, for isolates that cannot map its segment.
#[entry]
pub fn actor_counter(slot: u32, field: u32) -> f64 {
    slots::get(slot, field)
}

/// Sets the number at `field` of a slot of this thread's, as [`actor_counter`].
#[entry]
pub fn actor_set_counter(slot: u32, field: u32, value: f64) {
    slots::set(slot, field, value);
}

/// Sends post to an office. Returns how many bytes are under way to it now, this post included; -1: it is closed.
///
/// Throws `ERR_CORE_OUT_OF_MEMORY`; nothing was sent.
#[entry]
pub fn actor_post(to: u32, from: u32, bytes: &[u8], length: f64) -> Result<f64> {
    let Some(office) = table::office(to) else { return Ok(-1.0) };
    let bytes = bytes.get(..length as usize).unwrap_or_default();
    office.post(Post { from, bytes }).map(|under_way| under_way as f64).map_err(from_engine)
}

/// How many bytes are under way to an office; 0 where it is closed.
#[entry]
pub fn actor_under_way(to: u32) -> f64 {
    table::office(to).map_or(0.0, |office| office.under_way() as f64)
}

/// How many posts that the office `from` has sent to another were taken by the thread of that.
#[entry]
pub fn actor_taken(to: u32, from: u32) -> f64 {
    table::office(to).map_or(0.0, |office| office.taken_from(from) as f64)
}

/// Says by which office's thread that of an office was started: it can end it.
#[entry]
pub fn actor_owned(office: u32, owner: u32) {
    if let Some(office) = table::office(office) {
        office.set_owner(owner);
    }
}

/// The number of the office whose thread can end that of an office; 0: there is none.
#[entry]
pub fn actor_owner(office: u32) -> u32 {
    table::office(office).map_or(0, |office| office.owner())
}

/// Gives a name to a process: 0 given, 1 another has it, 2 there is no such process.
#[entry]
pub fn actor_name(name: String, id: String) -> u32 {
    match table::name(&name, &id) {
        Naming::Given => 0,
        Naming::Taken => 1,
        Naming::NoProcess => 2,
    }
}

/// Takes a name back from a process; where another has it, not.
#[entry]
pub fn actor_unname(name: String, id: String) {
    table::unname(&name, &id);
}

/// Takes all its names from a process.
#[entry]
pub fn actor_unname_all(id: String) {
    table::unname_all(&id);
}

/// How many names there are.
#[entry]
pub fn actor_count_names() -> u32 {
    table::count_names() as u32
}

/// The id of the process of a name.
#[entry]
pub fn actor_whereis(name: String) -> Option<String> {
    table::whereis(&name)
}

/// All names, in the order in which they were given.
#[entry]
pub fn actor_names() -> Vec<String> {
    table::names()
}

/// Opens the rate limiter of a name, which all threads share: `limit` units in a window of so many milliseconds. Returns its handle.
///
/// Throws `ERR_ACTOR_MISMATCH`.
#[entry]
pub fn rates_open(load: u32, name: String, limit: f64, window: f64) -> Result<u32> {
    let rates = rates::open(&name, limit, window).map_err(from_engine)?;
    let handle = isolate::with(|isolate| {
        let handle = isolate.next();
        isolate.rates.insert(handle, (load, rates));
        handle
    });
    Ok(handle.unwrap_or(0))
}

/// Asks for `cost` units at the time `now`, which are counted if `consume`; whether it is allowed. `reply` is filled with: what counted before, what remains,
/// milliseconds until the oldest leaves, and until the same request will be allowed.
#[entry]
pub fn rates_ask(
    handle: u32,
    key: String,
    cost: f64,
    now: f64,
    consume: bool,
    #[napi(ts_arg_type = "Float64Array")] mut reply: Float64ArraySlice<'_>,
) -> bool {
    let Some(rates) = find_rates(handle) else { return false };
    let answer = rates.ask(&key, cost, now, consume);
    // SAFETY: it belongs to the face of this isolate, on whose thread this runs; nobody else looks at it now.
    let reply = unsafe { reply.as_mut() };
    let told = [answer.current, answer.remaining, answer.reset, answer.retry_after];
    for (word, value) in reply.iter_mut().zip(told) {
        *word = value;
    }
    answer.allowed
}

/// Forgets what was counted for a key; whether there was anything.
#[entry]
pub fn rates_reset(handle: u32, key: String, now: f64) -> bool {
    find_rates(handle).is_some_and(|rates| rates.reset(&key, now))
}

/// The keys of which anything counts; the others are dropped.
#[entry]
pub fn rates_keys(handle: u32, now: f64) -> Vec<String> {
    find_rates(handle).map(|rates| rates.keys(now)).unwrap_or_default()
}

/// Closes a handle. The limiter lives as long as another thread has one.
#[entry]
pub fn rates_close(handle: u32) {
    isolate::with(|isolate| isolate.rates.remove(&handle));
}

fn find_rates(handle: u32) -> Option<Arc<Rates>> {
    isolate::with(|isolate| isolate.rates.get(&handle).map(|(_, rates)| Arc::clone(rates))).flatten()
}
