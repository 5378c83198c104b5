//! The door of `@noizylab/core`: types in, types out, nothing decided here.
//!
//! # Layout
//! - `module.rs`: this library in the process: one copy, never unloaded.
//! - `isolate.rs`: what belongs to one isolate, and its end. `callback.rs`: the one way from Rust into JavaScript.
//! - `error.rs`: an engine error becomes a JavaScript error. `fault.rs`: a panic does. `memory.rs`: memory that one side shows to the other.
//! - `clock.rs`: the time. `actor.rs`, `broker.rs`, `cache.rs`, `processor.rs`: the systems of the same names.
//!
//! Whatever an isolate holds here is known by a number; a number that means nothing (any more) is answered with
//! `undefined` or ignored, because the object behind it may have been closed from another side.

mod actor;
mod arrays;
mod broker;
mod cache;
mod callback;
mod clock;
mod error;
mod fault;
mod isolate;
mod memory;
mod module;
mod processor;
