//! The lock-free pieces of the engine, in a crate of their own: a model checker replaces the atomics below it, which
//! an async runtime would not survive.
//!
//! # Layout
//! - [`completion_list`]: many producers hand results to one consumer and wake it once per drained list.
//! - [`backlog`]: a slow consumer makes its producers wait, and starts them again.
//! - [`slot_words`]: isolates answer from what they know of a cache's slot, and the engine learns of it.
//!
//! Every piece is checked exhaustively under `loom` (`tests/model.rs`, feature `model`) and stressed with real threads.

pub mod backlog;
pub mod completion_list;
pub mod slot_words;
mod sync;

pub use backlog::Backlog;
pub use completion_list::CompletionList;
pub use slot_words::SlotWords;
