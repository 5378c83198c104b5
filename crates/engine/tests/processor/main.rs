//! What a processor promises, seen through its wire: with real threads, and with hosts played by the test.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hosts;
mod lent;
mod native;
mod wire;
