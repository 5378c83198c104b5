//! `sum` and `mean`.
//!
//! A plain array is added from left to right, as `Array.prototype.reduce` adds it. A typed array is added in blocks,
//! within a block in sixteen lanes, and the parts pairwise: the last digits may differ from a loop's, the error is no
//! larger, and the result is the same on every machine. Integer blocks are exact.

use super::Operation;
use super::blocks;
use super::kernels::{Numeric, pairwise_sum};
use super::list::for_each_number;
use super::number;
use super::numbers::{Numbers, with_elements};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};

/// The sum; 0 for no numbers.
pub(super) fn run_sum(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (numbers, _) = Numbers::read(Operation::Sum, &input, ["values"])?;
    let (sum, _) = total(Operation::Sum, numbers, cancel)?;
    Ok(number(sum, out))
}

/// The sum over the count; NaN for no numbers.
pub(super) fn run_mean(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (numbers, _) = Numbers::read(Operation::Mean, &input, ["values"])?;
    let (sum, count) = total(Operation::Mean, numbers, cancel)?;
    Ok(number(sum / count as f64, out))
}

/// Sum and count.
pub(super) fn total(
    operation: Operation,
    numbers: Numbers<'_>,
    cancel: &Cancel,
) -> Result<(f64, usize), Error> {
    match numbers {
        Numbers::List(list) => {
            let mut sum = 0.0;
            let count = for_each_number(operation, list, cancel, |value| sum += value)?;
            Ok((sum, count))
        }
        Numbers::View(view) => with_elements!(view, cancel, elements => {
            Ok((pairwise_sum(&blocks::map(elements, cancel, Numeric::block_sum)?), elements.len()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::BLOCK;
    use super::*;
    use crate::memory::View;
    use crate::payload::Element;

    #[test]
    fn many_threads_give_the_same_bits_as_one() {
        let values: Vec<f64> = (0..1_000_003_u32).map(|index| f64::from(index).sin() * 1e6).collect();
        let on_one_thread: Vec<f64> = values.chunks(BLOCK).map(Numeric::block_sum).collect();
        let view = Numbers::View(View::of(Element::F64, &values));
        let (sum, count) = total(Operation::Sum, view, &Cancel::default()).expect("not cancelled");
        assert_eq!(sum.to_bits(), pairwise_sum(&on_one_thread).to_bits());
        assert_eq!(count, values.len());
    }
}
