//! The engine of `@noizylab/core`: every algorithm, every rule, every thread. It does not know Node.

pub mod actor;
pub mod bridge;
pub mod broker;
pub mod cache;
pub mod cancel;
pub mod clock;
pub mod error;
pub mod flights;
pub mod memory;
pub mod operations;
pub mod panics;
pub mod payload;
pub mod processor;
pub mod refused;
pub mod reserve;
pub mod runtime;
