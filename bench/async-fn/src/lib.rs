//! What the benchmarks hold the package against where the peer is native code itself.

use napi_derive::napi;

/// A promise per operation as napi makes it: a task on its tokio runtime, a threadsafe function to settle it.
#[napi]
pub async fn echo(value: f64) -> f64 {
    value
}

/// Reads all of an array with `threads` threads and returns the exclusive or of its 64-bit words: what the memory gives when
/// nothing but reading is asked of the cores.
#[napi]
pub fn read_memory(values: &[f64], threads: u32) -> f64 {
    let share = values.len().div_ceil(threads.max(1) as usize).max(1);
    let word = std::thread::scope(|scope| {
        let readers: Vec<_> = values.chunks(share).map(|part| scope.spawn(|| exclusive_or(part))).collect();
        readers
            .into_iter()
            .map(|reader| reader.join().expect("reading does not panic"))
            .fold(0, |all, word| all ^ word)
    });
    (word >> 32) as f64
}

/// In independent lanes, so that the loop waits for memory and not for itself.
fn exclusive_or(values: &[f64]) -> u64 {
    let mut lanes = [0u64; 16];
    let (rows, rest) = values.as_chunks::<16>();
    for row in rows {
        for (lane, value) in lanes.iter_mut().zip(row) {
            *lane ^= value.to_bits();
        }
    }
    let words = lanes.into_iter().chain(rest.iter().map(|value| value.to_bits()));
    words.fold(0, |all, word| all ^ word)
}
