//! The broker: values with a time to live, leases, computations and watches, for many processes.
//!
//! # Layout
//! - [`core`]: the state of a broker behind one lock; [`store`] (with `items`), [`leases`], `watches` and [`flights`](crate::flights) are its parts,
//!   `deadlines` the heap of times that they share, `keeper` what happens as time goes by.
//! - [`session`]: one client's view; [`wire`] and `values` are the protocol of frames, [`line`], [`lines`] (with `listing`), [`json_text`], [`canonical`] and
//!   [`compressed`] that of lines, [`auth`] what a secret does. `docs/broker-protocol.md` draws both.
//! - [`server`]: the socket. [`host`]: a broker with its socket, and all of this process; [`local`]: a client in the same process. [`owner`]: who is told what happens to it.
//! - `metrics`, `report`, `prometheus`: what it tells of itself. [`refusal`]: how it says no.
//!
//! # Guarantees
//! - The broker answers whatever JavaScript does: nothing here waits for an isolate.
//! - No request costs more the more there is, but for those that list it all.
//! - What was acknowledged is there until its time is over, it is deleted, or the broker stops.
//! - Nothing is unbounded: items, leases, connections, what a connection waits for, events on their way, expired items before the sweep.

pub mod asker;
pub mod auth;
pub mod canonical;
pub mod compressed;
pub mod core;
mod deadlines;
pub mod host;
mod items;
pub mod json_text;
mod keeper;
pub mod leases;
pub mod line;
pub mod lines;
mod listing;
pub mod local;
mod metrics;
pub mod owner;
mod prometheus;
pub mod refusal;
mod report;
pub mod server;
pub mod session;
mod store;
mod values;
mod watches;
pub mod wire;

pub use self::core::{Config, Core};
pub use self::host::Host;
pub use self::owner::{Level, Owner};
