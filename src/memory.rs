//! Memory that one side shows to the other without a copy.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::{Env, sys};
use noizylab_engine::bridge::Words;

use crate::error::{Result, from_status};
use crate::fault::contain;

/// A value of the current call that napi-rs has no type for.
pub struct Raw(sys::napi_value);

impl napi::bindgen_prelude::ToNapiValue for Raw {
    unsafe fn to_napi_value(_: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

/// An `ArrayBuffer` over a block of control words; `None` where Node's V8 refuses foreign memory (its sandbox).
pub fn map_words<const N: usize>(env: &Env, words: &Arc<Words<N>>) -> Result<Option<Raw>> {
    map(env, words, words.memory())
}

/// An `ArrayBuffer` over `memory` (address and length in bytes), which lies in `owner` and consists of atomics; `None` as above.
pub fn map<T>(env: &Env, owner: &Arc<T>, memory: (*const u8, usize)) -> Result<Option<Raw>> {
    unsafe extern "C" fn release<T>(_: sys::napi_env, _: *mut c_void, hint: *mut c_void) {
        // SAFETY: the pointer came from `Arc::into_raw` below; Node calls this once.
        contain("memory was freed", || drop(unsafe { Arc::from_raw(hint.cast_const().cast::<T>()) }));
    }
    let (memory, bytes) = memory;
    let hint = Arc::into_raw(Arc::clone(owner)).cast_mut().cast::<c_void>();
    let mut buffer = ptr::null_mut();
    // SAFETY: the memory lives until `release` has run; it consists of atomics, so writes from both sides are sound.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env.raw(),
            memory.cast_mut().cast(),
            bytes,
            Some(release::<T>),
            hint,
            &raw mut buffer,
        )
    };
    if status == sys::Status::napi_ok {
        return Ok(Some(Raw(buffer)));
    }
    // SAFETY: Node did not take the pointer.
    drop(unsafe { Arc::from_raw(hint.cast_const().cast::<T>()) });
    if status == sys::Status::napi_no_external_buffers_allowed {
        return Ok(None);
    }
    Err(from_status("map memory", status))
}
