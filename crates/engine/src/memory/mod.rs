//! Memory of an isolate, as the engine may touch it.
//!
//! An operation on another thread works with memory that JavaScript owns. Node-API can neither pin an `ArrayBuffer` nor keep its
//! memory when it is detached (a transfer, a WebAssembly memory that grows): what was its memory may be freed at any moment in which
//! JavaScript runs. So each kind of memory has its own rule, and a type that keeps it:
//!
//! | kind | rule | type |
//! |---|---|---|
//! | small | copied when the task is submitted | [`Lent::Copy`] |
//! | a `SharedArrayBuffer` | cannot be detached: a reference keeps it; it is copied block by block, since others may write it, and the end of the isolate waits for that | [`Lent::Shared`] |
//! | an `ArrayBuffer` | touched block by block, and only while its isolate stands still in [`Lender::lend`] | [`Lent::Detachable`] |
//!
//! # Layout
//! - `lender.rs`: the [`Lender`] of an isolate: when its memory may be touched. `lent.rs`: one array of it.
//! - `claims.rs`: one writer or many readers of a range of memory, in all threads.
//! - `view.rs`: an array as an operation sees it; `reading.rs`: one that is being read. `aligned.rs`: memory of our own for elements.
//!
//! # Guarantees
//! - Memory that was detached is never touched: the task fails with [`Error::Detached`](crate::error::Error::Detached).
//! - The end of an isolate waits for blocks that are being read, and for operations on shared memory until they see that they were
//!   stopped; for nothing else.
//! - Nothing works in place: an array is replaced when all of the new contents are there.

mod aligned;
mod claims;
mod lender;
mod lent;
mod reading;
mod view;

pub use aligned::Aligned;
pub use lender::{Hold, Lender, Turn};
pub use lent::{Lent, Memory};
pub use view::{Elements, Held, Rewriting, View};
