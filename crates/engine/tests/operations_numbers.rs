//! The numeric operations against their definitions.

mod operations_support;

use noizylab_engine::memory::View;
use noizylab_engine::operations::Operation;
use noizylab_engine::payload::{Element, Input, Scalar, Tag};
use operations_support::{lent, ok, refusal, scattered, view};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Above this length an array is split over the threads.
const LARGE: usize = 300_003;

fn doubles(operation: Operation, values: &[f64]) -> f64 {
    ok(operation, Input::View(view(Element::F64, values))).number()
}

fn histogram(values: &[f64], options: &str) -> Value {
    ok(Operation::Histogram, Input::ViewWith(view(Element::F64, values), options)).json()
}

fn quantiles(values: &[f64], q: &[f64]) -> Vec<f64> {
    let options = json!({ "q": q }).to_string();
    let result = ok(Operation::Quantiles, Input::ViewWith(view(Element::F64, values), &options));
    match result.tag {
        Tag::Json => serde_json::from_slice(&result.bytes).expect("JSON"),
        Tag::V8 => {
            let elements = &result.bytes[4..result.bytes.len() - 3];
            elements.chunks(9).map(|n| f64::from_le_bytes(n[1..].try_into().expect("eight bytes"))).collect()
        }
        tag => panic!("{tag:?}"),
    }
}

fn sorted<T: Scalar>(element: Element, values: &[T], options: &str) -> Vec<T> {
    let mut values = values.to_vec();
    let lent = lent(element, &mut values);
    let result = ok(Operation::Sort, Input::ViewWith(View::lent(&lent), options));
    assert_eq!((result.tag, result.bytes.len()), (Tag::Same, 0));
    values
}

/// Any double, with the special ones often among them.
fn any_double() -> impl Strategy<Value = f64> {
    let special =
        [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN, f64::MAX, f64::MIN_POSITIVE];
    prop_oneof![4 => any::<f64>(), 4 => -100.0..100.0, 1 => proptest::sample::select(special.to_vec())]
}

fn any_doubles(length: usize) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(any_double(), 0..length)
}

fn finite_doubles(length: usize) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-1e6..1e6, 0..length)
}

#[test]
fn nothing_at_all_gives_what_javascript_gives() {
    assert_eq!(doubles(Operation::Sum, &[]).to_bits(), 0);
    assert_eq!(doubles(Operation::Min, &[]), f64::INFINITY);
    assert_eq!(doubles(Operation::Max, &[]), f64::NEG_INFINITY);
    assert!(doubles(Operation::Mean, &[]).is_nan());
    assert!(quantiles(&[], &[0.5])[0].is_nan());
    assert_eq!(ok(Operation::Sort, Input::Json("[]")).text(), "[]");
    assert_eq!(ok(Operation::Sum, Input::Json("[]")).number().to_bits(), 0);
    assert_eq!(ok(Operation::Min, Input::Json(r#"{"values":[]}"#)).number(), f64::INFINITY);
    assert_eq!(
        histogram(&[], "{}"),
        json!({ "min": 0.0, "max": 1.0, "bins": 10, "width": 0.1, "counts": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "below": 0,
            "above": 0, "nan": 0 })
    );
}

#[test]
fn a_plain_array_and_an_object_give_what_a_typed_array_gives() {
    let numbers = [3.5, -1.0, 2.0, 2.0, 10.0];
    let list = json!(numbers).to_string();
    let object = json!({ "other": [1], "values": numbers, "id": "x" }).to_string();
    for name in ["sum", "min", "max", "mean", "histogram", "quantiles"] {
        let operation = Operation::from_name(name).expect("a name of the catalogue");
        let expected = ok(operation, Input::View(view(Element::F64, &numbers)));
        assert_eq!(ok(operation, Input::Json(&list)), expected);
        assert_eq!(ok(operation, Input::Json(&object)), expected);
    }
    assert_eq!(ok(Operation::Sort, Input::Json(&list)).text(), "[-1,2,2,3.5,10]");
    assert_eq!(
        ok(Operation::Sort, Input::Json(r#"{"values":[1,-0,0,2],"descending":true}"#)).text(),
        "[2,1,0,-0.0]"
    );
}

#[test]
fn every_kind_of_element_is_read_as_what_it_is() {
    fn extremes<T: Scalar>(element: Element, values: Vec<T>) -> (f64, f64, f64) {
        let run = |operation| ok(operation, Input::View(view(element, &values))).number();
        (run(Operation::Min), run(Operation::Max), run(Operation::Sum))
    }
    assert_eq!(extremes(Element::I8, vec![i8::MIN, 0, i8::MAX]), (-128.0, 127.0, -1.0));
    assert_eq!(extremes(Element::U8, vec![0, u8::MAX]), (0.0, 255.0, 255.0));
    assert_eq!(extremes(Element::U8Clamped, vec![0, u8::MAX]), (0.0, 255.0, 255.0));
    assert_eq!(extremes(Element::I16, vec![i16::MIN, i16::MAX]), (-32_768.0, 32_767.0, -1.0));
    assert_eq!(extremes(Element::U16, vec![1, u16::MAX]), (1.0, 65_535.0, 65_536.0));
    assert_eq!(extremes(Element::I32, vec![i32::MIN, i32::MAX]), (-2_147_483_648.0, 2_147_483_647.0, -1.0));
    assert_eq!(extremes(Element::U32, vec![1, u32::MAX]), (1.0, 4_294_967_295.0, 4_294_967_296.0));
    assert_eq!(extremes(Element::F32, vec![0.5_f32, -0.25]), (-0.25, 0.5, 0.25));
}

#[test]
fn big_integers_are_refused_and_what_is_allowed_is_said() {
    for name in ["aggregate", "sum", "min", "max", "mean", "sort", "histogram", "quantiles"] {
        let operation = Operation::from_name(name).expect("a name of the catalogue");
        let message = refusal(operation, Input::View(view(Element::I64, &[1_i64])));
        assert!(
            message.contains("Float64Array") && message.ends_with("given: BigInt64Array(1)"),
            "{message}"
        );
        refusal(operation, Input::View(view(Element::U64, &[1_u64])));
    }
}

#[test]
fn what_holds_no_numbers_is_refused() {
    for name in ["sum", "min", "max", "mean", "sort", "histogram", "quantiles"] {
        let operation = Operation::from_name(name).expect("a name of the catalogue");
        for json in
            ["null", "5", "{}", "\"[1]\"", r#"{"values":5}"#, r#"{"values":null}"#, r#"{"values":["1"]}"#]
        {
            refusal(operation, Input::Json(json));
        }
        refusal(operation, Input::Undefined);
        refusal(operation, Input::Number(1.0));
        refusal(operation, Input::Text("[1]"));
    }
}

#[test]
fn min_and_max_follow_math_min_and_math_max() {
    let (min, max) = (|v: &[f64]| doubles(Operation::Min, v), |v: &[f64]| doubles(Operation::Max, v));
    assert_eq!(min(&[0.0, -0.0]).to_bits(), (-0.0_f64).to_bits());
    assert_eq!(min(&[0.0, 0.0]).to_bits(), 0);
    assert_eq!(max(&[-0.0, 0.0]).to_bits(), 0);
    assert_eq!(max(&[-0.0, -0.0]).to_bits(), (-0.0_f64).to_bits());
    assert!(min(&[1.0, f64::NAN, -1.0]).is_nan() && max(&[1.0, -f64::NAN, 5.0]).is_nan());
    assert_eq!(ok(Operation::Max, Input::Json("[-0,0]")).number().to_bits(), 0);
    assert_eq!(ok(Operation::Min, Input::Json("[0,-0]")).number().to_bits(), (-0.0_f64).to_bits());
}

#[test]
fn a_single_special_number_is_found_wherever_it_is() {
    for at in [0, 5, 65_535, 65_536, 200_000, LARGE - 1] {
        let mut values = vec![1.0; LARGE];
        values[at] = f64::NAN;
        assert!(doubles(Operation::Min, &values).is_nan() && doubles(Operation::Max, &values).is_nan());
        assert!(doubles(Operation::Sum, &values).is_nan());
        assert!(quantiles(&values, &[0.0])[0].is_nan());
        let mut values = vec![0.0; LARGE];
        values[at] = -0.0;
        assert_eq!(doubles(Operation::Min, &values).to_bits(), (-0.0_f64).to_bits());
    }
}

#[test]
fn a_large_sum_is_closer_than_that_of_a_loop() {
    let values = vec![0.1; 1_000_000];
    let naive = values.iter().fold(0.0, |sum, value| sum + value);
    let ours = doubles(Operation::Sum, &values);
    assert!((ours - 1e5).abs() < (naive - 1e5).abs() / 100.0, "{ours} against {naive}");
    assert_eq!(doubles(Operation::Mean, &values), ours / 1e6);
}

#[test]
fn a_sum_of_integers_is_exact() {
    let values: Vec<u32> = scattered(LARGE).map(|number| number as u32).collect();
    let exact: u64 = values.iter().map(|value| u64::from(*value)).sum();
    assert_eq!(ok(Operation::Sum, Input::View(view(Element::U32, &values))).number(), exact as f64);
}

#[test]
fn a_short_typed_array_is_added_as_a_loop_adds_it() {
    let values: Vec<f64> = (1..=64).map(|i| 1.0 / f64::from(i)).collect();
    assert_eq!(doubles(Operation::Sum, &values), values.iter().fold(0.0, |sum, value| sum + value));
}

#[test]
fn sort_orders_special_numbers_as_javascript_does() {
    let values = [f64::NAN, 1.0, 0.0, f64::INFINITY, -0.0, -f64::NAN, -1.0, f64::NEG_INFINITY];
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let numbers = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1.0, f64::INFINITY];
    let up = sorted(Element::F64, &values, "{}");
    assert_eq!(bits(up[..6].to_vec()), bits(numbers.to_vec()));
    assert!(up[6..].iter().all(|value| value.is_nan()));
    let down = sorted(Element::F64, &values, r#"{"descending":true}"#);
    assert_eq!(bits(down[..6].to_vec()), bits(numbers.into_iter().rev().collect()));
    assert!(down[6..].iter().all(|value| value.is_nan()), "NaN stays last");
}

#[test]
fn large_arrays_of_every_kind_are_sorted() {
    fn check<T: Scalar + PartialOrd>(element: Element, make: impl Fn(u64) -> T) {
        let values: Vec<T> = scattered(LARGE).map(make).collect();
        assert!(sorted(element, &values, "{}").is_sorted());
        assert!(sorted(element, &values, r#"{"descending":true}"#).is_sorted_by(|a, b| a >= b));
    }
    check(Element::I8, |number| number as i8);
    check(Element::U8, |number| number as u8);
    check(Element::U8Clamped, |number| number as u8);
    check(Element::I16, |number| number as i16);
    check(Element::U16, |number| number as u16);
    check(Element::I32, |number| number as i32);
    check(Element::U32, |number| number as u32);
    check(Element::F32, |number| number as f32 - 4e15);
    check(Element::F64, |number| number as f64 - 4e15);
}

#[test]
fn sort_refuses_a_direction_that_is_no_boolean() {
    for json in [r#"{"values":[1],"descending":1}"#, r#"{"values":[1],"descending":null}"#] {
        let message = refusal(Operation::Sort, Input::Json(json));
        assert!(message.contains("'descending' as true or false"), "{message}");
    }
}

#[test]
fn histogram_counts_what_lies_in_each_bin_and_outside() {
    let values = [0.0, 9.99, 10.0, 25.0, 49.0, 50.0, -1.0, 51.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    assert_eq!(
        histogram(&values, r#"{"bins":5,"min":0,"max":50}"#),
        json!({ "min": 0.0, "max": 50.0, "bins": 5, "width": 10.0, "counts": [2, 1, 1, 0, 2], "below": 2, "above": 2,
            "nan": 1 })
    );
}

#[test]
fn histogram_takes_the_finite_range_of_the_data() {
    let values = [4.0, f64::INFINITY, -6.0, f64::NAN, f64::NEG_INFINITY, 0.0];
    let result = histogram(&values, r#"{"bins":2}"#);
    assert_eq!((&result["min"], &result["max"]), (&json!(-6.0), &json!(4.0)));
    assert_eq!(result["counts"], json!([1, 2]));
    assert_eq!((&result["below"], &result["above"], &result["nan"]), (&json!(1), &json!(1), &json!(1)));
}

#[test]
fn a_range_that_would_be_empty_is_one_unit_wide() {
    let range = |values: &[f64], options: &str| {
        let result = histogram(values, options);
        let counted: u64 =
            result["counts"].as_array().expect("counts").iter().filter_map(Value::as_u64).sum();
        (result["min"].as_f64().expect("min"), result["max"].as_f64().expect("max"), counted)
    };
    assert_eq!(range(&[f64::NAN; 3], "{}"), (0.0, 1.0, 0));
    assert_eq!(range(&[5.0; 3], "{}"), (4.5, 5.5, 3));
    assert_eq!(range(&[1.0, 2.0], r#"{"min":10}"#), (10.0, 11.0, 0));
    assert_eq!(range(&[1.0, 2.0], r#"{"max":-10}"#), (-11.0, -10.0, 0));
    assert_eq!(range(&[], r#"{"min":3}"#), (3.0, 4.0, 0));
    let (min, max, counted) = range(&[1e300; 3], r#"{"bins":1000000}"#);
    assert!(min < 1e300 && 1e300 < max && counted == 3);
    assert_eq!(range(&[f64::MAX; 3], "{}").2, 3);
    assert_eq!(range(&[f64::MIN; 3], r#"{"bins":1}"#).2, 3);
    assert_eq!(range(&[5e-324, 0.0], "{}"), (0.0, 5e-324, 2));
}

#[test]
fn a_histogram_over_the_whole_range_of_doubles_has_finite_bins() {
    let result = histogram(&[f64::MIN, -1e307, 1e307, f64::MAX], r#"{"bins":4}"#);
    assert_eq!(result["counts"], json!([1, 1, 1, 1]));
    assert_eq!(result["width"].as_f64(), Some(f64::MAX / 2.0));
}

#[test]
fn integers_on_the_edge_of_a_bin_belong_to_the_bin_above() {
    for width in 1..=100_u32 {
        let values: Vec<f64> = (0..=1000).map(|i| f64::from(i * width)).collect();
        let counts = histogram(&values, r#"{"bins":1000}"#)["counts"].clone();
        let expected: Vec<u32> = (0..1000).map(|bin| if bin == 999 { 2 } else { 1 }).collect();
        assert_eq!(counts, json!(expected), "width {width}");
    }
}

#[test]
fn a_large_histogram_counts_each_number_once() {
    let values: Vec<f64> = scattered(LARGE).map(|number| (number % 1000) as f64).collect();
    for bins in [1, 7, 1000, 100_000] {
        let result = histogram(&values, &json!({ "bins": bins }).to_string());
        let mut expected = vec![0_u64; bins];
        for value in &values {
            expected[((value * bins as f64 / 999.0) as usize).min(bins - 1)] += 1;
        }
        assert_eq!(result["counts"], json!(expected), "{bins} bins");
    }
}

#[test]
fn histogram_refuses_bins_and_bounds_that_make_no_sense() {
    let bad = [
        "\"bins\":0",
        "\"bins\":1000001",
        "\"bins\":1.5",
        "\"bins\":\"10\"",
        "\"bins\":null",
        "\"min\":\"0\"",
        "\"max\":null",
        "\"min\":1,\"max\":1",
        "\"min\":2,\"max\":1",
        "\"max\":1e999",
    ];
    for options in bad {
        refusal(Operation::Histogram, Input::Json(&format!("{{\"values\":[1],{options}}}")));
        refusal(Operation::Histogram, Input::ViewWith(view(Element::F64, &[1.0]), &format!("{{{options}}}")));
    }
}

#[test]
fn quantiles_interpolate_as_r_and_numpy_do() {
    // quantile(c(1, 2, 3, 4, 10), type = 7)
    assert_eq!(
        quantiles(&[10.0, 2.0, 1.0, 4.0, 3.0], &[0.0, 0.25, 0.5, 0.75, 1.0]),
        [1.0, 2.0, 3.0, 4.0, 10.0]
    );
    assert_eq!(quantiles(&[1.0, 2.0], &[0.5, 0.1]), [1.5, 1.1]);
    assert_eq!(quantiles(&[7.0], &[0.0, 0.3, 1.0]), [7.0; 3]);
    assert_eq!(quantiles(&[f64::MAX, f64::MIN], &[0.5]), [0.0]);
    assert_eq!(quantiles(&[1.0, f64::INFINITY, f64::INFINITY], &[0.9]), [f64::INFINITY]);
    assert!(quantiles(&[1.0], &[]).is_empty());
    assert_eq!(
        ok(Operation::Quantiles, Input::Json("[4,1,3,2,5]")).text(),
        "[2,3,4]",
        "quartiles by default"
    );
}

#[test]
fn quantiles_leave_the_given_array_as_it_is() {
    let values: Vec<f64> = scattered(LARGE).map(|number| number as f64).collect();
    let before = values.clone();
    ok(Operation::Quantiles, Input::View(view(Element::F64, &values)));
    assert!(values == before);
}

#[test]
fn quantiles_of_large_arrays_are_those_of_the_sorted_array() {
    fn check<T: Scalar + PartialOrd + Into<f64>>(element: Element, make: impl Fn(u64) -> T) {
        let mut values: Vec<T> = scattered(LARGE).map(make).collect();
        let options = r#"{"q":[0,0.001,0.5,0.999,1]}"#;
        let result = ok(Operation::Quantiles, Input::ViewWith(view(element, &values), options)).json();
        values.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        for (index, q) in [0.0, 0.001, 0.5, 0.999, 1.0].into_iter().enumerate() {
            // Only whole positions: how to interpolate is checked elsewhere.
            let position = q * (LARGE - 1) as f64;
            let (low, high): (f64, f64) =
                (values[position.floor() as usize].into(), values[position.ceil() as usize].into());
            let quantile = result[index].as_f64().expect("a number");
            assert!(low <= quantile && quantile <= high, "{low} {quantile} {high}");
        }
    }
    check(Element::U8, |number| number as u8);
    check(Element::U8Clamped, |number| number as u8);
    check(Element::I8, |number| number as i8);
    check(Element::I16, |number| number as i16);
    check(Element::U16, |number| number as u16);
    check(Element::I32, |number| number as i32);
    check(Element::U32, |number| number as u32);
    check(Element::F32, |number| number as f32 - 4e15);
    check(Element::F64, |number| number as f64 - 4e15);
}

#[test]
fn quantiles_refuse_shares_outside_of_zero_to_one() {
    for q in ["[1.1]", "[-0.1]", "0.5", "[\"0.5\"]", "[null]", "null", "{}"] {
        let message = refusal(Operation::Quantiles, Input::Json(&format!("{{\"values\":[1],\"q\":{q}}}")));
        assert_eq!(
            message,
            format!("operation 'quantiles' takes 'q' as an array of numbers from 0 to 1; given: {q}")
        );
    }
}

proptest! {
    #[test]
    fn sum_and_mean_are_those_of_a_loop_within_rounding(values in finite_doubles(3000)) {
        let naive = values.iter().fold(0.0, |sum, value| sum + value);
        let magnitude: f64 = values.iter().map(|value| value.abs()).sum();
        let tolerance = magnitude * f64::EPSILON * values.len() as f64;
        let sum = doubles(Operation::Sum, &values);
        prop_assert!((sum - naive).abs() <= tolerance);
        if !values.is_empty() {
            prop_assert_eq!(doubles(Operation::Mean, &values), sum / values.len() as f64);
        }
    }

    #[test]
    fn min_and_max_are_those_of_the_total_order(values in any_doubles(200)) {
        let least = values.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::INFINITY);
        let most = values.iter().copied().max_by(f64::total_cmp).unwrap_or(f64::NEG_INFINITY);
        let (min, max) = (doubles(Operation::Min, &values), doubles(Operation::Max, &values));
        if values.iter().any(|value| value.is_nan()) {
            prop_assert!(min.is_nan() && max.is_nan());
        } else {
            prop_assert_eq!((min.to_bits(), max.to_bits()), (least.to_bits(), most.to_bits()));
        }
        let singles: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let single = |operation| ok(operation, Input::View(view(Element::F32, &singles.clone()))).number();
        if !values.iter().any(|value| value.is_nan()) && !values.is_empty() {
            prop_assert_eq!(single(Operation::Min).to_bits(), f64::from(least as f32).to_bits());
            prop_assert_eq!(single(Operation::Max).to_bits(), f64::from(most as f32).to_bits());
        }
    }

    #[test]
    fn sort_gives_the_total_order(values in any_doubles(300), descending: bool) {
        let options = json!({ "descending": descending }).to_string();
        let ours = sorted(Element::F64, &values, &options);
        let (mut numbers, nans): (Vec<f64>, Vec<f64>) = values.iter().partition(|value| !value.is_nan());
        numbers.sort_by(f64::total_cmp);
        if descending {
            numbers.reverse();
        }
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&ours[..numbers.len()]), bits(&numbers));
        prop_assert!(ours[numbers.len()..].iter().all(|value| value.is_nan()));
        prop_assert_eq!(ours.len(), numbers.len() + nans.len());
    }

    #[test]
    fn sort_of_a_plain_array_is_a_plain_array(values in finite_doubles(300)) {
        let list = json!(values).to_string();
        let result: Vec<f64> = serde_json::from_value(ok(Operation::Sort, Input::Json(&list)).json()).expect("numbers");
        let mut expected = values;
        expected.sort_by(f64::total_cmp);
        prop_assert_eq!(result, expected);
    }

    #[test]
    fn a_histogram_counts_every_number_once_and_in_its_bin(
        values in any_doubles(500),
        bins in 1..50_usize,
        bounds in proptest::option::of((-100.0..0.0, 0.5..100.0)),
    ) {
        let options = match bounds {
            None => json!({ "bins": bins }),
            Some((min, max)) => json!({ "bins": bins, "min": min, "max": max }),
        };
        let result = histogram(&values, &options.to_string());
        let count = |name: &str| result[name].as_u64().expect("a count");
        let counts: Vec<u64> = serde_json::from_value(result["counts"].clone()).expect("counts");
        prop_assert_eq!(counts.len(), bins);
        prop_assert_eq!(
            counts.iter().sum::<u64>() + count("below") + count("above") + count("nan"),
            values.len() as u64
        );
        let (min, max) = (result["min"].as_f64().expect("min"), result["max"].as_f64().expect("max"));
        prop_assert!(min < max);
        prop_assert_eq!(count("below") as usize, values.iter().filter(|value| **value < min).count());
        prop_assert_eq!(count("above") as usize, values.iter().filter(|value| **value > max).count());
        // Cumulated counts against the edges: rounding may move a number on an edge by one bin, no further.
        let mut seen = count("below") as usize;
        for (bin, count) in counts.iter().enumerate().take(bins - 1) {
            seen += *count as usize;
            let share = (bin + 1) as f64 / bins as f64;
            let edge = min * (1.0 - share) + max * share;
            let slack = (max.abs().max(min.abs())) * 1e-9;
            prop_assert!(values.iter().filter(|value| **value < edge - slack).count() <= seen);
            prop_assert!(values.iter().filter(|value| **value < edge + slack).count() >= seen);
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_array(
        values in proptest::collection::vec(-1e6..1e6, 1..400),
        q in proptest::collection::vec(0.0..=1.0, 0..8),
    ) {
        let mut expected = values.clone();
        expected.sort_by(f64::total_cmp);
        for (q, ours) in q.iter().zip(quantiles(&values, &q)) {
            let position = q * (expected.len() - 1) as f64;
            let (low, high) = (expected[position.floor() as usize], expected[position.ceil() as usize]);
            let exact = low + (high - low) * position.fract();
            prop_assert!((ours - exact).abs() <= 1e-9 * low.abs().max(high.abs()), "{ours} {exact}");
        }
    }

    #[test]
    fn nothing_makes_a_numeric_operation_panic(mut values in any_doubles(50), bins in 1..5_usize, bound in any_double()) {
        for name in ["sum", "min", "max", "mean", "sort", "histogram", "quantiles"] {
            let operation = Operation::from_name(name).expect("a name of the catalogue");
            let options = json!({ "bins": bins, "min": bound, "q": [0.3] });
            let options = if bound.is_finite() { options } else { json!({}) }.to_string();
            let lent = lent(Element::F64, &mut values);
            ok(operation, Input::ViewWith(View::lent(&lent), &options));
        }
    }
}
