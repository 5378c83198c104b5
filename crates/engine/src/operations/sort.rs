//! `sort`: by number, `-0` before `0`, NaN last, as `TypedArray.prototype.sort` does.
//!
//! A copy is sorted. The contents of a typed array are replaced with it in one step, so that nobody ever sees half of the work, and the
//! array is handed back; a plain array gives a new one. `descending: true` turns the order round, but NaN stays last.

use super::Operation;
use super::blocks;
use super::float_key::FloatKey;
use super::list::{push_list, try_for_each_number};
use super::numbers::Numbers;
use super::order;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::memory::{Aligned, View};
use crate::payload::{Element, Input, Scalar, Tag};
use crate::reserve::try_push;

const OPERATION: Operation = Operation::Sort;

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (numbers, [_, descending]) = Numbers::read(OPERATION, &input, ["values", "descending"])?;
    let descending = match descending {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(OPERATION.refuse_part("'descending' as true or false", other)),
    };
    match numbers {
        Numbers::View(view) => sort_view(view, descending, cancel).map(|()| Tag::Same),
        Numbers::List(list) => {
            let mut keys = Vec::new();
            try_for_each_number(OPERATION, list, cancel, |value| {
                try_push(&mut keys, (value.to_bits() as i64).to_key(descending))
            })?;
            order::sort(&mut keys, cancel)?;
            let values: Vec<f64> =
                keys.into_iter().map(|key| f64::from_bits(key.to_bits(descending) as u64)).collect();
            push_list(&values, cancel, out)
        }
    }
}

fn sort_view(view: View<'_>, descending: bool, cancel: &Cancel) -> Result<(), Error> {
    view.rewrite(cancel, |copy| match view.element() {
        Element::I8 => sort_integers::<i8>(copy, descending, cancel),
        Element::U8 | Element::U8Clamped => sort_integers::<u8>(copy, descending, cancel),
        Element::I16 => sort_integers::<i16>(copy, descending, cancel),
        Element::U16 => sort_integers::<u16>(copy, descending, cancel),
        Element::I32 => sort_integers::<i32>(copy, descending, cancel),
        Element::U32 => sort_integers::<u32>(copy, descending, cancel),
        Element::F32 => sort_floats::<i32>(copy, descending, cancel),
        Element::F64 => sort_floats::<i64>(copy, descending, cancel),
        Element::I64 | Element::U64 => unreachable!("`Numbers::view` lets no BigInts in"),
    })
}

fn sort_integers<K: Ord + Scalar>(
    copy: &mut Aligned,
    descending: bool,
    cancel: &Cancel,
) -> Result<(), Error> {
    let elements = copy.elements_mut::<K>();
    order::sort(elements, cancel)?;
    if descending {
        elements.reverse();
    }
    Ok(())
}

fn sort_floats<K: FloatKey>(copy: &mut Aligned, descending: bool, cancel: &Cancel) -> Result<(), Error> {
    let keys = copy.elements_mut::<K>();
    let to_keys = |block: &mut [K]| block.iter_mut().for_each(|bits| *bits = bits.to_key(descending));
    let to_bits = |block: &mut [K]| block.iter_mut().for_each(|key| *key = key.to_bits(descending));
    blocks::for_each_mut(keys, cancel, to_keys)?;
    order::sort(keys, cancel)?;
    blocks::for_each_mut(keys, cancel, to_bits)
}
