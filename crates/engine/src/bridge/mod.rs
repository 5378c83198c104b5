//! The bridge: how results leave the engine.
//!
//! # Layout
//! - [`outbox`]: one per load of the face; systems send [`Record`]s, the face is woken once and drains them all.
//! - [`frame`]: many values in one run of bytes, both ways.
//! - [`words`]: numbers that Rust writes and JavaScript reads without a call.
//!
//! # Guarantees
//! - No promise costs a wake-up: however many records wait, JavaScript is called once per drained list.
//! - A record for an isolate that is gone is dropped; it is never a crash and never blocks the sender.

pub mod frame;
pub mod outbox;
pub mod words;

pub use frame::{Frame, FrameBuilder, Layout};
pub use outbox::{Outbox, Record, RecordKind, Wake};
pub use words::Words;
