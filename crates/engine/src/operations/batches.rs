//! Walking through a block while the next part of it is already on its way from memory.
//!
//! A loop of few instructions an element runs ahead of its own loads far enough to hide how long they take. A longer
//! one does not and then waits on every page, which doubles its time and more where the hardware's own prefetching is
//! weak (as it often is in virtual machines). Asking for the next batch before working on this one helps such loops.

/// Elements of a batch.
pub(super) const BATCH: usize = 512;
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// Calls `each` with the batches of a block in order; only the last may be shorter than [`BATCH`].
#[inline]
pub(super) fn for_each_batch<T>(block: &[T], mut each: impl FnMut(&[T])) {
    let mut batches = block.chunks(BATCH).peekable();
    while let Some(batch) = batches.next() {
        if let Some(next) = batches.peek() {
            prefetch(next);
        }
        each(batch);
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch<T>(batch: &[T]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    let start = batch.as_ptr().cast::<i8>();
    for offset in (0..size_of_val(batch)).step_by(CACHE_LINE) {
        // SAFETY: a prefetch is a hint, it reads nothing; the address is within the slice all the same.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(offset)) };
    }
}

/// Other processors have no prefetch that stable Rust can say.
#[cfg(not(target_arch = "x86_64"))]
fn prefetch<T>(_: &[T]) {}
