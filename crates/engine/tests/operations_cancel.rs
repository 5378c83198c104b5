//! An operation that nobody waits for any more ends soon, and leaves nothing broken behind.

mod operations_support;

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;

use noizylab_engine::cancel::Cancel;
use noizylab_engine::error::Error;
use noizylab_engine::memory::View;
use noizylab_engine::operations::Operation;
use noizylab_engine::payload::{Element, Input};
use operations_support::{buffer, lent, run_with};

fn cancelled() -> Cancel {
    let cancel = Cancel::default();
    cancel.cancel();
    cancel
}

#[test]
fn an_operation_that_would_run_for_years_ends_when_it_is_cancelled() {
    let cancel = Cancel::default();
    let (started, has_started) = mpsc::channel();
    std::thread::scope(|scope| {
        let task = scope.spawn(|| {
            started.send(()).expect("somebody waits");
            run_with(Operation::Compute, Input::Json(r#"{"iterations":1e18}"#), &cancel)
        });
        has_started.recv().expect("the task starts");
        cancel.cancel();
        let error = task.join().expect("no panic").expect_err("cancelled");
        assert_eq!(error.code(), "ERR_PROCESSOR_CANCELLED");
    });
}

#[test]
fn every_long_operation_looks_at_the_flag() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cancelled.txt");
    fs::write(&path, "some text").expect("a temporary file");
    let path = serde_json::json!({ "path": path }).to_string();
    let cancel = cancelled();

    for operation in [
        Operation::Sha256,
        Operation::Gzip,
        Operation::Gunzip,
        Operation::Lines,
        Operation::JsonParseCheck,
        Operation::FileInfo,
    ] {
        let result = run_with(operation, Input::Json(&path), &cancel);
        assert!(matches!(result, Err(Error::Cancelled)), "{operation:?} of a file: {result:?}");
    }
    for operation in [
        Operation::Transform,
        Operation::Sha256,
        Operation::Gzip,
        Operation::Gunzip,
        Operation::Lines,
        Operation::JsonParseCheck,
    ] {
        let result = run_with(operation, buffer(&[b'1'; 100]), &cancel);
        assert!(matches!(result, Err(Error::Cancelled)), "{operation:?} of a buffer: {result:?}");
    }
    let numeric = [
        Operation::Aggregate,
        Operation::Sum,
        Operation::Min,
        Operation::Max,
        Operation::Mean,
        Operation::Sort,
        Operation::Histogram,
        Operation::Quantiles,
    ];
    let list = serde_json::to_string(&vec![1; 100_000]).expect("JSON");
    for operation in numeric {
        for length in [100, 300_000] {
            let mut values = vec![1.0; length];
            let lent = lent(Element::F64, &mut values);
            let result = run_with(operation, Input::View(View::lent(&lent)), &cancel);
            assert!(matches!(result, Err(Error::Cancelled)), "{operation:?} of {length}: {result:?}");
        }
        let result = run_with(operation, Input::Json(&list), &cancel);
        assert!(matches!(result, Err(Error::Cancelled)), "{operation:?} of a list: {result:?}");
    }
}

#[test]
fn a_thread_works_on_after_a_cancelled_task() {
    // The buffers that a thread keeps were in use when the task ended.
    let text = "some text ".repeat(1000).into_bytes();
    let expected = run_with(Operation::Gzip, buffer(&text), &Cancel::default()).expect("not cancelled");
    assert!(run_with(Operation::Gzip, buffer(&text), &cancelled()).is_err());
    let again = run_with(Operation::Gzip, buffer(&text), &Cancel::default()).expect("not cancelled");
    assert_eq!(again, expected);
}
