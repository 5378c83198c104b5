//! The broker's server over real sockets: what clients see, whatever they do.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod end;
mod frames;
mod lines;
mod list;
mod listen;
mod many;
mod records;
mod support;
