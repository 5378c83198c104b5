//! `aggregate`: the sum of an array, from 0. What is not an array comes back as it is.

use super::Operation;
use super::echo;
use super::list::List;
use super::number;
use super::numbers::{Numbers, is_list};
use super::sum::total;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::payload::{Input, Tag};

const OPERATION: Operation = Operation::Aggregate;

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let numbers = match input {
        Input::Json(json) if is_list(json) => Numbers::List(List::Json(json)),
        Input::Numbers(values) => Numbers::List(List::Numbers(values)),
        Input::View(view) => Numbers::view(OPERATION, view, &input)?,
        _ => return echo::run(input, out),
    };
    let (sum, _) = total(OPERATION, numbers, cancel)?;
    Ok(number(sum, out))
}
