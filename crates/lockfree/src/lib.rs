//! The lock-free pieces of the engine, in a crate of their own: a model checker replaces the atomics below it, which
//! an async runtime would not survive.
//!
//! # Layout
//! - [`completion_list`]: many producers hand results to one consumer and wake it once per drained list.
//! - [`backlog`]: a slow consumer makes its producers wait, and starts them again.
//!
//! Every piece is checked exhaustively under `loom` (`tests/model.rs`, feature `model`) and stressed with real threads.

pub mod backlog;
pub mod completion_list;
mod sync;

pub use backlog::Backlog;
pub use completion_list::CompletionList;
