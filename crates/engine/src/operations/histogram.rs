//! `histogram`: how many numbers fall into each of `bins` bins of equal width from `min` to `max`.
//!
//! Bin `i` holds what is at least `min + i * width` and less than `min + (i + 1) * width`; the last one holds `max` too.
//! What lies outside counts as `below`, `above` or `nan`. A bound that is not given is the least or the greatest finite
//! number of the data; a range that would be empty (no finite number, all of them equal, or all on the wrong side of
//! the one bound that is given) becomes one unit wide: from the given bound, around the one number, or from 0 to 1.

use serde::Serialize;

use super::Operation;
use super::batches::{BATCH, for_each_batch};
use super::blocks;
use super::fields::{integer, number};
use super::kernels::Numeric;
use super::list::collect_numbers;
use super::numbers::{Numbers, with_elements};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::memory::Elements;
use crate::payload::{Input, Tag};
use crate::reserve::try_push_json;

const OPERATION: Operation = Operation::Histogram;
const DEFAULT_BINS: usize = 10;
const MAX_BINS: u64 = 1_000_000;
/// Slots after the bins: `below`, `above`, `nan`.
const EXTRA_SLOTS: usize = 3;

/// The result, as it stands in the JSON text.
#[derive(Serialize)]
struct Histogram<'a> {
    min: f64,
    max: f64,
    bins: usize,
    width: f64,
    counts: &'a [u64],
    below: u64,
    above: u64,
    nan: u64,
}

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (numbers, [_, bins, min, max]) = Numbers::read(OPERATION, &input, ["values", "bins", "min", "max"])?;
    let bins = match bins {
        None => DEFAULT_BINS,
        Some(raw) => integer(raw, 1..=MAX_BINS)
            .ok_or_else(|| OPERATION.refuse_part("'bins' as an integer from 1 to 1000000", raw))?
            as usize,
    };
    let min = bound(min, "'min' as a finite number")?;
    let max = bound(max, "'max' as a finite number")?;
    if let (Some(min), Some(max)) = (min, max)
        && min >= max
    {
        return Err(OPERATION.refuse_part("'min' below 'max'", format!("min {min}, max {max}")));
    }
    match numbers {
        Numbers::View(view) => {
            with_elements!(view, cancel, elements => count(elements, bins, min, max, cancel, out))
        }
        Numbers::List(list) => {
            let numbers = collect_numbers(OPERATION, list, cancel)?;
            count(&Elements::from(numbers.as_slice()), bins, min, max, cancel, out)
        }
    }
}

fn bound(raw: Option<&str>, expected: &'static str) -> Result<Option<f64>, Error> {
    raw.map(|raw| number(raw).ok_or_else(|| OPERATION.refuse_part(expected, raw))).transpose()
}

fn count<T: Numeric>(
    elements: &Elements<'_, T>,
    bins: usize,
    min: Option<f64>,
    max: Option<f64>,
    cancel: &Cancel,
    out: &mut Vec<u8>,
) -> Result<Tag, Error> {
    let (min, max) = match (min, max) {
        (Some(min), Some(max)) => (min, max),
        _ => range(elements, min, max, cancel)?,
    };
    let scale = Scale::new(min, max, bins);
    let counts = blocks::fold(
        elements,
        cancel,
        || Counters::new(bins),
        |counters, block| for_each_batch(block, |batch| counters.add(batch, &scale)),
        Counters::merge,
    )?
    .total();

    let result = Histogram {
        min,
        max,
        bins,
        width: max / bins as f64 - min / bins as f64,
        counts: &counts[..bins],
        below: counts[bins],
        above: counts[bins + 1],
        nan: counts[bins + 2],
    };
    try_push_json(out, &result)?;
    Ok(Tag::Json)
}

/// The range to count in, where at most one bound is given.
fn range<T: Numeric>(
    elements: &Elements<'_, T>,
    min: Option<f64>,
    max: Option<f64>,
    cancel: &Cancel,
) -> Result<(f64, f64), Error> {
    let (low, high) = blocks::map(elements, cancel, Numeric::block_range)?
        .into_iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |all, block| (all.0.min(block.0), all.1.max(block.1)));
    // Half a unit is lost beside a large number: there, take as much as leaves a million bins apart.
    let half = |centre: f64| f64::max(0.5, centre.abs() * f64::EPSILON * MAX_BINS as f64);
    Ok(match (min, max) {
        (Some(min), _) if min < high => (min, high),
        (Some(min), _) => (min, (min + 2.0 * half(min)).min(f64::MAX)),
        (_, Some(max)) if low < max => (low, max),
        (_, Some(max)) => ((max - 2.0 * half(max)).max(f64::MIN), max),
        _ if low > high => (0.0, 1.0),
        _ if low == high => ((low - half(low)).max(f64::MIN), (high + half(high)).min(f64::MAX)),
        _ => (low, high),
    })
}

/// How a number becomes the slot it is counted in: a bin, or one of the three slots after the bins.
struct Scale {
    min: f64,
    max: f64,
    bins: f64,
    /// Keeps the products below in range where `max - min` is not; else 1.
    shrink: f64,
    start: f64,
    span: f64,
}

impl Scale {
    fn new(min: f64, max: f64, bins: usize) -> Self {
        let bins = bins as f64;
        let shrink = if ((max - min) * bins).is_finite() { 1.0 } else { 0.5_f64.powi(40) };
        let start = min * shrink;
        Self { min, max, bins, shrink, start, span: max * shrink - start }
    }

    /// Multiplies before it divides: integers on the edge of a bin then fall into the bin above it, as they should.
    #[inline(always)]
    fn slot(&self, value: f64) -> u32 {
        let last = self.bins - 1.0;
        let slot = (value * self.shrink - self.start) * self.bins / self.span;
        let slot = if slot > 0.0 { slot } else { 0.0 };
        let slot = if slot < last { slot } else { last };
        let slot = if value < self.min { self.bins } else { slot };
        let slot = if value > self.max { self.bins + 1.0 } else { slot };
        let slot = if value.is_nan() { self.bins + 2.0 } else { slot };
        // The checked conversion takes as long as all the rest.
        // SAFETY: the comparisons above leave a number from 0 to `bins + 2`, and `bins` is at most `MAX_BINS`.
        unsafe { slot.to_int_unchecked::<i32>() as u32 }
    }
}

/// Two sets of counters that neighbouring numbers take in turn, so that equal ones need not wait for each other.
struct Counters {
    even: Vec<u64>,
    odd: Vec<u64>,
}

impl Counters {
    fn new(bins: usize) -> Self {
        Self { even: vec![0; bins + EXTRA_SLOTS], odd: vec![0; bins + EXTRA_SLOTS] }
    }

    /// Finds the slots of a batch of at most [`BATCH`] numbers first, which the compiler turns into vector instructions,
    /// and counts them then.
    fn add<T: Numeric>(&mut self, batch: &[T], scale: &Scale) {
        let mut slots = [0; BATCH];
        for (slot, value) in slots.iter_mut().zip(batch) {
            *slot = scale.slot(value.to_f64());
        }
        let (pairs, rest) = slots[..batch.len()].as_chunks();
        for [even, odd] in pairs {
            self.even[*even as usize] += 1;
            self.odd[*odd as usize] += 1;
        }
        for slot in rest {
            self.even[*slot as usize] += 1;
        }
    }

    fn merge(mut self, other: Self) -> Self {
        add_each(&mut self.even, &other.even);
        add_each(&mut self.odd, &other.odd);
        self
    }

    /// The bins, then `below`, `above` and `nan`.
    fn total(mut self) -> Vec<u64> {
        add_each(&mut self.even, &self.odd);
        self.even
    }
}

fn add_each(counts: &mut [u64], more: &[u64]) {
    counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
}
