//! An engine error becomes a JavaScript error: the one place.

use noizylab_engine::error::Error;

/// An error as napi carries it: the status is what JavaScript sees as `code`.
pub type DoorError = napi::Error<&'static str>;

/// What every function of the door returns.
pub type Result<T> = std::result::Result<T, DoorError>;

/// The code of an error that napi itself reports.
pub const NAPI: &str = "ERR_CORE_NAPI";

/// Turns an engine error into a JavaScript one.
pub fn from_engine(error: Error) -> DoorError {
    let mut thrown = napi::Error::new(error.code(), error.to_string());
    if let Some(code) = error.system() {
        // The face makes an error of the system of it.
        thrown.set_cause(napi::Error::from_reason(code));
    }
    thrown
}

/// The error for a call into Node that failed.
pub fn from_status(what: &str, status: napi::sys::napi_status) -> DoorError {
    napi::Error::new(NAPI, format!("Node refused to {what} (status {status})"))
}

/// The error of a call into Node through napi-rs.
pub fn from_napi(error: napi::Error) -> DoorError {
    napi::Error::new(NAPI, error.reason.clone())
}

/// The error of a call into Node, unless it went well.
pub fn check(what: &str, status: napi::sys::napi_status) -> Result<()> {
    if status == napi::sys::Status::napi_ok { Ok(()) } else { Err(from_status(what, status)) }
}
