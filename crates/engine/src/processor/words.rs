//! The figures of a processor that JavaScript reads from mapped memory. The numbers are part of the contract with
//! `ts/processor/figures.ts`.

use crate::bridge::Words;

/// Tasks finished with a result.
pub const PROCESSED: usize = 0;
/// Tasks finished with an error.
pub const FAILED: usize = 1;
/// Tasks that wait.
pub const QUEUED: usize = 2;
/// Chunks that run.
pub const RUNNING: usize = 3;
/// Native threads.
pub const WORKERS: usize = 4;
/// Worker isolates.
pub const HOSTS: usize = 5;
/// Tasks that were tried again after a failure.
pub const RETRIED: usize = 6;
/// Tasks that run again because the worker that held them ended.
pub const RERUN: usize = 7;

/// The block of figures of one processor.
pub type ProcessorWords = Words<8>;
