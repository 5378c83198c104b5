//! What the tests of the operations share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use noizylab_engine::bridge::{Outbox, Wake};
use noizylab_engine::cancel::Cancel;
use noizylab_engine::error::Error;
use noizylab_engine::memory::{Lender, Lent, Memory, View};
use noizylab_engine::operations::{self, Operation};
use noizylab_engine::payload::{Element, Input, Scalar, Tag};
use serde_json::Value;

/// A result: how it is to be read, and its bytes.
#[derive(Debug, PartialEq)]
pub struct Output {
    pub tag: Tag,
    pub bytes: Vec<u8>,
}

impl Output {
    pub fn number(&self) -> f64 {
        assert_eq!(self.tag, Tag::Number);
        f64::from_le_bytes(self.bytes.as_slice().try_into().expect("eight bytes"))
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.tag, Tag::Json);
        serde_json::from_slice(&self.bytes).expect("JSON text")
    }

    pub fn text(&self) -> &str {
        assert!(matches!(self.tag, Tag::Json | Tag::Text));
        std::str::from_utf8(&self.bytes).expect("UTF-8")
    }

    /// The elements of a new typed array.
    pub fn typed(&self, element: Element) -> &[u8] {
        assert_eq!(self.tag, Tag::Typed);
        assert_eq!(self.bytes[..8], [element as u8, 0, 0, 0, 0, 0, 0, 0]);
        &self.bytes[8..]
    }
}

/// Runs an operation; the result is appended to what the buffer holds already.
pub fn run_with(operation: Operation, input: Input<'_>, cancel: &Cancel) -> Result<Output, Error> {
    let mut bytes = b"before".to_vec();
    let tag = operations::run(operation, input, cancel, &mut bytes)?;
    assert!(bytes.starts_with(b"before"));
    Ok(Output { tag, bytes: bytes.split_off(6) })
}

pub fn run(operation: Operation, input: Input<'_>) -> Result<Output, Error> {
    run_with(operation, input, &Cancel::default())
}

/// The result of an operation that takes its input.
pub fn ok(operation: Operation, input: Input<'_>) -> Output {
    run(operation, input).expect("the operation takes this")
}

/// The message of the refusal of an input.
pub fn refusal(operation: Operation, input: Input<'_>) -> String {
    let error = run(operation, input).expect_err("the operation does not take this");
    assert_eq!(error.code(), "ERR_PROCESSOR_INVALID_DATA", "{error}");
    let message = error.to_string();
    assert!(message.contains(&format!("'{}'", operation.name())), "{message}");
    message
}

/// A typed array.
pub fn view<T: Scalar>(element: Element, values: &[T]) -> View<'_> {
    View::of(element, values)
}

struct Silent;

impl Wake for Silent {
    fn wake(&self) {}
}

/// An array as an isolate lends it to an operation that writes. It must live as long as the result.
pub fn lent<T: Scalar>(element: Element, values: &mut [T]) -> Lent {
    let lender = Lender::new(Box::new(Silent));
    let hold = lender.hold(1, Arc::new(Outbox::new(Box::new(Silent))));
    let memory = Memory { pointer: values.as_mut_ptr().cast(), bytes: size_of_val(values) };
    // SAFETY: the tests keep the array; as shared memory it waits for no turn of an isolate.
    unsafe { Lent::held(element, memory, true, hold) }
}

/// Bytes as a `Buffer`.
pub fn buffer(bytes: &[u8]) -> Input<'_> {
    Input::View(view(Element::U8, bytes))
}

/// Numbers from a fixed xorshift sequence, each below 2^53.
pub fn scattered(length: usize) -> impl Iterator<Item = u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    })
    .take(length)
}
