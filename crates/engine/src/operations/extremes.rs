//! `min` and `max`, with the rules of `Math.min` and `Math.max`: NaN wins, `-0` is less than `0`, and for no numbers at
//! all the results are `Infinity` and `-Infinity`.

use super::Operation;
use super::blocks;
use super::kernels::{Numeric, max_of, min_of};
use super::list::for_each_number;
use super::number;
use super::numbers::{Numbers, with_elements};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};

/// The smallest number.
pub(super) fn run_min(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (numbers, _) = Numbers::read(Operation::Min, &input, ["values"])?;
    let mut least = f64::INFINITY;
    match numbers {
        Numbers::List(list) => {
            for_each_number(Operation::Min, list, cancel, |value| least = min_of(least, value))?;
        }
        Numbers::View(view) => with_elements!(view, cancel, elements => {
            least = blocks::map(elements, cancel, Numeric::block_min)?.into_iter().fold(least, min_of);
        }),
    }
    Ok(number(least, out))
}

/// The largest number.
pub(super) fn run_max(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (numbers, _) = Numbers::read(Operation::Max, &input, ["values"])?;
    let mut most = f64::NEG_INFINITY;
    match numbers {
        Numbers::List(list) => {
            for_each_number(Operation::Max, list, cancel, |value| most = max_of(most, value))?;
        }
        Numbers::View(view) => with_elements!(view, cancel, elements => {
            most = blocks::map(elements, cancel, Numeric::block_max)?.into_iter().fold(most, max_of);
        }),
    }
    Ok(number(most, out))
}
