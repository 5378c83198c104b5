//! Memory that one side shows to the other without a copy.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::{ArrayBuffer, Either, FromNapiValue, Undefined};
use napi::{Env, sys};
use noizylab_engine::bridge::Words;

use crate::error::{Result, from_napi, from_status};
use crate::fault::contain;

/// Instead of memory of the engine: Node's V8 refuses foreign memory (its sandbox, as in Electron), or there is nothing to see. It is `undefined` in
/// JavaScript, where an `Option` would be `null`.
pub const UNMAPPED: Either<ArrayBuffer<'static>, Undefined> = Either::B(());

/// An `ArrayBuffer` over a block of control words.
pub fn map_words<'env, const N: usize>(
    env: &Env,
    words: &Arc<Words<N>>,
) -> Result<Either<ArrayBuffer<'env>, Undefined>> {
    map(env, words, words.memory())
}

/// An `ArrayBuffer` over `memory` (address and length in bytes), which lies in `owner` and consists of atomics.
pub fn map<'env, T>(
    env: &Env,
    owner: &Arc<T>,
    memory: (*const u8, usize),
) -> Result<Either<ArrayBuffer<'env>, Undefined>> {
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
        // SAFETY: it was made by this call of the environment.
        let buffer = unsafe { ArrayBuffer::from_napi_value(env.raw(), buffer) };
        return buffer.map(Either::A).map_err(from_napi);
    }
    // SAFETY: Node did not take the pointer.
    drop(unsafe { Arc::from_raw(hint.cast_const().cast::<T>()) });
    if status == sys::Status::napi_no_external_buffers_allowed {
        return Ok(UNMAPPED);
    }
    Err(from_status("map memory", status))
}
