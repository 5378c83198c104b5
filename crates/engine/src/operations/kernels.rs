//! What the numeric operations do to one block of elements: written so that the compiler turns each loop into vector
//! instructions, and with one result for one block whatever the machine.

use super::batches::for_each_batch;
use crate::payload::Scalar;

/// Independent accumulators of a floating-point loop; enough to keep the adders busy.
const LANES: usize = 16;
/// Up to this length numbers are added from left to right, as a JavaScript loop adds them.
const SEQUENTIAL: usize = 64;

/// A number type that the numeric operations compute with.
pub(super) trait Numeric: Scalar {
    /// The value as JavaScript sees it.
    fn to_f64(self) -> f64;

    /// Sum of a block of at most [`super::blocks::BLOCK`] elements; exact for integers.
    fn block_sum(block: &[Self]) -> f64;

    /// `Math.min` of a block: NaN wins, `-0` is less than `0`, `Infinity` for none.
    fn block_min(block: &[Self]) -> f64;

    /// `Math.max` of a block: NaN wins, `0` is more than `-0`, `-Infinity` for none.
    fn block_max(block: &[Self]) -> f64;

    /// Smallest and largest finite element; `(Infinity, -Infinity)` for none.
    fn block_range(block: &[Self]) -> (f64, f64);
}

/// `Math.min` of two numbers.
pub(super) fn min_of(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == b {
        if a.is_sign_negative() { a } else { b }
    } else if a < b {
        a
    } else {
        b
    }
}

/// `Math.max` of two numbers.
pub(super) fn max_of(a: f64, b: f64) -> f64 {
    -min_of(-a, -b)
}

/// Adds up with pairs of pairs, which keeps the rounding error to the logarithm of the length.
pub(super) fn pairwise_sum(values: &[f64]) -> f64 {
    match values {
        [] => 0.0,
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(values.len() / 2);
            pairwise_sum(left) + pairwise_sum(right)
        }
    }
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl Numeric for $t {
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn block_sum(block: &[Self]) -> f64 {
                block.iter().map(|value| i64::from(*value)).sum::<i64>() as f64
            }

            fn block_min(block: &[Self]) -> f64 {
                block.iter().copied().min().map_or(f64::INFINITY, f64::from)
            }

            fn block_max(block: &[Self]) -> f64 {
                block.iter().copied().max().map_or(f64::NEG_INFINITY, f64::from)
            }

            fn block_range(block: &[Self]) -> (f64, f64) {
                (Self::block_min(block), Self::block_max(block))
            }
        }
    )* };
}
integers!(i8, u8, i16, u16, i32, u32);

macro_rules! floats {
    ($t:ty, $bits:ty) => {
        impl Numeric for $t {
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn block_sum(block: &[Self]) -> f64 {
                if block.len() <= SEQUENTIAL {
                    return block.iter().fold(0.0, |sum, value| sum + f64::from(*value));
                }
                let mut sums = [0.0; LANES];
                let (rows, rest) = block.as_chunks::<LANES>();
                for row in rows {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += f64::from(*value);
                    }
                }
                for (sum, value) in sums.iter_mut().zip(rest) {
                    *sum += f64::from(*value);
                }
                pairwise_sum(&sums)
            }

            fn block_min(block: &[Self]) -> f64 {
                let (least, signs, has_nan) = least(block, |value: $t| value, <$t>::to_bits);
                settle(f64::from(least), signs >> (<$bits>::BITS - 1) != 0, has_nan)
            }

            fn block_max(block: &[Self]) -> f64 {
                let (least, signs, has_nan) = least(block, |value: $t| -value, <$t>::to_bits);
                -settle(f64::from(least), signs >> (<$bits>::BITS - 1) != 0, has_nan)
            }

            fn block_range(block: &[Self]) -> (f64, f64) {
                let mut low = [<$t>::INFINITY; LANES];
                let mut high = [<$t>::NEG_INFINITY; LANES];
                let mut widen = |row: &[$t]| {
                    for ((low, high), value) in low.iter_mut().zip(&mut high).zip(row) {
                        let is_finite = value.abs() <= <$t>::MAX;
                        *low = if is_finite & (*value < *low) { *value } else { *low };
                        *high = if is_finite & (*value > *high) { *value } else { *high };
                    }
                };
                for_each_batch(block, |batch| {
                    let (rows, rest) = batch.as_chunks::<LANES>();
                    rows.iter().for_each(|row| widen(row));
                    widen(rest);
                });
                let low = low.into_iter().map(f64::from).fold(f64::INFINITY, min_of);
                (low, high.into_iter().map(f64::from).fold(f64::NEG_INFINITY, max_of))
            }
        }
    };
}
floats!(f32, u32);
floats!(f64, u64);

/// Least element by `<` after `turn`, all bits of the turned elements, and whether one is NaN.
#[inline(always)]
fn least<T, B>(block: &[T], turn: impl Fn(T) -> T, bits: impl Fn(T) -> B) -> (T, B, bool)
where
    T: Copy + PartialOrd + From<f32>,
    B: Copy + Default + std::ops::BitOr<Output = B> + From<bool> + PartialEq,
{
    let mut least = [T::from(f32::INFINITY); LANES];
    let mut signs = [B::default(); LANES];
    let mut nans = [B::default(); LANES];
    let mut look = |row: &[T]| {
        for (((least, signs), nans), value) in least.iter_mut().zip(&mut signs).zip(&mut nans).zip(row) {
            let value = turn(*value);
            *least = if value < *least { value } else { *least };
            *signs = *signs | bits(value);
            // Only NaN differs from itself.
            *nans = *nans | B::from(value.partial_cmp(&value).is_none());
        }
    };
    let (rows, rest) = block.as_chunks::<LANES>();
    rows.iter().for_each(|row| look(row));
    look(rest);
    let signs = signs.into_iter().fold(B::default(), |all, some| all | some);
    let has_nan = nans.into_iter().any(|nan| nan != B::default());
    (least.into_iter().reduce(|a, b| if b < a { b } else { a }).expect("there are lanes"), signs, has_nan)
}

/// What the plain comparisons of [`least`] leave open: NaN, and the sign of a least zero. Where nothing is below zero,
/// a sign bit can only be that of a `-0`.
fn settle(least: f64, has_sign: bool, has_nan: bool) -> f64 {
    if has_nan {
        f64::NAN
    } else if least == 0.0 {
        if has_sign { -0.0 } else { 0.0 }
    } else {
        least
    }
}
