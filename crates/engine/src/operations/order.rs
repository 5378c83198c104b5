//! Sorting, and finding the elements of given ranks, by one parallel quicksort.
//!
//! Large parts are split around the median of a sample by a branchless partition (Lomuto's scheme, as in Rust's own
//! `sort_unstable`), the two sides run in parallel, small parts go to Rust's own sort. For ranks, a side that holds
//! none of them is left as it is: Hoare's quickselect, for several ranks at once. Parts whose pivots keep failing go to
//! Rust's own sort as well, so that no input takes more than the order of n log n steps.

use super::blocks::{BLOCK, pool_for};
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
    let depth = 2 * keys.len().checked_ilog2().unwrap_or(0);
    match pool_for(keys.len()) {
        Some(pool) => pool.install(|| split(keys, 0, ranks, depth, cancel)),
        None => {
            cancel.check()?;
            place_serially(keys, 0, ranks);
            Ok(())
        }
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

/// `offset` is the rank of the first key of this part; `depth` the splits that are left.
fn split<K: Ord + Copy + Send>(
    keys: &mut [K],
    offset: usize,
    ranks: Option<&[usize]>,
    depth: u32,
    cancel: &Cancel,
) -> Result<(), Error> {
    cancel.check()?;
    if ranks.is_some_and(<[usize]>::is_empty) {
        return Ok(());
    }
    if keys.len() <= BLOCK || depth == 0 {
        place_serially(keys, offset, ranks);
        return Ok(());
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
    let sort_left = || match left_is_sorted {
        true => Ok(()),
        false => split(left, offset, left_ranks, depth - 1, cancel),
    };
    let sort_right = || split(right, offset + middle, right_ranks, depth - 1, cancel);
    let (left, right) = rayon::join(sort_left, sort_right);
    left.and(right)
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
        split(&mut keys, 0, None, 0, &Cancel::default()).expect("not cancelled");
        assert!(keys.is_sorted());
    }
}
