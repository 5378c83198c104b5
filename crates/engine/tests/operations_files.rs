//! `file-info`, and how files that cannot be read are reported.

mod operations_support;

use std::fs;
use std::path::{Path, PathBuf};

use noizylab_engine::operations::Operation;
use noizylab_engine::payload::Input;
use operations_support::{ok, refusal, run};
use serde_json::json;

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn file_info_agrees_with_the_single_operations() {
    // Longer than a few blocks, and not a multiple of one.
    let content: String = (0..50_000).map(|line| format!("line {line}\n")).collect::<String>() + "last";
    let path = temporary("info ü \"quoted\".txt");
    fs::write(&path, &content).expect("a temporary file");

    let info = ok(Operation::FileInfo, Input::Text(text(&path))).json();
    assert_eq!(
        info,
        json!({
            "path": path,
            "size": content.len(),
            "sha256": ok(Operation::Sha256, Input::Text(&content)).text(),
            "gzipSize": ok(Operation::Gzip, Input::Text(&content)).bytes.len(),
            "lines": 50_001,
        })
    );
    let by_object = json!({ "path": path, "id": 7 }).to_string();
    assert_eq!(ok(Operation::FileInfo, Input::Json(&by_object)).json(), info);
    let by_string = json!(path).to_string();
    assert_eq!(ok(Operation::FileInfo, Input::Json(&by_string)).json(), info);
}

#[test]
fn an_empty_and_a_binary_file_have_information_too() {
    let empty = temporary("empty");
    fs::write(&empty, "").expect("a temporary file");
    let info = ok(Operation::FileInfo, Input::Text(text(&empty))).json();
    assert_eq!((&info["size"], &info["gzipSize"], &info["lines"]), (&json!(0), &json!(20), &json!(0)));

    let binary = temporary("binary");
    fs::write(&binary, [0xff, 0, b'\n', 0xfe, b'\n']).expect("a temporary file");
    let info = ok(Operation::FileInfo, Input::Text(text(&binary))).json();
    assert_eq!((&info["size"], &info["lines"]), (&json!(5), &json!(2)));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_path() {
    let missing = text(&temporary("missing")).to_owned();
    for path in [missing.as_str(), "", "a\0b", env!("CARGO_TARGET_TMPDIR")] {
        let json = json!({ "path": path }).to_string();
        for operation in [Operation::FileInfo, Operation::Sha256, Operation::Lines, Operation::Gzip] {
            let error = run(operation, Input::Json(&json)).expect_err("unreadable");
            assert_eq!(error.code(), "ERR_PROCESSOR_IO");
            assert!(error.to_string().starts_with(&format!("{path}: ")), "{error}");
        }
    }
    let error = run(Operation::FileInfo, Input::Text(env!("CARGO_TARGET_TMPDIR"))).expect_err("a directory");
    assert!(error.to_string().ends_with(": is a directory, not a file"), "{error}");
}

#[test]
fn what_the_system_said_goes_over_the_wire_with_the_path() {
    let wire = |path: &str| -> serde_json::Value {
        let error = run(Operation::FileInfo, Input::Text(path)).expect_err("unreadable");
        serde_json::from_str(&error.to_json()).expect("JSON")
    };
    let missing = temporary("missing");
    let missing = text(&missing);
    let enoent = if cfg!(unix) { json!(2) } else { json!("ENOENT") };
    assert_eq!((&wire(missing)["system"], &wire(missing)["path"]), (&enoent, &json!(missing)));
    // Refusals of our own have no number.
    assert_eq!(wire(env!("CARGO_TARGET_TMPDIR"))["system"], "EISDIR");
    assert_eq!(wire("a\0b")["system"], "EINVAL");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_refused_and_not_waited_for() {
    let pipe = temporary("pipe");
    let _ = fs::remove_file(&pipe);
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    for path in [text(&pipe), "/dev/zero"] {
        let error = run(Operation::FileInfo, Input::Text(path)).expect_err("no regular file");
        assert!(error.to_string().ends_with(": is not a regular file"), "{error}");
    }
}

#[test]
fn file_info_takes_a_path_and_nothing_else() {
    for json in ["5", "null", "{}", r#"{"path":5}"#, "[\"x\"]"] {
        refusal(Operation::FileInfo, Input::Json(json));
    }
    refusal(Operation::FileInfo, Input::Undefined);
    refusal(Operation::FileInfo, Input::Number(1.0));
}
