//! `sha256`, `gzip`, `gunzip`, `lines`: the same bytes in every form in which they can be given.

mod operations_support;

use std::fs;
use std::path::PathBuf;

use noizylab_engine::error::Error;
use noizylab_engine::operations::Operation;
use noizylab_engine::payload::{Element, Input, Tag};
use operations_support::{Output, buffer, ok, refusal, run, view};
use proptest::prelude::*;

/// What `zlib.gzipSync('abc')` of Node gives.
const GZIP_ABC: [u8; 23] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 75, 76, 74, 6, 0, 194, 65, 36, 53, 3, 0, 0, 0];

fn temporary(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).expect("a temporary file");
    path
}

fn gunzip(packed: &[&[u8]]) -> Result<Output, Error> {
    run(Operation::Gunzip, buffer(&packed.concat()))
}

#[test]
fn sha256_gives_the_published_digests() {
    // FIPS 180-4 examples.
    let digest = |text| ok(Operation::Sha256, Input::Text(text)).text().to_owned();
    assert_eq!(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(
        digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    );
    assert_eq!(
        digest(&"a".repeat(1_000_000)),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    );
}

#[test]
fn the_same_bytes_give_the_same_result_in_every_form() {
    let text = "première ligne\ndeuxième".repeat(15_000);
    let path = temporary("forms.txt", text.as_bytes());
    let json_string = serde_json::to_string(&text).expect("JSON");
    let json_data = format!("{{\"data\":{json_string}}}");
    let json_path = serde_json::json!({ "path": path }).to_string();
    for operation in [Operation::Sha256, Operation::Gzip, Operation::Lines] {
        let bytes = text.clone().into_bytes();
        let expected = ok(operation, Input::Text(&text));
        assert_eq!(ok(operation, buffer(&bytes)), expected);
        assert_eq!(ok(operation, Input::ViewWith(view(Element::U8, &bytes), "{}")), expected);
        assert_eq!(ok(operation, Input::Json(&json_string)), expected);
        assert_eq!(ok(operation, Input::Json(&json_data)), expected);
        assert_eq!(ok(operation, Input::Json(&json_path)), expected);
    }
}

#[test]
fn a_typed_array_of_any_kind_is_its_bytes() {
    let values = [1_u64, u64::MAX];
    let bytes = values.map(u64::to_ne_bytes).concat();
    let expected = ok(Operation::Sha256, buffer(&bytes));
    assert_eq!(ok(Operation::Sha256, Input::View(view(Element::U64, &values))), expected);
}

#[test]
fn what_holds_no_bytes_is_refused() {
    let byte_operations =
        [Operation::Sha256, Operation::Gzip, Operation::Gunzip, Operation::Lines, Operation::JsonParseCheck];
    for operation in byte_operations {
        for json in
            ["null", "5", "[1]", "{}", r#"{"data":5}"#, r#"{"path":null}"#, r#"{"data":"x","path":"y"}"#]
        {
            refusal(operation, Input::Json(json));
        }
        refusal(operation, Input::Undefined);
        refusal(operation, Input::Number(1.0));
    }
}

#[test]
fn gzip_is_read_by_gunzip_at_every_level() {
    let text = "the quick brown fox ".repeat(10_000);
    let mut lengths = Vec::new();
    for level in 0..=9 {
        let options = format!("{{\"level\":{level}}}");
        let bytes = text.clone().into_bytes();
        let packed = ok(Operation::Gzip, Input::ViewWith(view(Element::U8, &bytes), &options));
        assert_eq!(packed.tag, Tag::Bytes);
        assert_eq!(gunzip(&[&packed.bytes]).expect("a gzip stream").bytes, text.as_bytes());
        lengths.push(packed.bytes.len());
    }
    assert!(lengths[0] > text.len() && lengths[9] < lengths[1]);
    let default = ok(Operation::Gzip, Input::Text(&text)).bytes;
    assert_eq!(default.len(), lengths[6], "level 6 by default");
}

#[test]
fn gzip_refuses_a_level_that_does_not_exist() {
    for level in ["-1", "10", "1.5", "\"6\"", "null"] {
        let json = format!("{{\"data\":\"x\",\"level\":{level}}}");
        let message = refusal(Operation::Gzip, Input::Json(&json));
        assert_eq!(
            message,
            format!("operation 'gzip' takes 'level' as an integer from 0 to 9; given: {level}")
        );
    }
}

#[test]
fn gunzip_reads_several_members_and_padding_as_node_does() {
    let text =
        |result: Result<Output, Error>| String::from_utf8(result.expect("readable").bytes).expect("text");
    assert_eq!(text(gunzip(&[&GZIP_ABC])), "abc");
    assert_eq!(text(gunzip(&[&GZIP_ABC, &GZIP_ABC])), "abcabc");
    assert_eq!(text(gunzip(&[&GZIP_ABC, &[0; 10]])), "abc");
    assert_eq!(text(gunzip(&[&GZIP_ABC, &[0; 5], &GZIP_ABC])), "abc");
}

#[test]
fn gunzip_says_what_is_wrong_with_damaged_data() {
    let mut wrong_sum = GZIP_ABC;
    wrong_sum[16] ^= 1;
    let mut wrong_method = GZIP_ABC;
    wrong_method[2] = 7;
    let cases: [&[&[u8]]; 7] = [
        &[],
        &[b"not gzip at all"],
        &[&GZIP_ABC[..22]],
        &[&GZIP_ABC, b"rubbish"],
        &[&GZIP_ABC, &GZIP_ABC[..12]],
        &[&wrong_sum],
        &[&wrong_method],
    ];
    for packed in cases {
        let error = gunzip(packed).expect_err("damaged");
        assert_eq!(error.code(), "ERR_PROCESSOR_CORRUPT_DATA", "{packed:?}");
        assert!(error.to_string().starts_with("operation 'gunzip' met damaged data: "), "{error}");
    }
    assert!(gunzip(&[&GZIP_ABC[..5]]).expect_err("cut").to_string().ends_with("unexpected end of data"));
}

#[test]
fn gunzip_stops_at_its_limit() {
    let zeros = "\0".repeat(3_000_000);
    let packed = ok(Operation::Gzip, Input::Text(&zeros)).bytes;
    let limited = |limit: &str| {
        let options = format!("{{\"maxOutputLength\":{limit}}}");
        run(Operation::Gunzip, Input::ViewWith(view(Element::U8, &packed), &options))
    };
    assert_eq!(limited("3000000").expect("just enough").bytes.len(), 3_000_000);
    let error = limited("2999999").expect_err("too large");
    assert_eq!(error.code(), "ERR_PROCESSOR_TOO_LARGE");
    assert_eq!(limited("0").expect_err("too large").code(), "ERR_PROCESSOR_TOO_LARGE");
    for limit in ["-1", "1.5", "\"1\"", "1e300"] {
        assert_eq!(limited(limit).expect_err("no length").code(), "ERR_PROCESSOR_INVALID_DATA");
    }
}

#[test]
fn a_lost_last_newline_still_ends_a_line() {
    let lines = |text| ok(Operation::Lines, Input::Text(text)).number();
    for (text, count) in
        [("", 0.0), ("\n", 1.0), ("a", 1.0), ("a\n", 1.0), ("a\nb", 2.0), ("\n\n", 2.0), ("a\r\nb", 2.0)]
    {
        assert_eq!(lines(text), count, "{text:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_compressed_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let packed = ok(Operation::Gzip, buffer(&bytes)).bytes;
        prop_assert_eq!(gunzip(&[&packed]).expect("a gzip stream").bytes, bytes);
    }

    #[test]
    fn no_bytes_make_gunzip_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..23_usize, bit in 0..8_u32) {
        let _ = gunzip(&[&GZIP_ABC[..10], &bytes]);
        let mut damaged = GZIP_ABC;
        damaged[at] ^= 1_u8 << bit;
        let _ = gunzip(&[&damaged]);
    }

    #[test]
    fn lines_are_those_of_the_standard_library(text in "[ab\n]{0,200}") {
        let count = ok(Operation::Lines, Input::Text(&text)).number();
        prop_assert_eq!(count as usize, text.lines().count());
    }
}
