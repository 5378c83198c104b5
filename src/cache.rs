//! Shared caches at the door. `ts/cache/shared-store.ts` is their face, `crates/engine/src/cache/` their engine.
//!
//! Keys and values come as bytes of one buffer: the key first, the value right after it. How they are encoded is the affair of the face.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, Either, Float64ArraySlice, Uint8Array, Uint8ArraySlice, Undefined};
use noizylab_engine::bridge::Frame;
use noizylab_engine::cache::{self, Asker, Begin, Cache, Config, Found, Item, Look, Policy};
use noizylab_engine::error::Error;
use noizylab_engine::payload::Tag;
use noizylab_entry::entry;

use crate::error::{Result, from_engine};
use crate::isolate;
use crate::memory::{UNMAPPED, map, map_words};

/// Opens the cache of this name for a load. The first in the process makes it with these bounds (`Infinity`: none; `policy` 0: least recently
/// used, 1: W-TinyLFU); `given`: they were chosen, and must be the cache's.
///
/// Returns its handle, which is also the channel of its records. Throws `ERR_CACHE_MISMATCH`.
#[entry]
pub fn cache_open(
    load: u32,
    name: String,
    max_entries: f64,
    max_bytes: f64,
    max_entry_bytes: f64,
    policy: u32,
    given: bool,
) -> Result<u32> {
    let bound = |value: f64| if value.is_finite() { value as u64 } else { u64::MAX };
    let config = Config {
        max_entries: bound(max_entries),
        max_bytes: bound(max_bytes),
        max_entry_bytes: bound(max_entry_bytes),
        policy: Policy::from_u32(policy).unwrap_or(Policy::Lru),
    };
    let cache = cache::open(&name, config, given).map_err(from_engine)?;
    let handle = isolate::with(|isolate| {
        let handle = isolate.next();
        isolate.open_cache(handle, load, cache);
        handle
    });
    handle.ok_or_else(|| from_engine(Error::Unreadable))
}

/// The bounds of a cache: most entries, bytes, bytes of an entry, and the policy.
#[entry]
pub fn cache_bounds(handle: u32) -> Option<Vec<f64>> {
    let Config { max_entries, max_bytes, max_entry_bytes, policy } = find(handle)?.config();
    let bound = |value: u64| if value == u64::MAX { f64::INFINITY } else { value as f64 };
    Some(vec![bound(max_entries), bound(max_bytes), bound(max_entry_bytes), f64::from(policy as u32)])
}

/// The tick that hits are stamped with, as one u32 in an `ArrayBuffer`; `undefined` where foreign memory is refused: then every lookup
/// has to cross.
#[entry]
pub fn cache_tick(env: &Env, handle: u32) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    find(handle).map_or(Ok(UNMAPPED), |cache| map(env, cache.tick(), cache.tick().memory()))
}

/// Where this isolate counts the hits that it answers itself, as one double in an `ArrayBuffer`.
#[entry]
pub fn cache_hits(env: &Env, handle: u32) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    find(handle).map_or(Ok(UNMAPPED), |cache| map_words(env, &cache.attach()))
}

/// The control words of a segment of slots, version and stamp of each as two u32 in an `ArrayBuffer`.
#[entry]
pub fn cache_segment(env: &Env, handle: u32, segment: u32) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    let found = find(handle).and_then(|cache| cache.segment(segment));
    found.map_or(Ok(UNMAPPED), |segment| map(env, &segment, segment.memory()))
}

/// Looks for a key: `look` 0 as a use, 1 without a trace, 2 also at an expired entry that is still kept. Returns the length of the value, or -1;
/// it is copied into `into` if it fits. `reply` is filled with: segment, index of the version word, version, tag, when it expires, when it leaves.
#[entry]
pub fn cache_get(
    handle: u32,
    wire: &[u8],
    key_length: u32,
    look: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut into: Uint8ArraySlice<'_>,
    #[napi(ts_arg_type = "Float64Array")] mut reply: Float64ArraySlice<'_>,
) -> f64 {
    let look = match look {
        0 => Look::Use,
        1 => Look::Peek,
        _ => Look::Stale,
    };
    // SAFETY: both belong to the face of this isolate, on whose thread this runs; nobody else looks at them now.
    let (into, reply) = unsafe { (into.as_mut(), reply.as_mut()) };
    let found = find(handle).and_then(|cache| {
        cache.get(part(wire, 0, key_length), look, |value| {
            if let Some(room) = into.get_mut(..value.len()) {
                room.copy_from_slice(value);
            }
        })
    });
    let Some(Found { place, tag, life, length }) = found else { return -1.0 };
    let told = [
        f64::from(place.segment),
        f64::from(place.at),
        f64::from(place.version),
        f64::from(tag),
        life.map_or(f64::INFINITY, |life| life.expires),
        life.map_or(f64::INFINITY, |life| life.leaves),
    ];
    for (word, value) in reply.iter_mut().zip(told) {
        *word = value;
    }
    length as f64
}

/// Stores an entry that expires in `ttl` milliseconds and is kept for `stale` more.
///
/// Throws `ERR_CACHE_ENTRY_TOO_LARGE`, `ERR_CACHE_KEY_TOO_LARGE`, `ERR_CORE_OUT_OF_MEMORY`, `ERR_CACHE_DESTROYED`; the cache is as it was then.
#[entry]
pub fn cache_set(
    handle: u32,
    wire: &[u8],
    key_length: u32,
    value_length: u32,
    tag: u8,
    ttl: f64,
    stale: f64,
) -> Result<()> {
    let Some(cache) = find(handle) else { return Ok(()) };
    cache.set(item(wire, key_length, value_length, tag, ttl, stale)).map(drop).map_err(from_engine)
}

/// Drops an entry; whether there was one.
#[entry]
pub fn cache_delete(handle: u32, wire: &[u8], key_length: u32) -> bool {
    find(handle).is_some_and(|cache| cache.delete(part(wire, 0, key_length)))
}

/// Drops all entries.
#[entry]
pub fn cache_clear(handle: u32) {
    if let Some(cache) = find(handle) {
        cache.clear();
    }
}

/// Lets what is due leave; the time at which something will be due next.
#[entry]
pub fn cache_expire(handle: u32) -> Option<f64> {
    find(handle)?.expire()
}

/// Figures: entries, bytes, hits, misses, sets, evictions, expirations.
#[entry]
pub fn cache_stats(handle: u32) -> Option<Vec<f64>> {
    let stats = find(handle)?.stats();
    let figures = [
        stats.entries,
        stats.bytes,
        stats.hits,
        stats.misses,
        stats.sets,
        stats.evictions,
        stats.expirations,
    ];
    Some(figures.map(|figure| figure as f64).to_vec())
}

/// Entries in no order (`with_expired`: also expired ones that are still kept), in the form that the engine's `cache/mod.rs` draws, after a double: the cursor to go on with, or -1. The cursor is 0 at first.
///
/// Throws `ERR_CORE_OUT_OF_MEMORY`.
#[entry]
pub fn cache_page(
    handle: u32,
    cursor: f64,
    with_values: bool,
    with_expired: bool,
) -> Result<Option<Uint8Array>> {
    let look = if with_expired { Look::Stale } else { Look::Peek };
    let Some(cache) = find(handle) else { return Ok(None) };
    let mut out = vec![0; 8];
    let next = cache.page(cursor as u64, look, with_values, &mut out).map_err(from_engine)?;
    out[..8].copy_from_slice(&next.map_or(-1.0, |next| next as f64).to_le_bytes());
    Ok(Some(Uint8Array::new(out)))
}

/// Asks for a missing key under a number of the asker's: `true`: compute it and [`cache_land`]; `false`: a record will come.
#[entry]
pub fn cache_begin(load: u32, handle: u32, ticket: f64, wire: &[u8], key_length: u32) -> bool {
    let asker = asker(load, handle, ticket);
    find(handle)
        .zip(asker)
        .is_none_or(|(cache, asker)| cache.begin(part(wire, 0, key_length), asker) == Begin::Compute)
}

/// A computation is over: all that wait for the key are told the value (or error, by its tag), which is stored if `keep` and nobody has changed the
/// key meanwhile. Throws as [`cache_set`], after they have been told.
#[entry]
#[allow(clippy::too_many_arguments, reason = "an object of them would cost more to read")]
pub fn cache_land(
    load: u32,
    handle: u32,
    ticket: f64,
    wire: &[u8],
    key_length: u32,
    value_length: u32,
    tag: u8,
    ttl: f64,
    stale: f64,
    keep: bool,
) -> Result<()> {
    let Some((cache, owner)) = find(handle).zip(asker(load, handle, ticket)) else { return Ok(()) };
    let item = item(wire, key_length, value_length, tag, ttl, stale);
    let frame = Frame::try_single(Tag::from_u8(tag).unwrap_or(Tag::Undefined), item.value)
        .unwrap_or_else(|error| Frame::single(Tag::Error, error.to_json().as_bytes()));
    cache.land(item.key, &owner, &frame, keep.then_some(item)).map_err(from_engine)
}

/// Takes the cache of this name out of the process; whether there was one. Open handles see an empty cache that takes nothing.
#[entry]
pub fn cache_destroy(name: String) -> bool {
    cache::destroy(&name)
}

/// Closes a handle. The cache and its entries stay.
#[entry]
pub fn cache_close(handle: u32) {
    isolate::with(|isolate| isolate.caches.remove(&handle));
}

fn find(handle: u32) -> Option<Arc<Cache>> {
    isolate::with(|isolate| isolate.caches.get(&handle).map(|open| Arc::clone(&open.cache))).flatten()
}

fn asker(load: u32, handle: u32, ticket: f64) -> Option<Asker> {
    let outbox = isolate::with(|isolate| isolate.outbox(load)).flatten()?;
    Some(Asker { outbox, channel: handle, ticket: ticket as u64 })
}

fn item(wire: &[u8], key_length: u32, value_length: u32, tag: u8, ttl: f64, stale: f64) -> Item<'_> {
    let key = part(wire, 0, key_length);
    Item { key, value: part(wire, key_length, value_length), tag, ttl, stale }
}

/// `length` bytes from `from` on; what the face gave wrongly is empty.
fn part(wire: &[u8], from: u32, length: u32) -> &[u8] {
    wire.get(from as usize..from as usize + length as usize).unwrap_or_default()
}
