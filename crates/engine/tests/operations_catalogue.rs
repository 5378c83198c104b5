//! The catalogue: names and numbers, and the three operations that the original had.

mod operations_support;

use noizylab_engine::operations::Operation;
use noizylab_engine::payload::{Element, Input, Tag};
use operations_support::{ok, refusal, run, view};
use serde_json::json;

#[test]
fn names_and_numbers_lead_to_the_operation_and_back() {
    for (number, operation) in Operation::ALL.iter().enumerate() {
        assert_eq!(*operation as usize, number);
        assert_eq!(Operation::from_u16(number as u16), Some(*operation));
        assert_eq!(Operation::from_name(operation.name()), Some(*operation));
    }
    assert_eq!(Operation::ALL.len(), 17);
    assert_eq!(Operation::from_u16(17), None);
    assert_eq!(Operation::from_u16(u16::MAX), None);
    for name in ["", "Echo", "sha-256", "echo "] {
        assert_eq!(Operation::from_name(name), None);
    }
}

#[test]
fn echo_gives_every_value_back() {
    let values = [1.5];
    let view = view(Element::F64, &values);
    assert_eq!(ok(Operation::Echo, Input::Undefined).tag, Tag::Undefined);
    assert_eq!(ok(Operation::Echo, Input::Number(-0.0)).number().to_bits(), (-0.0_f64).to_bits());
    assert!(ok(Operation::Echo, Input::Number(f64::NAN)).number().is_nan());
    assert_eq!(ok(Operation::Echo, Input::Json(r#"{"a":[1]}"#)).text(), r#"{"a":[1]}"#);
    assert_eq!(ok(Operation::Echo, Input::Text("é")).text(), "é");
    assert_eq!(ok(Operation::Echo, Input::View(view)).tag, Tag::Same);
    assert_eq!(ok(Operation::Echo, Input::ViewWith(view, "{}")).tag, Tag::Same);
}

#[test]
fn compute_gives_the_same_sum_every_time() {
    let expected = (0..1000).fold(0.0, |sum, i| sum + f64::from(i).sqrt());
    for _ in 0..3 {
        let result = ok(Operation::Compute, Input::Json(r#"{"iterations":1000,"label":"x"}"#)).json();
        assert_eq!(result, json!({ "computed": expected, "input": { "iterations": 1000, "label": "x" } }));
    }
}

#[test]
fn compute_without_iterations_takes_a_thousand_and_zero_is_zero() {
    let thousand = (0..1000).fold(0.0, |sum, i| sum + f64::from(i).sqrt());
    let computed = |input| ok(Operation::Compute, input).json();
    assert_eq!(computed(Input::Undefined), json!({ "computed": thousand }));
    assert_eq!(computed(Input::Json("{}")), json!({ "computed": thousand, "input": {} }));
    assert_eq!(computed(Input::Json("[5]")), json!({ "computed": thousand, "input": [5] }));
    assert_eq!(computed(Input::Number(7.0)), json!({ "computed": thousand, "input": 7 }));
    assert_eq!(computed(Input::Text("a\"b")), json!({ "computed": thousand, "input": "a\"b" }));
    assert_eq!(computed(Input::Json(r#"{"iterations":0}"#))["computed"], json!(0));
    assert_eq!(
        computed(Input::Json(r#"{"iterations":1.5}"#))["computed"],
        json!(1),
        "as a JavaScript loop counts"
    );
}

#[test]
fn compute_refuses_what_cannot_be_counted_to() {
    for json in ["null", r#"{"iterations":-1}"#, r#"{"iterations":"5"}"#, r#"{"iterations":null}"#] {
        refusal(Operation::Compute, Input::Json(json));
    }
    refusal(Operation::Compute, Input::Number(f64::NAN));
    let message = refusal(Operation::Compute, Input::Json(r#"{"iterations":[]}"#));
    assert_eq!(message, "operation 'compute' takes 'iterations' as a number from 0; given: []");
    let values = [1.0];
    let message = refusal(Operation::Compute, Input::View(view(Element::F64, &values)));
    assert!(message.ends_with("given: Float64Array(1)"), "{message}");
}

#[test]
fn transform_doubles_a_plain_array() {
    let doubled = |json| ok(Operation::Transform, Input::Json(json));
    assert_eq!(doubled("[1,2.5,-3]").text(), "[2,5,-6]");
    assert_eq!(doubled(" [ ] ").text(), "[]");
    assert_eq!(doubled("[0.1]").text(), "[0.2]");
    assert_eq!(doubled("[-0]").text(), "[-0.0]", "JSON.parse reads this as -0");
    assert_eq!(doubled("[9007199254740992]").json(), json!([18_014_398_509_481_984.0]));
}

#[test]
fn a_result_that_json_cannot_say_is_still_a_plain_array() {
    // What `v8.serialize([2, Infinity, -Infinity])` gives, but for its version number (13 here, 15 in Node 20).
    let mut expected = vec![0xff, 13, b'A', 3];
    for value in [2.0, f64::INFINITY, f64::NEG_INFINITY] {
        expected.push(b'N');
        expected.extend_from_slice(&f64::to_le_bytes(value));
    }
    expected.extend_from_slice(&[b'$', 0, 3]);
    let result = ok(Operation::Transform, Input::Json("[1,1e308,-1e308]"));
    assert_eq!(result.tag, Tag::V8);
    assert_eq!(result.bytes, expected);
}

#[test]
fn transform_of_a_typed_array_wraps_as_an_assignment_does() {
    fn doubled<T: noizylab_engine::payload::Scalar>(element: Element, values: Vec<T>) -> Vec<u8> {
        ok(Operation::Transform, Input::View(view(element, &values))).typed(element).to_vec()
    }
    assert_eq!(doubled(Element::U8, vec![1_u8, 128, 255]), [2, 0, 254]);
    assert_eq!(doubled(Element::U8Clamped, vec![1_u8, 128, 255]), [2, 255, 255]);
    assert_eq!(doubled(Element::I8, vec![100_i8, -100]), [200, 56]);
    assert_eq!(doubled(Element::I16, vec![20_000_i16]), (-25_536_i16).to_ne_bytes());
    assert_eq!(doubled(Element::U16, vec![40_000_u16]), 14_464_u16.to_ne_bytes());
    assert_eq!(doubled(Element::I32, vec![i32::MAX]), (-2_i32).to_ne_bytes());
    assert_eq!(doubled(Element::U32, vec![u32::MAX]), (u32::MAX - 1).to_ne_bytes());
    assert_eq!(doubled(Element::F32, vec![f32::MAX]), f32::INFINITY.to_ne_bytes());
    assert_eq!(doubled(Element::F64, vec![0.25]), 0.5_f64.to_ne_bytes());
    assert_eq!(doubled(Element::I64, vec![i64::MAX]), (-2_i64).to_ne_bytes());
    assert_eq!(doubled(Element::U64, vec![u64::MAX]), (u64::MAX - 1).to_ne_bytes());
    assert!(doubled(Element::F64, Vec::<f64>::new()).is_empty());
}

#[test]
fn transform_does_not_change_the_given_array() {
    let values: Vec<f64> = (0..300_000).map(f64::from).collect();
    let result = ok(Operation::Transform, Input::View(view(Element::F64, &values)));
    assert_eq!(result.typed(Element::F64).len(), values.len() * 8);
    assert_eq!(values[299_999], 299_999.0);
}

#[test]
fn aggregate_adds_up_from_left_to_right_from_zero() {
    let sum = |json| ok(Operation::Aggregate, Input::Json(json)).number();
    assert_eq!(sum("[1,2,3]"), 6.0);
    assert_eq!(sum("[]"), 0.0);
    assert_eq!(sum("[0.1,0.2,0.3]"), 0.1 + 0.2 + 0.3);
    assert_eq!(sum("[-0]").to_bits(), 0);
    assert_eq!(sum("[1e308,1e308]"), f64::INFINITY);
    let values = [1.5_f32, 2.5];
    assert_eq!(ok(Operation::Aggregate, Input::View(view(Element::F32, &values))).number(), 4.0);
}

#[test]
fn transform_and_aggregate_leave_what_is_no_array() {
    for operation in [Operation::Transform, Operation::Aggregate] {
        assert_eq!(ok(operation, Input::Undefined).tag, Tag::Undefined);
        assert_eq!(ok(operation, Input::Number(5.0)).number(), 5.0);
        assert_eq!(ok(operation, Input::Json(r#"{"a":[1]}"#)).text(), r#"{"a":[1]}"#);
        assert_eq!(ok(operation, Input::Json("null")).text(), "null");
        assert_eq!(ok(operation, Input::Text("[1]")).text(), "[1]");
    }
}

#[test]
fn an_element_that_is_no_number_is_named_with_its_index() {
    let cases = [
        (r#"[1,"a",3]"#, r#""a" at index 1"#),
        ("[null]", "null at index 0"),
        ("[1,2,[3]]", "[3] at index 2"),
        (r#"[{"a":1}]"#, r#"{"a":1} at index 0"#),
        ("[true]", "true at index 0"),
        ("[1,", "no JSON value at index 1"),
    ];
    for operation in [Operation::Transform, Operation::Aggregate, Operation::Sum, Operation::Sort] {
        for (json, given) in cases {
            let message = refusal(operation, Input::Json(json));
            assert!(message.contains("an array of numbers") && message.ends_with(given), "{message}");
        }
    }
    let long = format!("[1,\"{}\"]", "x".repeat(1000));
    let message = refusal(Operation::Aggregate, Input::Json(&long));
    assert!(message.ends_with("… at index 1") && message.len() < 160, "{message}");
}

#[test]
fn depth_of_nesting_in_the_data_breaks_nothing() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    for operation in Operation::ALL {
        // Each takes it or refuses it; none overflows the stack.
        let _ = run(*operation, Input::Json(&deep));
        let _ = run(*operation, Input::Json(&format!("{{\"x\":{deep}}}")));
    }
}
