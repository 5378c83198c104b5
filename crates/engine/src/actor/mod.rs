//! Actors: who is where. The processes themselves (their state, their messages to each other within a thread) are JavaScript's affair;
//! the engine knows which exist in which thread, by which names, and takes messages from thread to thread.
//!
//! # Layout
//! - [`table`]: all processes and names of this operating system process; [`office`]: one thread's way to the others; `traffic`: what is under way to it;
//! - [`slots`]: the counters of all processes, in memory that every thread can map; [`rates`]: rate limiters that threads share.
//!
//! # Guarantees
//! - A process and its names are gone from the table before anybody is told that its thread has ended.
//! - Messages between two threads arrive in their order, or not at all where the receiving thread ends.
//! - What is under way to a thread is known to those who send to it, and counted down as the thread takes it or ends.
//! - Reading counters costs their process nothing.

pub mod office;
pub mod rates;
pub mod slots;
pub mod table;
mod traffic;
