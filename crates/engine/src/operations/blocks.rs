//! Splitting a large array into blocks over the compute threads.
//!
//! Blocks have a fixed size and their results stand in the order of the blocks, so that a result does not depend on
//! how many threads took part.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::together::together;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::memory::Elements;
use crate::payload::Scalar;

/// Elements of a block: 512 KiB of doubles, the work between two looks at the cancel flag.
pub(super) const BLOCK: usize = 1 << 16;
/// Arrays up to this many elements stay on the calling thread.
const SERIAL: usize = 4 * BLOCK;

/// How long after a refusal the system is asked again for the compute threads.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// The compute threads, `noizylab-compute-N`, one for each core that the process may use; they help the thread that has a
/// large array. They start with the first such array.
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
pub(super) fn map<T: Scalar, R: Send>(
    elements: &Elements<'_, T>,
    cancel: &Cancel,
    kernel: impl Fn(&[T]) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let length = elements.len();
    let step = |results: &mut Vec<(usize, R)>, start: usize| {
        let result = elements.block(start..length.min(start + BLOCK), cancel, &kernel)?;
        results.push((start, result));
        Ok(())
    };
    in_order(over(length, (0..length).step_by(BLOCK), Vec::new, step)?)
}

/// Feeds every block to an accumulator and merges the accumulators. Which blocks share one is not fixed: for `step`
/// and `merge` whose order does not matter. There is one accumulator a thread.
pub(super) fn fold<T: Scalar, A: Send>(
    elements: &Elements<'_, T>,
    cancel: &Cancel,
    start: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, &[T]) + Sync,
    merge: impl Fn(A, A) -> A,
) -> Result<A, Error> {
    let length = elements.len();
    let add = |state: &mut A, from: usize| {
        elements.block(from..length.min(from + BLOCK), cancel, |block| step(state, block))
    };
    let parts = over(length, (0..length).step_by(BLOCK), &start, add)?;
    Ok(parts.into_iter().reduce(merge).unwrap_or_else(start))
}

/// Changes every block in place.
pub(super) fn for_each_mut<T: Send>(
    elements: &mut [T],
    cancel: &Cancel,
    change: impl Fn(&mut [T]) + Sync,
) -> Result<(), Error> {
    let length = elements.len();
    let step = |(): &mut (), block: &mut [T]| cancel.check().map(|()| change(block));
    over(length, elements.chunks_mut(BLOCK), || (), step)?;
    Ok(())
}

/// Runs `each` for ranges that make up `0..length`, whatever happens meanwhile.
pub(super) fn for_each_range(length: usize, each: &(dyn Fn(Range<usize>) + Sync)) {
    let ranges = (0..length).step_by(BLOCK).map(|start| start..length.min(start + BLOCK));
    let step = |(): &mut (), range| {
        each(range);
        Ok(())
    };
    over(length, ranges, || (), step).expect("no step fails");
}

/// Writes `kernel` of every block of `source` to the block of `target` at the same place; both have one length. Returns
/// what the kernel says of each block, in order.
pub(super) fn map_into<S: Scalar, T: Send, R: Send>(
    source: &Elements<'_, S>,
    target: &mut [T],
    cancel: &Cancel,
    kernel: impl Fn(&[S], &mut [T]) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let length = source.len();
    let step = |results: &mut Vec<(usize, R)>, (at, target): (usize, &mut [T])| {
        let start = at * BLOCK;
        let result = source.block(start..start + target.len(), cancel, |source| kernel(source, target))?;
        results.push((start, result));
        Ok(())
    };
    in_order(over(length, target.chunks_mut(BLOCK).enumerate(), Vec::new, step)?)
}

/// Takes the blocks one after another on one or several threads. Returns what each thread made of `start`; after the first error of
/// `step` no further block is taken.
fn over<B, S: Send>(
    length: usize,
    blocks: impl Iterator<Item = B> + Send,
    start: impl Fn() -> S + Sync,
    step: impl Fn(&mut S, B) -> Result<(), Error> + Sync,
) -> Result<Vec<S>, Error> {
    let Some(pool) = pool_for(length) else {
        let (mut state, mut blocks) = (start(), blocks);
        blocks.try_for_each(|block| step(&mut state, block))?;
        return Ok(vec![state]);
    };
    let blocks = Mutex::new(blocks);
    let parts = Mutex::new(Ok(Vec::new()));
    let failed = AtomicBool::new(false);
    together(pool, &|| {
        let mut state = None;
        while !failed.load(Ordering::Relaxed) {
            let Some(block) = blocks.lock().next() else { break };
            if let Err(error) = step(state.get_or_insert_with(&start), block) {
                failed.store(true, Ordering::Relaxed);
                *parts.lock() = Err(error);
                return;
            }
        }
        if let (Some(state), Ok(parts)) = (state, &mut *parts.lock()) {
            parts.push(state);
        }
    });
    parts.into_inner()
}

/// Results of all threads, by the places of their blocks.
fn in_order<R>(parts: Vec<Vec<(usize, R)>>) -> Result<Vec<R>, Error> {
    let mut results: Vec<(usize, R)> = parts.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(start, _)| *start);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
