//! Splitting a large array into blocks over the compute threads.
//!
//! Blocks have a fixed size and their results stand in the order of the blocks, so that a result does not depend on
//! how many threads took part.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cancel::Cancel;
use crate::error::Error;

/// Elements of a block: 512 KiB of doubles, the work between two looks at the cancel flag.
pub(super) const BLOCK: usize = 1 << 16;
/// Arrays up to this many elements stay on the calling thread.
const SERIAL: usize = 4 * BLOCK;

/// How long after a refusal the system is asked again for the compute threads.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// The compute threads, `noizylab-compute-N`, one for each core that the process may use. They start with the first
/// large array.
static POOL: OnceLock<ThreadPool> = OnceLock::new();
/// When they were refused; held while they are made.
static REFUSED: Mutex<Option<Instant>> = Mutex::new(None);

/// `None` while the system refuses threads: the work then stays on the calling thread.
fn pool() -> Option<&'static ThreadPool> {
    if let Some(pool) = POOL.get() {
        return Some(pool);
    }
    let mut refused = REFUSED.lock();
    if POOL.get().is_none() && refused.is_none_or(|at| at.elapsed() > NEXT_TRY) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let builder = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("noizylab-compute-{index}"));
        match builder.build() {
            // Nobody else sets it: the lock is held.
            Ok(pool) => _ = POOL.set(pool),
            Err(_) => *refused = Some(Instant::now()),
        }
    }
    POOL.get()
}

/// The compute threads, if an array of so many elements is worth splitting.
pub(super) fn pool_for(length: usize) -> Option<&'static ThreadPool> {
    if length > SERIAL { pool() } else { None }
}

/// The result of `kernel` for each block, in order.
pub(super) fn map<T: Sync, R: Send>(
    elements: &[T],
    cancel: &Cancel,
    kernel: impl Fn(&[T]) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let step = |block: &[T]| cancel.check().map(|()| kernel(block));
    match pool_for(elements.len()) {
        Some(pool) => pool.install(|| elements.par_chunks(BLOCK).map(step).collect()),
        None => elements.chunks(BLOCK).map(step).collect(),
    }
}

/// Feeds every block to an accumulator and merges the accumulators. Which blocks share one is not fixed: for `step`
/// and `merge` whose order does not matter. There are at most a few accumulators a thread.
pub(super) fn fold<T: Sync, A: Send>(
    elements: &[T],
    cancel: &Cancel,
    start: impl Fn() -> A + Sync + Send,
    step: impl Fn(&mut A, &[T]) + Sync,
    merge: impl Fn(A, A) -> A + Sync,
) -> Result<A, Error> {
    let step = |mut state: A, block: &[T]| {
        cancel.check()?;
        step(&mut state, block);
        Ok(state)
    };
    match pool_for(elements.len()) {
        Some(pool) => pool.install(|| {
            elements
                .par_chunks(BLOCK)
                .with_min_len(elements.len() / BLOCK / (2 * pool.current_num_threads()) + 1)
                .try_fold(&start, step)
                .try_reduce(&start, |a, b| Ok(merge(a, b)))
        }),
        None => elements.chunks(BLOCK).try_fold(start(), step),
    }
}

/// Changes every block in place.
pub(super) fn for_each_mut<T: Send>(
    elements: &mut [T],
    cancel: &Cancel,
    change: impl Fn(&mut [T]) + Sync,
) -> Result<(), Error> {
    let step = |block: &mut [T]| cancel.check().map(|()| change(block));
    match pool_for(elements.len()) {
        Some(pool) => pool.install(|| elements.par_chunks_mut(BLOCK).try_for_each(step)),
        None => elements.chunks_mut(BLOCK).try_for_each(step),
    }
}

/// Writes `kernel` of every block of `source` to the block of `target` at the same place; both have one length. Returns
/// what the kernel says of each block, in order.
pub(super) fn map_into<S: Sync, T: Send, R: Send>(
    source: &[S],
    target: &mut [T],
    cancel: &Cancel,
    kernel: impl Fn(&[S], &mut [T]) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let step = |(source, target): (&[S], &mut [T])| cancel.check().map(|()| kernel(source, target));
    match pool_for(source.len()) {
        Some(pool) => {
            pool.install(|| source.par_chunks(BLOCK).zip(target.par_chunks_mut(BLOCK)).map(step).collect())
        }
        None => source.chunks(BLOCK).zip(target.chunks_mut(BLOCK)).map(step).collect(),
    }
}
