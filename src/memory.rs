//! Memory that one side shows to the other without a copy.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::{ArrayBuffer, Either, FromNapiValue, JsObjectValue, JsValue, Object, Undefined};
use napi::{Env, sys};
use noizylab_engine::bridge::{Lender, Words};
use noizylab_engine::payload::Element;
use noizylab_engine::processor::{Borrowed, Borrows};

use crate::error::{NAPI, Result, from_status};

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
        drop(unsafe { Arc::from_raw(hint.cast_const().cast::<T>()) });
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
        return buffer.map(Either::A).map_err(|error| napi::Error::new(NAPI, error.reason.clone()));
    }
    // SAFETY: Node did not take the pointer.
    drop(unsafe { Arc::from_raw(hint.cast_const().cast::<T>()) });
    if status == sys::Status::napi_no_external_buffers_allowed {
        return Ok(UNMAPPED);
    }
    Err(from_status("map memory", status))
}

/// The memory of an array of typed arrays, lent until the result is dropped.
pub fn borrow(env: &Env, arrays: &Object<'_>, lender: &Lender) -> Result<Borrows> {
    let to_door = |error: napi::Error| napi::Error::new(NAPI, error.reason.clone());
    let length = arrays.get_array_length_unchecked().map_err(to_door)?;
    let mut borrowed = Vec::with_capacity(length as usize);
    for index in 0..length {
        let mut value = ptr::null_mut();
        let (mut kind, mut elements, mut pointer) = (0, 0, ptr::null_mut());
        // SAFETY: plain calls in the environment of this call; parts that are not wanted may be null.
        let status = unsafe {
            sys::napi_get_element(env.raw(), arrays.raw(), index, &raw mut value);
            sys::napi_get_typedarray_info(
                env.raw(),
                value,
                &raw mut kind,
                &raw mut elements,
                &raw mut pointer,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let element = u8::try_from(kind).ok().and_then(Element::from_u8);
        let (sys::Status::napi_ok, Some(element)) = (status, element) else {
            return Err(from_status("read a typed array", status));
        };
        borrowed.push(Borrowed { element, pointer: pointer.cast(), bytes: elements * element.size() });
    }
    Ok(Borrows { arrays: borrowed, loan: lender.lend() })
}
