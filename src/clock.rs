//! The time at the door. `crates/engine/src/clock.rs` keeps it.

use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, Either, Undefined};
use noizylab_engine::clock;
use noizylab_entry::entry;

use crate::error::Result;
use crate::memory::map_words;

/// The time as one double in an `ArrayBuffer`: milliseconds of a monotonic clock, refreshed about every millisecond; 0 while nobody
/// wants it, see [`clock_wake`]. `undefined` where foreign memory is refused.
#[entry]
pub fn clock_words(env: &Env) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    map_words(env, &clock::word())
}

/// The time now; the word is refreshed for a while from here on.
#[entry]
pub fn clock_wake() -> f64 {
    clock::wake()
}
