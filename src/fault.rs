//! No panic crosses into Node: it would end the process without a word.
//!
//! Functions that JavaScript calls are made by `#[entry]`, whose panics become errors `ERR_CORE_PANICKED`; callbacks that Node calls
//! by a pointer run inside of [`contain`]. `scripts/check-entries.mjs` sees to it that there are no others.

use noizylab_engine::error::Error;
use noizylab_engine::panics;

use crate::error::from_engine;

pub use crate::error::Result;

/// The result of `call`, or the error that its panic becomes.
pub fn guard<T>(call: impl FnOnce() -> T) -> Result<T> {
    panics::caught(call).map_err(|reason| from_engine(Error::Crashed { reason }))
}

/// As [`guard`], of what may also fail.
pub fn guard_result<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    guard(call).flatten()
}

/// Runs a callback from Node, which takes no error: a panic is written to the standard error output.
pub fn contain(during: &str, call: impl FnOnce()) {
    if let Err(said) = panics::caught(call) {
        panics::report(during, &said);
    }
}
