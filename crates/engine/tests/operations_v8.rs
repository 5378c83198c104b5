//! Data that JSON cannot write: plain arrays with NaN, infinity or `-0`, and values of kinds that only JavaScript knows.
//! The bytes are what the face writes under Node 20, 22 and 24, in hexadecimal.

mod operations_support;

use noizylab_engine::cancel::Cancel;
use noizylab_engine::error::Error;
use noizylab_engine::operations::{self, Operation};
use noizylab_engine::payload::{Input, Tag};
use operations_support::{Output, ok, refusal, run_with};
use proptest::prelude::*;
use serde_json::json;

/// `[1, -0, NaN, Infinity, -Infinity, -1, 2 ** 31, -(2 ** 31), 0.5, 150, -150]`
const DENSE: &str = "ff0f410b4e000000000000f03f4e00000000000000804e000000000000f87f4e000000000000f07f4e000000000000f0ff\
    4e000000000000f0bf4e000000000000e0414e000000000000e0c14e000000000000e03f4e0000000000c062404e0000000000c062c024000b";
const DENSE_VALUES: [f64; 11] = [
    1.0,
    -0.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -1.0,
    2_147_483_648.0,
    -2_147_483_648.0,
    0.5,
    150.0,
    -150.0,
];
/// `[-0, 5, 1]`, filled from its end: V8 allows for holes.
const GROWN: &str = "ff0f610349004e00000000000000804902490a49044902400303";
/// `Object.assign([NaN, 1], { foo: 'x', bar: [[1]] })`
const NAMED: &str =
    "ff0f41024e000000000000f87f4e000000000000f03f2203666f6f2201782203626172410141014902240001240001240202";
/// `[4, -0, 2]` as `values`, beside `q: [0, -0, 1]`, `bins: 2`, `min: -0`, `max: 4`, `descending: undefined` and one
/// property of every other kind there is.
const RICH: &str = "ff0f6f490e41014902240001220272e95222065c7530306539012201625a1105000000000000002201644400000000000014\
    4022016d3b49026f22016141002400007b013a02220173272201e92c010063027065542202736f7322017822026e6f6e000000000000f03f2202\
    626f79220262697a100500000000000000220165302201755f2204766965775c080800000000000000f03f220673706172736561024902490240\
    0102220676616c75657341034e00000000000010404e00000000000000804e000000000000004024000322017141034e00000000000000004e00\
    000000000000804e000000000000f03f240003220a64657363656e64696e675f220462696e73490422036d696e4e000000000000008022036d61\
    7849087b15";

const NUMERIC: [Operation; 7] = [
    Operation::Sum,
    Operation::Min,
    Operation::Max,
    Operation::Mean,
    Operation::Sort,
    Operation::Histogram,
    Operation::Quantiles,
];

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "half a byte in {hex}");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| {
            let digits = str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(digits, 16).expect("two digits")
        })
        .collect()
}

fn run_bytes(operation: Operation, data: &[u8]) -> Result<Output, Error> {
    let mut out = b"before".to_vec();
    let tag = operations::run_v8(operation, data, &Cancel::default(), &mut out)?;
    assert!(out.starts_with(b"before"));
    Ok(Output { tag, bytes: out.split_off(6) })
}

fn ok_v8(operation: Operation, hex: &str) -> Output {
    run_bytes(operation, &bytes(hex)).expect("the operation takes this")
}

/// The message of the refusal.
fn refusal_v8(operation: Operation, hex: &str) -> String {
    let error = run_bytes(operation, &bytes(hex)).expect_err("the operation does not take this");
    assert_eq!(error.code(), "ERR_PROCESSOR_INVALID_DATA", "{error}");
    error.to_string()
}

/// The bits of the elements of a plain array in V8's format, as the engine writes it.
fn written(output: &Output) -> Vec<u64> {
    assert_eq!(output.tag, Tag::V8);
    let [0xff, 13, b'A', length, elements @ .., b'$', 0, again] = output.bytes.as_slice() else {
        panic!("no short dense array: {output:?}");
    };
    assert_eq!((length, usize::from(*length)), (again, elements.len() / 9));
    elements.chunks(9).map(|n| u64::from_le_bytes(n[1..].try_into().expect("eight bytes"))).collect()
}

fn bits(values: impl IntoIterator<Item = f64>) -> Vec<u64> {
    values.into_iter().map(f64::to_bits).collect()
}

#[test]
fn a_plain_array_of_any_numbers_is_read_as_node_writes_it() {
    let doubled = ok_v8(Operation::Transform, DENSE);
    assert_eq!(written(&doubled), bits(DENSE_VALUES.map(|value| value * 2.0)));
    assert!(ok_v8(Operation::Sum, DENSE).number().is_nan());
    assert!(ok_v8(Operation::Min, DENSE).number().is_nan());
    let sorted = ok_v8(Operation::Sort, DENSE);
    let ascending =
        [f64::NEG_INFINITY, -2_147_483_648.0, -150.0, -1.0, -0.0, 0.5, 1.0, 150.0, 2_147_483_648.0];
    assert_eq!(written(&sorted)[..9], bits(ascending));
    assert_eq!(f64::from_bits(written(&sorted)[9]), f64::INFINITY);
    assert!(f64::from_bits(written(&sorted)[10]).is_nan());
    let counted = ok_v8(Operation::Histogram, DENSE).json();
    assert_eq!((&counted["below"], &counted["above"], &counted["nan"]), (&json!(1), &json!(1), &json!(1)));
}

#[test]
fn an_array_that_v8_writes_as_sparse_is_no_different_if_it_has_no_holes() {
    assert_eq!(ok_v8(Operation::Transform, GROWN).text(), "[-0.0,10,2]");
    assert_eq!(ok_v8(Operation::Aggregate, GROWN).number(), 6.0);
    assert_eq!(ok_v8(Operation::Sort, GROWN).text(), "[-0.0,1,5]");
    assert_eq!(ok_v8(Operation::Quantiles, GROWN).text(), "[0.5,1,3]");
    assert_eq!(ok_v8(Operation::Mean, GROWN).number(), 2.0);
}

#[test]
fn named_properties_of_an_array_are_no_elements() {
    assert_eq!(written(&ok_v8(Operation::Transform, NAMED)), bits([f64::NAN, 2.0]));
    assert!(ok_v8(Operation::Max, NAMED).number().is_nan());
}

#[test]
fn an_array_of_numbers_gives_what_its_json_would_give() {
    let values = [3.5, -1.0, 2.0, 2.0, 10.0];
    let list = json!(values).to_string();
    let options = r#"{"bins":3,"q":[0.1],"descending":true}"#;
    let object = json!({ "values": values, "bins": 3, "q": [0.1], "descending": true }).to_string();
    for operation in NUMERIC {
        assert_eq!(ok(operation, Input::Numbers(&values)), ok(operation, Input::Json(&list)));
        assert_eq!(ok(operation, Input::NumbersWith(&values, options)), ok(operation, Input::Json(&object)));
    }
    for operation in [Operation::Transform, Operation::Aggregate] {
        assert_eq!(ok(operation, Input::Numbers(&values)), ok(operation, Input::Json(&list)));
    }
    assert_eq!(ok(Operation::Echo, Input::Numbers(&values)).tag, Tag::Same);
    for operation in [Operation::Sha256, Operation::Compute, Operation::FileInfo] {
        let message = refusal(operation, Input::Numbers(&[1.0, f64::NAN, f64::INFINITY, -0.0]));
        assert!(message.ends_with("given: [1,NaN,Infinity,-0]"), "{message}");
    }
}

#[test]
fn options_stand_beside_the_array() {
    // { values: [1, NaN], bins: 3 }
    let object = "ff0f6f220676616c75657341024e000000000000f03f4e000000000000f87f240002220462696e7349067b02";
    let counted = ok_v8(Operation::Histogram, object).json();
    assert_eq!(
        (&counted["bins"], &counted["counts"], &counted["nan"]),
        (&json!(3), &json!([0, 1, 0]), &json!(1))
    );

    assert_eq!(ok_v8(Operation::Sum, RICH).number(), 6.0);
    assert_eq!(
        ok_v8(Operation::Sort, RICH).text(),
        "[-0.0,2,4]",
        "'descending: undefined' means the default"
    );
    assert_eq!(ok_v8(Operation::Quantiles, RICH).text(), "[-0.0,-0.0,4]");
    let counted = ok_v8(Operation::Histogram, RICH).json();
    assert_eq!(
        (&counted["min"], &counted["max"], &counted["counts"]),
        (&json!(-0.0), &json!(4.0), &json!([1, 2]))
    );
}

#[test]
fn an_option_of_a_wrong_kind_is_named_with_what_was_given() {
    let refused = [
        // { values: [1], bins: NaN }
        (
            Operation::Histogram,
            "ff0f6f220676616c75657341014902240001220462696e734e000000000000f87f7b02",
            r#"'bins' as an integer from 1 to 1000000; given: "NaN""#,
        ),
        // { values: [1], bins: new Map() }
        (
            Operation::Histogram,
            "ff0f6f220676616c75657341014902240001220462696e733b3a007b02",
            r#"'bins' as an integer from 1 to 1000000; given: "a Map""#,
        ),
        // { values: [1], q: [NaN] }
        (
            Operation::Quantiles,
            "ff0f6f220676616c7565734101490224000122017141014e000000000000f87f2400017b02",
            r#"'q' as an array of numbers from 0 to 1; given: ["NaN"]"#,
        ),
        // { values: [NaN], descending: 1 }
        (
            Operation::Sort,
            "ff0f6f220676616c75657341014e000000000000f87f240001220a64657363656e64696e6749027b02",
            "'descending' as true or false; given: 1",
        ),
    ];
    for (operation, hex, expected) in refused {
        assert_eq!(refusal_v8(operation, hex), format!("operation '{}' takes {expected}", operation.name()));
    }
}

#[test]
fn an_object_without_an_array_of_numbers_is_refused() {
    let refused = [
        ("ff0f6f2201764e000000000000f87f7b01", "an object without 'values'"),
        ("ff0f6f220676616c756573490a2201784e000000000000f87f7b02", "an object whose 'values' is 5"),
        ("ff0f6f220676616c7565733b3a007b01", "an object whose 'values' is a Map"),
        ("ff0f6f220676616c7565735f2201784e000000000000f87f7b02", "an object whose 'values' is undefined"),
        ("ff0f6f220676616c75657341022201314e000000000000f87f2400027b01", r#""1" at index 0"#),
        ("ff0f6f220676616c75657361034900490249044e000000000000f87f4002037b01", "a hole at index 1"),
        (
            "ff0f6f22016141014e000000000000f87f240001220676616c7565735e017b02",
            "an object whose 'values' is a second reference to an object",
        ),
        (
            "ff0f6f220676616c75657341014e000000000000f87f24000122016572546d2201782e7b02",
            "an object with an unreadable part; give 'values' as a Float64Array",
        ),
    ];
    for operation in NUMERIC {
        for (hex, given) in refused {
            let message = refusal_v8(operation, hex);
            assert!(message.ends_with(&format!("; given: {given}")), "{message}");
        }
    }
}

#[test]
fn a_hole_or_an_element_that_is_no_number_is_named_with_its_index() {
    let refused = [
        ("ff0f410249025f240002", "undefined at index 1"),
        ("ff0f41024e000000000000008030240002", "null at index 1"),
        ("ff0f41015a100100000000000000240001", "a BigInt at index 0"),
        ("ff0f41024e000000000000f87f2202e922240002", r#""é\"" at index 1"#),
        ("ff0f41024e000000000000f87f0063027065240002", r#""数" at index 1"#),
        ("ff0f41024e000000000000f87f41014902240001240002", "an array at index 1"),
        ("ff0f41024e000000000000f87f6f7b00240002", "an object at index 1"),
        ("ff0f41013b3a00240001", "a Map at index 0"),
        ("ff0f41024e000000000000f87f5e00240002", "a second reference to an object at index 1"),
        ("ff0f41015c0808000000000000000000240001", "a typed array or buffer at index 0"),
        ("ff0f4101440000000000001440240001", "a Date at index 0"),
        ("ff0f41016e000000000000f03f240001", "a Number object at index 0"),
        ("ff0f41024e000000000000f87f54240002", "true at index 1"),
        ("ff0f61034900490249044e000000000000f87f400203", "a hole at index 1"),
        ("ff0f610349004e000000000000f87f400103", "a hole at index 1"),
        ("ff0f610249024902400102", "a hole at index 0"),
        ("ff0f6103490049022201614902400203", "a hole at index 1"),
    ];
    for operation in NUMERIC.into_iter().chain([Operation::Transform, Operation::Aggregate]) {
        for (hex, given) in refused {
            let message = refusal_v8(operation, hex);
            let expected = format!("takes an array of numbers only; given: {given}");
            assert!(message.ends_with(&expected), "{message}");
        }
    }
}

#[test]
fn what_is_no_array_comes_back_from_transform_and_aggregate_and_anything_from_echo() {
    for (hex, _) in KINDS {
        for operation in [Operation::Transform, Operation::Aggregate, Operation::Echo] {
            if operation == Operation::Echo || !hex.starts_with("ff0f41") {
                let result = ok_v8(operation, hex);
                assert_eq!((result.tag, result.bytes), (Tag::V8, bytes(hex)));
            }
        }
    }
}

/// A value of each kind, and how a refusal calls it.
const KINDS: [(&str, &str); 11] = [
    ("ff0f3b490249043a02", "a Map"),
    ("ff0f2749022c01", "a Set"),
    ("ff0f440000000000001440", "a Date"),
    ("ff0f5a100500000000000000", "a BigInt"),
    ("ff0f5222016101", "a RegExp"),
    ("ff0f72546d2201782e", "an Error"),
    ("ff0f6e0000000000001440", "a Number object"),
    ("ff0f73220161", "a String object"),
    ("ff0f5f", "undefined"),
    ("ff0f41014e000000000000f87f240001", "an array that JSON cannot write"),
    ("ff0f6f2201614e000000000000f87f7b01", "an object that JSON cannot write"),
];

#[test]
fn a_value_of_another_kind_is_refused_by_its_kind_and_what_the_operation_takes_is_said() {
    let takes = [
        (Operation::Sha256, "a string, a typed array,"),
        (Operation::Gunzip, "a string, a typed array,"),
        (Operation::FileInfo, "a path as a string"),
        (Operation::Compute, "{ iterations }"),
        (Operation::Sum, "an array of numbers,"),
        (Operation::Sort, "an array of numbers,"),
    ];
    for (operation, takes) in takes {
        for (hex, given) in KINDS {
            if NUMERIC.contains(&operation) && given.ends_with("JSON cannot write") {
                continue;
            }
            let message = refusal_v8(operation, hex);
            assert!(
                message.starts_with(&format!("operation '{}' takes {takes}", operation.name())),
                "{message}"
            );
            assert!(message.ends_with(&format!("; given: {given}")), "{message}");
        }
    }
}

#[test]
fn damaged_bytes_are_refused() {
    let damaged = [
        "",
        "ff",
        "ff0f",
        "4101490224",
        // A length that is not there, or far beyond what the bytes hold.
        "ff0f41",
        "ff0f41ffffffff0f",
        "ff0f41ffffffffff01",
        "ff0f61ffffffff0f",
        // No end, an end of another kind, another length at the end, bytes behind it.
        "ff0f41014902",
        "ff0f410149027b00",
        "ff0f410149022400",
        "ff0f41014902240002",
        "ff0f4101490224000100",
        "ff0f41014e00000000",
        "ff0f6f220676616c756573410149022400017b0100",
    ];
    for operation in NUMERIC {
        for hex in damaged {
            refusal_v8(operation, hex);
        }
    }
}

#[test]
fn depth_of_nesting_beside_the_array_breaks_nothing() {
    let mut deep = bytes("ff0f6f220178");
    deep.extend(b"A\x01".repeat(1_000_000));
    deep.extend(b"$\0\x01".repeat(1_000_000));
    deep.extend(bytes("220676616c75657341014e00000000000000802400017b02"));
    assert_eq!(run_bytes(Operation::Sum, &deep).expect("'values' is there").number(), 0.0);
}

#[test]
fn reading_and_working_look_at_the_flag() {
    let cancel = Cancel::default();
    cancel.cancel();
    for operation in NUMERIC.into_iter().chain([Operation::Transform, Operation::Aggregate]) {
        let result = operations::run_v8(operation, &bytes(DENSE), &cancel, &mut Vec::new());
        assert!(matches!(result, Err(Error::Cancelled)), "{operation:?}: {result:?}");
        let result = run_with(operation, Input::Numbers(&[1.0, f64::NAN]), &cancel);
        assert!(matches!(result, Err(Error::Cancelled)), "{operation:?}: {result:?}");
    }
}

/// Numbers written as V8 does: dense or sparse, each in any form that fits it.
fn any_array() -> impl Strategy<Value = (Vec<f64>, Vec<u8>)> {
    let element = prop_oneof![
        any::<f64>().prop_map(|value| (value, [b"N".as_slice(), &value.to_le_bytes()].concat())),
        any::<i32>().prop_map(|value| {
            let zigzag = (value << 1 ^ value >> 31) as u32;
            (f64::from(value), [b"I".as_slice(), &varint(zigzag)].concat())
        }),
        any::<u32>().prop_map(|value| (f64::from(value), [b"U".as_slice(), &varint(value)].concat())),
    ];
    (proptest::collection::vec(element, 0..200), any::<bool>()).prop_map(|(elements, is_dense)| {
        let length = varint(elements.len() as u32);
        let mut bytes = vec![0xff, 15, if is_dense { b'A' } else { b'a' }];
        bytes.extend_from_slice(&length);
        for (index, (_, element)) in elements.iter().enumerate() {
            if !is_dense {
                bytes.push(b'I');
                bytes.extend(varint(2 * index as u32));
            }
            bytes.extend_from_slice(element);
        }
        bytes.extend_from_slice(if is_dense { b"$\0" } else { b"@\0" });
        bytes.extend_from_slice(&length);
        (elements.into_iter().map(|(value, _)| value).collect(), bytes)
    })
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

proptest! {
    #[test]
    fn every_array_of_numbers_is_read((values, bytes) in any_array()) {
        let expected = ok(Operation::Transform, Input::Numbers(&values));
        prop_assert_eq!(run_bytes(Operation::Transform, &bytes).expect("numbers"), expected);
    }

    #[test]
    fn what_transform_writes_it_reads_again(mut values in proptest::collection::vec(any::<f64>(), 0..300)) {
        values.push(f64::INFINITY);
        let once = ok(Operation::Transform, Input::Numbers(&values));
        prop_assert_eq!(once.tag, Tag::V8);
        let twice = run_bytes(Operation::Transform, &once.bytes).expect("numbers");
        let four_times: Vec<f64> = values.iter().map(|value| value * 2.0).collect();
        prop_assert_eq!(twice, ok(Operation::Transform, Input::Numbers(&four_times)));
    }

    #[test]
    fn no_bytes_make_an_operation_panic(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"_0TF-IUNDnZz\"cSsR\\oAa;':,{$@^xyr\0\x01\x02".to_vec())],
            0..60,
        ),
    ) {
        for operation in Operation::ALL {
            let _ = run_bytes(*operation, &bytes);
            let _ = run_bytes(*operation, &[b"\xff\x0fA\x02I\x02", bytes.as_slice()].concat());
            let _ = run_bytes(*operation, &[b"\xff\x0fo\"\x06values", bytes.as_slice()].concat());
        }
    }

    #[test]
    fn sound_bytes_with_one_changed_or_cut_off_do_not_make_an_operation_panic(
        which in proptest::sample::select(vec![DENSE, GROWN, NAMED, RICH]),
        at in any::<proptest::sample::Index>(),
        byte: u8,
    ) {
        let sound = bytes(which);
        let at = at.index(sound.len());
        let mut changed = sound.clone();
        changed[at] = byte;
        for operation in NUMERIC {
            let _ = run_bytes(operation, &changed);
            prop_assert!(run_bytes(operation, &sound[..at]).is_err());
        }
    }
}
