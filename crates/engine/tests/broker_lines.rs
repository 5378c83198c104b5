//! What the broker reads of others is read safely: no line, string, signature, record or compressed value makes it
//! panic or hang, and the canonical text of a line is the one that JavaScript gives.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use noizylab_engine::broker::auth::{RECORD_HEADER, Secret};
use noizylab_engine::broker::canonical::stringify_without;
use noizylab_engine::broker::compressed::{Sizes, Unpack, check_base64, check_gzip};
use noizylab_engine::broker::json_text::{decode_string, number, write_string};
use noizylab_engine::broker::line::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use ring::hmac;
use serde_json::Value;

/// Lines, and what V8 gives for them: `JSON.stringify` of the value that `JSON.parse` gives, of an object without its
/// field `hmac`.
#[rustfmt::skip]
const OF_JAVASCRIPT: &[(&str, &str)] = &[
    (r#"{}"#, r#"{}"#),
    (r#" { } "#, r#"{}"#),
    (r#"[]"#, r#"[]"#),
    (r#"null"#, r#"null"#),
    (r#"true"#, r#"true"#),
    (r#""a""#, r#""a""#),
    (r#"0"#, r#"0"#),
    (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
    (r#"{"b":1,"a":2,"b":{"x":[1,2 , 3]}}"#, r#"{"b":{"x":[1,2,3]},"a":2}"#),
    (r#"{"2":1,"1":2,"a":3,"0":4}"#, r#"{"0":4,"1":2,"2":1,"a":3}"#),
    (r#"{"a":1,"\u0030":2}"#, r#"{"0":2,"a":1}"#),
    (r#"{"4294967294":1,"4294967293":2,"4294967295":3,"4294967296":4,"b":5,"3":6}"#, r#"{"3":6,"4294967293":2,"4294967294":1,"4294967295":3,"4294967296":4,"b":5}"#),
    (r#"{"00":1,"-1":2,"+1":3,"1.0":4,"1e0":5,"-0":6," 1":7,"":8,"1":9,"0":10}"#, r#"{"0":10,"1":9,"00":1,"-1":2,"+1":3,"1.0":4,"1e0":5,"-0":6," 1":7,"":8}"#),
    (r#"{"9007199254740991":1,"10000000000":2,"9999999999":3,"7":4}"#, r#"{"7":4,"9007199254740991":1,"10000000000":2,"9999999999":3}"#),
    (r#"{"__proto__":1,"constructor":2,"toJSON":3,"length":4,"hasOwnProperty":5}"#, r#"{"__proto__":1,"constructor":2,"toJSON":3,"length":4,"hasOwnProperty":5}"#),
    (r#"{"__proto__":{"a":1},"__proto__":{"b":2}}"#, r#"{"__proto__":{"b":2}}"#),
    (r#"{"a":{"__proto__":null}}"#, r#"{"a":{"__proto__":null}}"#),
    (r#"[-0,-0.0,0.0,0e5,-0e-5,1.0,10.00,1e0,1E2,1e+2]"#, r#"[0,0,0,0,0,1,10,1,100,100]"#),
    (r#"[1e20,1e21,123456789012345680000,1234567890123456789012,1e-6,1e-7,0.000001,0.0000001,1.5e-7,123e-20]"#, r#"[100000000000000000000,1e+21,123456789012345680000,1.2345678901234568e+21,0.000001,1e-7,0.000001,1e-7,1.5e-7,1.23e-18]"#),
    (r#"[5e-324,2e-324,3e-324,2.2250738585072014e-308,2.225073858507201e-308,1.7976931348623157e308,1.7976931348623158e308,1.7976931348623159e308]"#, r#"[5e-324,0,5e-324,2.2250738585072014e-308,2.225073858507201e-308,1.7976931348623157e+308,1.7976931348623157e+308,null]"#),
    (r#"[1e999,-1e999,1e-999,-1e-999,1e99999999999999999999,1e-99999999999999999999,0e99999999999999999999]"#, r#"[null,null,0,0,null,0,0]"#),
    (r#"[9007199254740992,9007199254740993,9007199254740995,4503599627370497.5,0.1,0.30000000000000004,0.1000000000000000055511151231257827]"#, r#"[9007199254740992,9007199254740992,9007199254740996,4503599627370498,0.1,0.30000000000000004,0.1]"#),
    (r#"[1.7976931348623157e+308,4.35,0.5,100,1e23,9.999999999999999e22,1.2345678901234567e25,-1.5,-1e-7,299792458.0]"#, r#"[1.7976931348623157e+308,4.35,0.5,100,1e+23,1e+23,1.2345678901234566e+25,-1.5,-1e-7,299792458]"#),
    (r#"["\ud800","\udfff","\uD83D\uDE00","\uDE00\uD83D","\ud800\ud800\udc00","\ud800a","\ud800\n","\uFFFE"]"#, r#"["\ud800","\udfff","😀","\ude00\ud83d","\ud800𐀀","\ud800a","\ud800\n","￾"]"#),
    (r#"{"\ud800":1,"\ud83d\ude00":2,"😀":3,"\udc00":4}"#, r#"{"\ud800":1,"😀":3,"\udc00":4}"#),
    ("[\"\\u0000\\u0001\\u001f\\u007f\\u0080\",\"\\b\\f\\n\\r\\t\\\"\\\\\\/\",\"\\u2028\\u2029\u{2028}\u{2029}\",\"/\",\"é€😀\u{d7ff}\u{e000}\"]", "[\"\\u0000\\u0001\\u001f\u{7f}\u{80}\",\"\\b\\f\\n\\r\\t\\\"\\\\/\",\"\u{2028}\u{2029}\u{2028}\u{2029}\",\"/\",\"é€😀\u{d7ff}\u{e000}\"]"),
    (r#"["\u0061\u00e9\u20AC","a\u0062c","\\u0061"]"#, r#"["aé€","abc","\\u0061"]"#),
    (r#"{"a\u0062":1,"ab":2,"a\\u0062":3}"#, r#"{"ab":2,"a\\u0062":3}"#),
    (r#"{"\"":1,"\\":2,"\n":3,"\u0022":4}"#, r#"{"\"":4,"\\":2,"\n":3}"#),
    (r#"{"a":{"2":{"b":0,"1":0},"1":[{"b":0,"0":1}]},"0":[[],{},[{}]]}"#, r#"{"0":[[],{},[{}]],"a":{"1":[{"0":1,"b":0}],"2":{"1":0,"b":0}}}"#),
    ("{\"a\"\t:\r\n[ 1 ,\t2 ] , \"b\" :{ } }", r#"{"a":[1,2],"b":{}}"#),
    (r#"{"hmac":1,"a":{"hmac":2},"b":[{"hmac":3}],"hm\u0061c":4}"#, r#"{"a":{"hmac":2},"b":[{"hmac":3}]}"#),
    (r#"{"hmac":"x","hmac":"y"}"#, r#"{}"#),
    (r#"{"HMAC":1,"hmac ":2,"hmac":{"a":[1]}}"#, r#"{"HMAC":1,"hmac ":2}"#),
    (r#"[{"hmac":1}]"#, r#"[{"hmac":1}]"#),
    (r#""hmac""#, r#""hmac""#),
    (r#"{"action":"set","key":1.0,"value":{"b":1,"1":2},"ttl":5e3,"compressed":false}"#, r#"{"action":"set","key":1,"value":{"1":2,"b":1},"ttl":5000,"compressed":false}"#),
];

/// Text that is JSON, or nearly so: the pieces that a reader of JSON has to tell apart, in any order.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 38] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\\\"",
        b"\\u",
        b"\\ud83d",
        b"\\ude00",
        b"0",
        b"1",
        b"-",
        b"+",
        b".",
        b"e",
        b"E9",
        b"999",
        b"true",
        b"false",
        b"null",
        b"nul",
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc3\xa9",
        b"\xf0\x9f\x98\x80",
        b"\"a\"",
        b"\"hmac\"",
        b"\"a\":1",
        b"\"b\":{}",
        b"\"hmac\":\"",
    ];
    vec(select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

/// JSON text with white space, repeated keys and keys that JavaScript sorts; without lone surrogates.
fn json() -> impl Strategy<Value = String> {
    let key = select(vec![
        "a",
        "b",
        "0",
        "1",
        "10",
        "\\u0031",
        "4294967294",
        "4294967295",
        "hmac",
        "__proto__",
        "é",
    ]);
    let space = select(vec!["", "", "", " ", "\t\r"]);
    let scalar = prop_oneof![
        any::<f64>()
            .prop_filter("JSON", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        select(vec!["true", "false", "null", "\"\\ud83d\\ude00\"", "1.0", "-0"]).prop_map(str::to_owned),
    ];
    scalar.prop_recursive(5, 60, 6, move |inner| {
        let element =
            (space.clone(), inner.clone()).prop_map(|(space, value)| format!("{space}{value}{space}"));
        let member = (space.clone(), key.clone(), inner)
            .prop_map(|(space, key, value)| format!("{space}\"{key}\"{space}:{space}{value}"));
        prop_oneof![
            vec(element, 0..6).prop_map(|elements| format!("[{}]", elements.join(","))),
            vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// The value of JSON text as doubles, as JavaScript has it, without field `hmac`.
fn value(text: &str) -> Value {
    fn doubles(value: &mut Value) {
        match value {
            Value::Number(number) => *value = Value::from(number.as_f64().map(|number| number + 0.0)),
            Value::Array(values) => values.iter_mut().for_each(doubles),
            Value::Object(fields) => fields.values_mut().for_each(doubles),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    if let Some(fields) = value.as_object_mut() {
        fields.remove("hmac");
    }
    doubles(&mut value);
    value
}

fn canonical(line: &[u8]) -> String {
    String::from_utf8(stringify_without(line, "hmac").expect("JSON")).expect("UTF-8")
}

fn signature(secret: &[u8], text: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, text).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn the_canonical_text_is_that_of_javascript() {
    for (line, text) in OF_JAVASCRIPT {
        assert_eq!(canonical(line.as_bytes()), *text, "{line}");
    }
}

#[test]
fn a_line_of_very_many_fields_is_read_and_ordered() {
    let members: Vec<_> = (0..100_000).rev().map(|index| format!("\"{index}\":[{{}}]")).collect();
    let line = format!("{{{}}}", members.join(","));
    assert!(canonical(line.as_bytes()).starts_with(r#"{"0":[{}],"1":[{}],"2":"#));
    assert!(Request::parse(line.as_bytes()).expect("JSON").field("0").is_some());
}

proptest! {
    #[test]
    fn no_line_makes_the_reader_panic(line in prop_oneof![vec(any::<u8>(), 0..200), nearly_json()]) {
        let text = String::from_utf8_lossy(&line);
        let secret = Secret::new(b"secret");
        match Request::parse(&line) {
            Ok(request) => {
                let _ = (request.action(), request.field("hmac"), request.field("a"));
                prop_assert!(!secret.verify_line(&line, &request));
                prop_assert_eq!(stringify_without(&line, "hmac").is_some(), !line.is_empty());
            }
            Err(_) => {
                prop_assert!(serde_json::from_str::<Value>(&text).is_err());
                prop_assert_eq!(stringify_without(&line, "hmac"), None);
            }
        }
        let _ = (decode_string(&line), number(&line));
        write_string(&mut Vec::new(), &line);
    }

    #[test]
    fn the_canonical_text_means_the_same_and_is_its_own(text in json()) {
        let once = canonical(text.as_bytes());
        prop_assert_eq!(value(&once), value(&text));
        prop_assert_eq!(canonical(once.as_bytes()), once);
    }

    #[test]
    fn fields_are_those_that_another_reader_finds(text in json()) {
        let request = Request::parse(text.as_bytes()).expect("JSON");
        let other: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(request.is_object(), other.is_object());
        for name in ["a", "b", "0", "1", "hmac", "é", "none"] {
            let field = request.field(name).map(|raw| serde_json::from_slice::<Value>(raw).expect("JSON"));
            prop_assert_eq!(field.as_ref(), other.get(name), "{}", name);
        }
    }

    #[test]
    fn every_javascript_string_survives(
        units in vec(prop_oneof![any::<u16>(), 0xd7f0..0xe010_u16, 0..0x80_u16], 0..40),
        escaped in any::<bool>(),
    ) {
        let raw = match String::from_utf16(&units) {
            Ok(text) if !escaped => Value::from(text).to_string(),
            _ => format!("\"{}\"", units.iter().map(|unit| format!("\\u{unit:04X}")).collect::<String>()),
        };
        let decoded = decode_string(raw.as_bytes()).expect("a string");
        let mut written = Vec::new();
        write_string(&mut written, &decoded);
        prop_assert!(std::str::from_utf8(&written).is_ok());
        prop_assert_eq!(canonical(raw.as_bytes()).into_bytes(), written.clone());
        prop_assert_eq!(decode_string(&written), Some(decoded.clone()));
        if let Ok(text) = String::from_utf16(&units) {
            prop_assert_eq!(decoded, text.into_bytes());
        }
    }

    #[test]
    fn every_double_is_read_back(value in any::<f64>().prop_filter("JSON", |number| number.is_finite())) {
        let text = format!("{value:e}");
        prop_assert_eq!(number(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()));
        prop_assert_eq!(number(canonical(text.as_bytes()).as_bytes()), Some(value));
    }

    #[test]
    fn a_signed_line_is_verified_and_a_changed_one_is_not(
        members in vec(("[a-z0-9é]{1,3}", json()), 0..5),
        first in any::<bool>(),
        as_sent in any::<bool>(),
        at in any::<Index>(),
        bit in 0..8_u32,
    ) {
        let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let line = format!("{{{}}}", members.join(","));
        let last = !first && !members.is_empty();
        let signed = if as_sent && last { line.clone() } else { canonical(line.as_bytes()) };
        let signature = format!("\"hmac\":\"{}\"", signature(b"secret", signed.as_bytes()));
        let mut members = members;
        members.insert(if first { 0 } else { members.len() }, signature);
        let mut line = format!("{{{}}}", members.join(",")).into_bytes();
        let verify = |secret: &[u8], line: &[u8]| {
            Request::parse(line).is_ok_and(|request| Secret::new(secret).verify_line(line, &request))
        };
        prop_assert!(verify(b"secret", &line));
        prop_assert!(!verify(b"another", &line));
        let meant = canonical(&line);
        *at.get_mut(&mut line) ^= 1_u8 << bit;
        // A change that does not change what is meant (of white space, of the case of a digit) may pass.
        if verify(b"secret", &line) {
            prop_assert_eq!(canonical(&line), meant);
        }
    }

    #[test]
    fn records_arrive_as_they_were_sent_or_not_at_all(
        batches in vec(vec(any::<u8>(), 0..300), 1..6),
        changed in any::<Index>(),
        at in any::<Index>(),
        bit in 0..8_u32,
    ) {
        let secret = Secret::new(b"secret");
        let (mut opener, mut sealer) = secret.records(b"hello", b"answer");
        let mut out = Vec::new();
        for batch in &batches {
            out.clear();
            sealer.seal(batch, &mut out);
            prop_assert_eq!(u32::from_le_bytes([out[0], out[1], out[2], out[3]]) as usize, batch.len());
            prop_assert_eq!(&out[RECORD_HEADER..], &batch[..]);
            // What the broker sealed is no record of a client.
            prop_assert!(!opener.open(&out[4..RECORD_HEADER], batch));
        }
        // The client's end, as the protocol is drawn.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let mut context = hmac::Context::with_key(&key);
        context.update(b"noizylab broker 1 client");
        context.update(ring::digest::digest(&ring::digest::SHA256, b"hello").as_ref());
        context.update(ring::digest::digest(&ring::digest::SHA256, b"answer").as_ref());
        let client = hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref());
        let changed = changed.index(batches.len());
        for (sequence, batch) in batches.iter().enumerate() {
            let mut text = (sequence as u64).to_le_bytes().to_vec();
            text.extend_from_slice(&(batch.len() as u32).to_le_bytes());
            text.extend_from_slice(batch);
            let mac = hmac::sign(&client, &text);
            let mut record = [&mac.as_ref()[..16], batch].concat();
            if sequence == changed {
                let at = at.index(record.len());
                record[at] ^= 1_u8 << bit;
                prop_assert!(!opener.open(&record[..16], &record[16..]));
                record[at] ^= 1_u8 << bit;
            }
            prop_assert!(opener.open(&record[..16], &record[16..]));
        }
    }

    #[test]
    fn nothing_that_claims_to_be_compressed_makes_the_broker_panic(
        bytes in vec(any::<u8>(), 0..300),
        text in "[A-Za-z0-9+/=_\\- ]{0,100}",
    ) {
        let headed = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &bytes[..]].concat();
        for bytes in [&bytes, &headed] {
            let _ = (check_gzip(bytes, 1000), check_base64(bytes, 1000));
        }
        let _ = check_base64(text.as_bytes(), 1000);
        let _ = check_base64(format!("H4sIAAAAAAAAA{text}").as_bytes(), 1000);
    }

    #[test]
    fn compressed_json_passes_and_a_longer_or_cut_one_does_not(
        text in json(),
        at in any::<Index>(),
        bit in 0..8_u32,
        cut in any::<Index>(),
    ) {
        let length = text.len() as u64;
        let mut packed = gzip(text.as_bytes());
        let sizes = Sizes { before: length, after: packed.len() as u64 };
        prop_assert_eq!(check_gzip(&packed, length), Ok(sizes));
        prop_assert_eq!(check_gzip(&packed, length - 1), Err(Unpack::TooLarge { limit: length - 1 }));
        prop_assert_eq!(check_gzip(&packed[..cut.index(packed.len())], length), Err(Unpack::Corrupt));
        // Time, flags and system in the header mean nothing to whoever unpacks.
        let at = 10 + at.index(packed.len() - 10);
        packed[at] ^= 1_u8 << bit;
        // A bit that fills up the last byte before the checksum means nothing either.
        if let Ok(damaged) = check_gzip(&packed, length) {
            prop_assert_eq!(damaged, sizes);
        }
    }
}
