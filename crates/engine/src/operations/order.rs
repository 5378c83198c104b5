//! Sorting, and finding the elements of given ranks, by one parallel quicksort.
//!
//! Large parts are split around the median of a sample by a branchless partition (Lomuto's scheme, as in Rust's own
//! `sort_unstable`), the sides wait in a list from which all threads take, small parts go to Rust's own sort. For ranks, a side that holds
//! none of them is left as it is: Hoare's quickselect, for several ranks at once. Parts whose pivots keep failing go to
//! Rust's own sort as well, so that no input takes more than the order of n log n steps.

use parking_lot::{Condvar, Mutex};

use super::blocks::{BLOCK, pool_for};
use super::together::together;
use crate::cancel::Cancel;
use crate::error::Error;

const SAMPLE: usize = 63;

/// Sorts `keys`. After an error they are in some order, none lost.
pub(super) fn sort<K: Ord + Copy + Send>(keys: &mut [K], cancel: &Cancel) -> Result<(), Error> {
    place(keys, None, cancel)
}

/// Moves keys until each of `ranks` (ascending, below the length) holds the key that sorting would put there.
pub(super) fn select<K: Ord + Copy + Send>(
    keys: &mut [K],
    ranks: &[usize],
    cancel: &Cancel,
) -> Result<(), Error> {
    place(keys, Some(ranks), cancel)
}

fn place<K: Ord + Copy + Send>(
    keys: &mut [K],
    ranks: Option<&[usize]>,
    cancel: &Cancel,
) -> Result<(), Error> {
    let Some(pool) = pool_for(keys.len()) else {
        cancel.check()?;
        place_serially(keys, 0, ranks);
        return Ok(());
    };
    let depth = 2 * keys.len().checked_ilog2().unwrap_or(0);
    let parts = Parts::new(Part { keys, offset: 0, ranks, depth });
    together(pool, &|| parts.work(cancel));
    parts.finish()
}

/// What is left to do, shared by all threads that help.
struct Parts<'a, K> {
    state: Mutex<State<'a, K>>,
    changed: Condvar,
}

struct State<'a, K> {
    waiting: Vec<Part<'a, K>>,
    /// Threads that work on a part, of which more parts may come.
    working: usize,
    result: Result<(), Error>,
}

/// Keys that lie between those of the parts beside them.
struct Part<'a, K> {
    keys: &'a mut [K],
    /// The rank of the first key.
    offset: usize,
    /// The ranks to place; without, all of them.
    ranks: Option<&'a [usize]>,
    /// The splits that are left.
    depth: u32,
}

impl<'a, K: Ord + Copy + Send> Parts<'a, K> {
    fn new(all: Part<'a, K>) -> Self {
        let state = State { waiting: vec![all], working: 0, result: Ok(()) };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Takes parts until none is left and none can come.
    fn work(&self, cancel: &Cancel) {
        let mut state = self.state.lock();
        loop {
            if state.result.is_err() || (state.waiting.is_empty() && state.working == 0) {
                return;
            }
            let Some(part) = state.waiting.pop() else {
                self.changed.wait(&mut state);
                continue;
            };
            state.working += 1;
            drop(state);
            let leaving = Leaving(self);
            let result = self.place(part, cancel);
            drop(leaving);
            state = self.state.lock();
            state.result = std::mem::replace(&mut state.result, Ok(())).and(result);
        }
    }

    /// Splits a part again and again; the sides that are left aside wait for whoever is free.
    fn place(&self, mut part: Part<'a, K>, cancel: &Cancel) -> Result<(), Error> {
        loop {
            match split(part, cancel)? {
                Split::Done => return Ok(()),
                Split::One(side) => part = side,
                Split::Two(side, other) => {
                    part = side;
                    self.state.lock().waiting.push(other);
                    self.changed.notify_one();
                }
            }
        }
    }

    fn finish(self) -> Result<(), Error> {
        self.state.into_inner().result
    }
}

/// A thread is done with its part when this is dropped, also by a panic.
struct Leaving<'p, 'a, K>(&'p Parts<'a, K>);

impl<K> Drop for Leaving<'_, '_, K> {
    fn drop(&mut self) {
        self.0.state.lock().working -= 1;
        self.0.changed.notify_all();
    }
}

/// What [`split`] does, for a part that is too small to be worth two threads.
fn place_serially<K: Ord>(keys: &mut [K], offset: usize, ranks: Option<&[usize]>) {
    let Some(ranks) = ranks else { return keys.sort_unstable() };
    let Some(rank) = ranks.get(ranks.len() / 2) else { return };
    let (left, _, right) = keys.select_nth_unstable(rank - offset);
    let (left_ranks, right_ranks) = (&ranks[..ranks.len() / 2], &ranks[ranks.len() / 2 + 1..]);
    place_serially(left, offset, Some(left_ranks));
    place_serially(right, rank + 1, Some(right_ranks));
}

/// What becomes of a part.
enum Split<'a, K> {
    Done,
    One(Part<'a, K>),
    Two(Part<'a, K>, Part<'a, K>),
}

/// Splits a part in two, or places its keys where it is small.
fn split<'a, K: Ord + Copy>(part: Part<'a, K>, cancel: &Cancel) -> Result<Split<'a, K>, Error> {
    let Part { keys, offset, ranks, depth } = part;
    cancel.check()?;
    if ranks.is_some_and(<[usize]>::is_empty) {
        return Ok(Split::Done);
    }
    if keys.len() <= BLOCK || depth == 0 {
        place_serially(keys, offset, ranks);
        return Ok(Split::Done);
    }
    let pivot = median_of_sample(keys);
    let mut middle = partition(keys, cancel, |key| key < pivot)?;
    let mut left_is_sorted = false;
    if middle == 0 {
        // The pivot is the least key: put all its equals on the left, where nothing is left to do.
        middle = partition(keys, cancel, |key| key <= pivot)?;
        left_is_sorted = true;
    }
    let (left, right) = keys.split_at_mut(middle);
    let (left_ranks, right_ranks) = match ranks {
        None => (None, None),
        Some(ranks) => {
            let (left, right) = ranks.split_at(ranks.partition_point(|rank| *rank < offset + middle));
            (Some(left), Some(right))
        }
    };
    let depth = depth - 1;
    let left = Part { keys: left, offset, ranks: left_ranks, depth };
    let right = Part { keys: right, offset: offset + middle, ranks: right_ranks, depth };
    Ok(if left_is_sorted { Split::One(right) } else { Split::Two(left, right) })
}

/// Moves the keys for which `is_left` holds to the front and returns how many they are.
fn partition<K: Copy>(keys: &mut [K], cancel: &Cancel, is_left: impl Fn(K) -> bool) -> Result<usize, Error> {
    let mut boundary = 0;
    let mut start = 0;
    while start < keys.len() {
        cancel.check()?;
        let end = keys.len().min(start + BLOCK);
        for at in start..end {
            let key = keys[at];
            keys.swap(at, boundary);
            boundary += usize::from(is_left(key));
        }
        start = end;
    }
    Ok(boundary)
}

fn median_of_sample<K: Ord + Copy>(keys: &[K]) -> K {
    let step = keys.len() / SAMPLE;
    let mut sample: [K; SAMPLE] = std::array::from_fn(|index| keys[index * step + step / 2]);
    sample.sort_unstable();
    sample[SAMPLE / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough to be split over the threads several times.
    const LENGTH: usize = 300_000;

    /// Inputs on which quicksorts with poor pivots need quadratic time.
    fn hard_inputs() -> Vec<Vec<u32>> {
        let length = LENGTH as u32;
        let scattered = |index: u32| index.wrapping_mul(2_654_435_761);
        vec![
            (0..length).map(scattered).collect(),
            (0..length).collect(),
            (0..length).rev().collect(),
            vec![7; LENGTH],
            (0..length).map(|index| scattered(index) % 2).collect(),
            (0..length).map(|index| scattered(index) % 50).collect(),
            (0..length).map(|index| index.min(length - index)).collect(),
            (0..length).map(|index| if index % 9524 < 4762 { 0 } else { scattered(index) }).collect(),
        ]
    }

    #[test]
    fn large_keys_are_sorted_whatever_their_pattern() {
        for keys in hard_inputs() {
            let (mut ours, mut expected) = (keys.clone(), keys);
            sort(&mut ours, &Cancel::default()).expect("not cancelled");
            expected.sort_unstable();
            assert!(ours == expected);
        }
    }

    #[test]
    fn selected_ranks_hold_what_sorting_would_put_there() {
        let ranks = [0, 1, LENGTH / 3, LENGTH / 2, LENGTH / 2 + 1, LENGTH - 1];
        for keys in hard_inputs() {
            let (mut ours, mut expected) = (keys.clone(), keys);
            select(&mut ours, &ranks, &Cancel::default()).expect("not cancelled");
            expected.sort_unstable();
            for rank in ranks {
                assert_eq!(ours[rank], expected[rank], "rank {rank}");
            }
        }
    }

    #[test]
    fn when_the_splits_run_out_the_part_is_sorted_all_the_same() {
        let mut keys: Vec<u32> = (0..LENGTH as u32).rev().collect();
        let part = Part { keys: &mut keys, offset: 0, ranks: None, depth: 0 };
        split(part, &Cancel::default()).expect("not cancelled");
        assert!(keys.is_sorted());
    }
}
