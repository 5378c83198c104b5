//! `quantiles`: for each `q` from 0 to 1 the number below which that share of the numbers lies.
//!
//! Between two neighbours the result is interpolated: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical
//! Packages" (1996), the default of R and NumPy. As for `min`, `max` and `mean`, one NaN among the numbers makes every
//! result NaN: it is not dropped in silence. No numbers give NaN too. The given array is not changed; the work needs a
//! copy of it.

use super::Operation;
use super::blocks;
use super::float_key::FloatKey;
use super::list::{List, collect_numbers, push_list, try_for_each_number};
use super::numbers::Numbers;
use super::order;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::memory::{Elements, View};
use crate::payload::{Element, Input, Scalar, Tag};
use crate::reserve::{try_push, try_zeroed};

const OPERATION: Operation = Operation::Quantiles;
const DEFAULT_Q: [f64; 3] = [0.25, 0.5, 0.75];

pub(super) fn run(input: Input<'_>, cancel: &Cancel, out: &mut Vec<u8>) -> Result<Tag, Error> {
    let (numbers, [_, q]) = Numbers::read(OPERATION, &input, ["values", "q"])?;
    let q = match q {
        None => DEFAULT_Q.to_vec(),
        Some(raw) => read_q(raw, cancel)?,
    };
    let quantiles = match numbers {
        Numbers::View(view) => of_view(view, &q, cancel)?,
        Numbers::List(list) => {
            let mut bits = Vec::new();
            try_for_each_number(OPERATION, list, cancel, |value| {
                try_push(&mut bits, value.to_bits() as i64)
            })?;
            of_doubles(&Elements::from(bits.as_slice()), &q, cancel)?
        }
    };
    push_list(&quantiles, cancel, out)
}

fn read_q(raw: &str, cancel: &Cancel) -> Result<Vec<f64>, Error> {
    const EXPECTED: &str = "'q' as an array of numbers from 0 to 1";
    let q = collect_numbers(OPERATION, List::Json(raw), cancel).map_err(|error| match error {
        Error::InvalidData { .. } => OPERATION.refuse_part(EXPECTED, raw),
        other => other,
    })?;
    match q.iter().all(|q| (0.0..=1.0).contains(q)) {
        true => Ok(q),
        false => Err(OPERATION.refuse_part(EXPECTED, raw)),
    }
}

fn of_view(view: View<'_>, q: &[f64], cancel: &Cancel) -> Result<Vec<f64>, Error> {
    match view.element() {
        Element::I8 => of_integers(&view.scan::<i8>(cancel)?, q, cancel),
        Element::U8 | Element::U8Clamped => of_integers(&view.scan::<u8>(cancel)?, q, cancel),
        Element::I16 => of_integers(&view.scan::<i16>(cancel)?, q, cancel),
        Element::U16 => of_integers(&view.scan::<u16>(cancel)?, q, cancel),
        Element::I32 => of_integers(&view.scan::<i32>(cancel)?, q, cancel),
        Element::U32 => of_integers(&view.scan::<u32>(cancel)?, q, cancel),
        Element::F32 => of_keys(
            &view.scan::<i32>(cancel)?,
            |bits| bits.to_key(false),
            |key| f32::from_bits(key.to_bits(false) as u32).into(),
            q,
            cancel,
        ),
        Element::F64 => of_doubles(&view.scan::<i64>(cancel)?, q, cancel),
        Element::I64 | Element::U64 => unreachable!("`Numbers::view` lets no BigInts in"),
    }
}

fn of_integers<K>(elements: &Elements<'_, K>, q: &[f64], cancel: &Cancel) -> Result<Vec<f64>, Error>
where
    K: Ord + Scalar + Into<f64>,
{
    of_keys(elements, |element| element, K::into, q, cancel)
}

fn of_doubles(bits: &Elements<'_, i64>, q: &[f64], cancel: &Cancel) -> Result<Vec<f64>, Error> {
    of_keys(bits, |bits| bits.to_key(false), |key| f64::from_bits(key.to_bits(false) as u64), q, cancel)
}

fn of_keys<K: Ord + Scalar>(
    elements: &Elements<'_, K>,
    to_key: impl Fn(K) -> K + Sync,
    value: impl Fn(K) -> f64,
    q: &[f64],
    cancel: &Cancel,
) -> Result<Vec<f64>, Error> {
    let mut keys = try_zeroed(elements.len())?;
    let greatest = blocks::map_into(elements, &mut keys, cancel, |elements, keys| {
        for (key, element) in keys.iter_mut().zip(elements) {
            *key = to_key(*element);
        }
        keys.iter().copied().max()
    })?;
    // NaN has the greatest key; without any number there is no key at all.
    if greatest.into_iter().max().flatten().is_none_or(|key| value(key).is_nan()) {
        return Ok(vec![f64::NAN; q.len()]);
    }

    let last = keys.len() - 1;
    let position = |q: f64| q * last as f64;
    let mut ranks: Vec<usize> =
        q.iter().flat_map(|q| [position(*q).floor() as usize, position(*q).ceil() as usize]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    order::select(&mut keys, &ranks, cancel)?;

    Ok(q.iter()
        .map(|q| {
            let position = position(*q);
            let below = value(keys[position.floor() as usize]);
            let above = value(keys[position.ceil() as usize]);
            interpolate(below, above, position.fract())
        })
        .collect())
}

/// The point at `share` of the way from `below` to `above`, never outside of them.
fn interpolate(below: f64, above: f64, share: f64) -> f64 {
    let distance = above - below;
    if share == 0.0 || below == above {
        below
    } else if distance.is_finite() {
        if share < 0.5 { below + distance * share } else { above - distance * (1.0 - share) }
    } else {
        below * (1.0 - share) + above * share
    }
}
