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
use crate::memory::View;
use crate::payload::{Element, Input, Scalar, Tag};
use crate::reserve::{try_push, try_zeroed};

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
    match view.element() {
        Element::I8 => sort_integers::<i8>(view, descending, cancel),
        Element::U8 | Element::U8Clamped => sort_integers::<u8>(view, descending, cancel),
        Element::I16 => sort_integers::<i16>(view, descending, cancel),
        Element::U16 => sort_integers::<u16>(view, descending, cancel),
        Element::I32 => sort_integers::<i32>(view, descending, cancel),
        Element::U32 => sort_integers::<u32>(view, descending, cancel),
        Element::F32 => sort_floats::<i32>(view, descending, cancel),
        Element::F64 => sort_floats::<i64>(view, descending, cancel),
        Element::I64 | Element::U64 => unreachable!("`Numbers::view` lets no BigInts in"),
    }
}

fn sort_integers<K: Ord + Scalar>(view: View<'_>, descending: bool, cancel: &Cancel) -> Result<(), Error> {
    sort_keys(
        view,
        cancel,
        |key: K| key,
        |keys| {
            if descending {
                keys.reverse();
            }
            Ok(())
        },
    )
}

fn sort_floats<K: FloatKey>(view: View<'_>, descending: bool, cancel: &Cancel) -> Result<(), Error> {
    let to_bits = |block: &mut [K]| block.iter_mut().for_each(|key| *key = key.to_bits(descending));
    sort_keys(
        view,
        cancel,
        |bits: K| bits.to_key(descending),
        |keys| blocks::for_each_mut(keys, cancel, to_bits),
    )
}

/// Sorts keys of the elements; `finish` makes elements of them again.
fn sort_keys<K: Ord + Scalar>(
    view: View<'_>,
    cancel: &Cancel,
    to_key: impl Fn(K) -> K + Sync,
    finish: impl FnOnce(&mut [K]) -> Result<(), Error>,
) -> Result<(), Error> {
    let rewriting = view.rewrite(cancel)?;
    let elements = rewriting.elements::<K>()?;
    let mut keys = try_zeroed(elements.len())?;
    blocks::map_into(&elements, &mut keys, cancel, |elements, keys| {
        for (key, element) in keys.iter_mut().zip(elements) {
            *key = to_key(*element);
        }
    })?;
    drop(elements); // the isolate's turn is over
    order::sort(&mut keys, cancel)?;
    finish(&mut keys)?;
    rewriting.write(&keys, cancel, |copy| blocks::for_each_range(size_of_val(keys.as_slice()), copy))
}
