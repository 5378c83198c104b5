//! `json-parse-check` accepts what `JSON.parse` accepts, no more and no less.

mod operations_support;

use noizylab_engine::operations::Operation;
use noizylab_engine::payload::Input;
use operations_support::{buffer, ok};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

fn check(text: &str) -> Value {
    ok(Operation::JsonParseCheck, Input::Text(text)).json()
}

fn fault(text: &str) -> (String, u64, u64) {
    let verdict = check(text);
    assert_eq!(verdict["valid"], json!(false), "{text}");
    let number = |name: &str| verdict[name].as_u64().expect("a number");
    (verdict["error"].as_str().expect("a message").into(), number("line"), number("column"))
}

#[test]
fn what_json_parse_accepts_is_valid() {
    let texts = [
        "0",
        "-0",
        "1.5e+10",
        "1E5",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        " \t\r\n[ 1 , 2 ]\n",
        r#"{"a":{"b":[{"c":null}]}}"#,
        r#""\"\\\/\b\f\n\r\t\u0041""#,
        "\"\u{2028}\u{7f}é😀\"",
    ];
    for text in texts {
        assert_eq!(check(text), json!({ "valid": true }), "{text}");
    }
}

#[test]
fn what_other_readers_refuse_and_json_parse_accepts_is_valid() {
    // Numbers beyond a double, a lone surrogate, a repeated key, nesting deeper than 128.
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for text in ["1e999", "-1e999", r#""\ud800""#, r#""\udc00\ud800""#, nested.as_str()] {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        assert_eq!(check(text), json!({ "valid": true }), "{text}");
    }
    assert_eq!(check(r#"{"a":1,"a":2}"#), json!({ "valid": true }));
}

#[test]
fn a_fault_is_named_with_its_place() {
    let cases = [
        ("", "unexpected end of text", 1, 1),
        ("  ", "unexpected end of text", 1, 3),
        ("[1,]", "unexpected character ']'", 1, 4),
        ("{\"a\":1,}", "unexpected character '}'", 1, 8),
        ("{\n  a: 1\n}", "unexpected character 'a'", 2, 3),
        ("[1 2]", "unexpected character '2'", 1, 4),
        ("[1}", "unexpected character '}'", 1, 3),
        ("{\"a\" 1}", "unexpected character '1'", 1, 6),
        ("1 1", "unexpected character '1'", 1, 3),
        ("01", "unexpected character '1'", 1, 2),
        ("-", "unexpected end of text", 1, 2),
        ("1.", "unexpected end of text", 1, 3),
        ("1.e5", "unexpected character 'e'", 1, 3),
        ("+1", "unexpected character '+'", 1, 1),
        ("NaN", "unexpected character 'N'", 1, 1),
        ("tru", "unexpected end of text", 1, 4),
        ("'a'", "unexpected character '\\''", 1, 1),
        ("\"a", "unterminated string", 1, 3),
        ("\"a\\", "unterminated string", 1, 4),
        ("\"\\u12\"", "invalid unicode escape", 1, 6),
        ("\"\\x41\"", "invalid escape", 1, 3),
        ("\"a\tb\"", "control character in a string", 1, 3),
        ("\"a\nb\"", "control character in a string", 1, 3),
        ("\u{feff}{}", "unexpected byte order mark", 1, 1),
        ("\u{a0}1", "unexpected character '\\u{a0}'", 1, 1),
        ("[\"😀é\", x]", "unexpected character 'x'", 1, 9),
        ("[1,\n\n2,\n  ?]", "unexpected character '?'", 4, 3),
    ];
    for (text, message, line, column) in cases {
        assert_eq!(fault(text), (message.into(), line, column), "{text:?}");
    }
}

#[test]
fn a_million_open_brackets_do_not_exhaust_the_stack() {
    let open = "[".repeat(1_000_000);
    assert_eq!(fault(&open), ("unexpected end of text".into(), 1, 1_000_001));
    assert_eq!(check(&(open.clone() + &"]".repeat(1_000_000))), json!({ "valid": true }));
    assert_eq!(fault(&(open + "}")).0, "unexpected character '}'");
    let objects = format!("{}1{}", "{\"a\":[".repeat(500_000), "]}".repeat(500_000));
    assert_eq!(check(&objects), json!({ "valid": true }));
}

#[test]
fn bytes_that_are_no_utf8_are_a_fault_where_they_stand() {
    let check = |bytes: &[u8]| ok(Operation::JsonParseCheck, buffer(bytes)).json();
    let invalid =
        |line, column| json!({ "valid": false, "error": "invalid UTF-8", "line": line, "column": column });
    assert_eq!(check(b"\"a\xffb\""), invalid(1, 3));
    assert_eq!(check(b"[1,\n\"\xc3\"]"), invalid(2, 2));
    assert_eq!(check(b"\"\xed\xa0\x80\""), invalid(1, 2));
    assert_eq!(check(b"1\x80"), invalid(1, 2));
    assert_eq!(check(b"\xc3"), invalid(1, 1));
    assert_eq!(check(b"[}\xff")["error"], json!("unexpected character '}'"), "the first fault counts");
    assert_eq!(check("\"é\"".as_bytes()), json!({ "valid": true }));
}

#[test]
fn a_character_across_a_megabyte_boundary_is_whole() {
    for shift in 0..4 {
        let text = format!("\"{}{}\"", "a".repeat((1 << 20) - 3 + shift), "😀".repeat(300_000));
        assert_eq!(check(&text), json!({ "valid": true }));
        let mut cut = text.into_bytes();
        cut.truncate(cut.len() - 2);
        assert_eq!(ok(Operation::JsonParseCheck, buffer(&cut)).json()["error"], json!("invalid UTF-8"));
    }
}

/// Texts near JSON: tokens in any order, so that most are wrong in one place.
fn nearly_json() -> impl Strategy<Value = String> {
    let tokens = proptest::sample::select(vec![
        "[", "]", "{", "}", ",", ":", " ", "\n", "\"a\"", "\"", "\\", "\\u00e9", "\\ud800", "1", "-", "0",
        ".", "e", "E+", "1.5", "true", "null", "fals", "é", "\t", "\"k\":",
    ]);
    proptest::collection::vec(tokens, 0..12).prop_map(|tokens| tokens.concat())
}

/// JSON texts of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn nearly_json_is_judged_as_by_serde(text in nearly_json()) {
        // Read without building, serde_json knows no limit of size or depth either: the two must agree.
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(check(&text)["valid"].as_bool(), Some(expected), "{:?}", text);
    }
}

proptest! {
    #[test]
    fn every_value_is_valid_and_broken_off_it_is_not(value in any_json(), cut in any::<prop::sample::Index>()) {
        let text = serde_json::to_string_pretty(&vec![value]).expect("JSON");
        prop_assert_eq!(check(&text), json!({ "valid": true }));
        let mut cut = cut.index(text.len());
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        prop_assert_eq!(check(&text[..cut])["valid"].as_bool(), Some(false));
    }
}
