//! Control words: numbers that Rust writes and JavaScript reads from mapped memory, without a call.

use std::sync::atomic::{AtomicU64, Ordering};

/// A block of `N` eight-byte words, each holding the bits of a double, so that a `Float64Array` over the block reads
/// them as they are. A word is written and read whole; two words are not updated together.
#[derive(Debug)]
pub struct Words<const N: usize> {
    words: [AtomicU64; N],
}

impl<const N: usize> Default for Words<N> {
    fn default() -> Self {
        Self { words: [const { AtomicU64::new(0) }; N] }
    }
}

impl<const N: usize> Words<N> {
    /// Sets a word.
    pub fn set(&self, index: usize, value: f64) {
        self.words[index].store(value.to_bits(), Ordering::Relaxed);
    }

    /// Reads a word.
    pub fn get(&self, index: usize) -> f64 {
        f64::from_bits(self.words[index].load(Ordering::Relaxed))
    }

    /// Adds to a word. Only one thread at a time may do so (the caller holds the lock of the system).
    pub fn add(&self, index: usize, value: f64) {
        self.set(index, self.get(index) + value);
    }

    /// The memory, for mapping into an isolate: its address and its length in bytes.
    pub fn memory(&self) -> (*const u8, usize) {
        (self.words.as_ptr().cast(), size_of_val(&self.words))
    }
}
