//! Actors at the door. `ts/actor/` is their face, `crates/engine/src/actor/` their engine.

use napi::Env;
use napi_derive::napi;
use noizylab_engine::actor::office::{Office, Post};
use noizylab_engine::actor::slots;
use noizylab_engine::actor::table::{self, Naming};

use crate::error::Result;
use crate::isolate;
use crate::memory::{Raw, map_words};

/// A process as [`actor_processes`] shows it.
#[napi(object)]
pub struct ActorProcess {
    /// Its id.
    pub id: String,
    /// The number of its thread's office.
    pub office: u32,
    /// The number of its slot of counters.
    pub slot: u32,
}

/// Opens the office of a load: `[number, channel]`, by which others and the bridge know it.
#[napi]
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

/// A process has started in an office's thread; the number of its slot of counters, or `undefined`: there is one of this id.
#[napi]
pub fn actor_add(office: u32, id: String) -> Option<u32> {
    table::add(office, &id)
}

/// A process has ended; its names are free.
#[napi]
pub fn actor_remove(id: String) {
    table::remove(&id);
}

/// The number of the office in whose thread a process runs; 0: there is none.
#[napi]
pub fn actor_office(id: String) -> u32 {
    table::office_of(&id).map_or(0, |office| office.number())
}

/// The number of a process's slot.
#[napi]
pub fn actor_slot(id: String) -> Option<u32> {
    table::slot_of(&id)
}

/// A segment of slots: 1024 times eight doubles. `undefined` where foreign memory is refused, or there is none.
#[napi(ts_return_type = "ArrayBuffer | undefined")]
pub fn actor_segment(env: Env, number: u32) -> Result<Option<Raw>> {
    slots::segment(number).map_or(Ok(None), |segment| map_words(&env, &segment))
}

/// Sends post to an office; `false`: it is closed.
#[napi]
pub fn actor_post(to: u32, from: u32, ticket: f64, kind: u32, bytes: &[u8], length: u32) -> bool {
    let bytes = bytes.get(..length as usize).unwrap_or_default();
    table::office(to).map(|office| office.post(Post { from, ticket: ticket as u64, kind, bytes })).is_some()
}

/// Gives a name to a process: 0 given, 1 another has it, 2 there is no such process.
#[napi]
pub fn actor_name(name: String, id: String) -> u32 {
    match table::name(&name, &id) {
        Naming::Given => 0,
        Naming::Taken => 1,
        Naming::NoProcess => 2,
    }
}

/// Takes a name back.
#[napi]
pub fn actor_unname(name: String) {
    table::unname(&name);
}

/// The id of the process of a name.
#[napi]
pub fn actor_whereis(name: String) -> Option<String> {
    table::whereis(&name)
}

/// All names, in the order in which they were given.
#[napi]
pub fn actor_names() -> Vec<String> {
    table::names()
}

/// All processes of all threads.
#[napi]
pub fn actor_processes() -> Vec<ActorProcess> {
    table::processes().into_iter().map(|(id, office, slot)| ActorProcess { id, office, slot }).collect()
}
