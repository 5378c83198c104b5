//! What `#[entry]` makes of a function. The door's `fault` is a small one here.

#![allow(missing_docs, reason = "these are tests")]

mod fault {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    pub type Result<T> = std::result::Result<T, napi::Error<&'static str>>;

    pub fn guard<T>(call: impl FnOnce() -> T) -> Result<T> {
        catch_unwind(AssertUnwindSafe(call)).map_err(|_| napi::Error::new("ERR_PANICKED", "it panicked"))
    }

    pub fn guard_result<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
        guard(call).flatten()
    }
}

use fault::Result;
use noizylab_entry::entry;

#[entry]
pub fn half(number: u32) -> Option<u32> {
    if number == 13 {
        panic!("no luck");
    }
    if number % 2 == 1 {
        return None;
    }
    Some(number / 2)
}

#[entry(ts_return_type = "number")]
pub fn tenth(number: u32) -> Result<u32> {
    assert!(number != 13, "no luck");
    if number == 0 { Err(napi::Error::new("ERR_NOTHING", "nothing")) } else { Ok(number / 10) }
}

#[entry]
pub fn nothing(panics: bool) {
    assert!(!panics, "no luck");
}

fn code<T>(result: Result<T>) -> &'static str {
    result.map_or_else(|error| error.status, |_| "none")
}

#[test]
fn a_panic_becomes_an_error_with_a_code() {
    assert_eq!(half(4).ok(), Some(Some(2)));
    assert_eq!(half(5).ok(), Some(None));
    assert_eq!(code(half(13)), "ERR_PANICKED");
    assert_eq!(code(nothing(false)), "none");
    assert_eq!(code(nothing(true)), "ERR_PANICKED");
}

#[test]
fn an_error_of_the_function_itself_stays() {
    assert_eq!(tenth(20).ok(), Some(2));
    assert_eq!(code(tenth(0)), "ERR_NOTHING");
    assert_eq!(code(tenth(13)), "ERR_PANICKED");
}
