//! The one way from Rust into JavaScript: a wake-up of an isolate.
//!
//! An isolate has one threadsafe function, whatever happens in it. It carries no data and holds no JavaScript function: when
//! it fires, the loads with mail are told to drain. Threadsafe functions must not be touched once their environment
//! goes (nodejs/node#55706, #58484); so every call is made under a lock that the environment's cleanup hook takes to
//! put the function out of reach. The hook is added after the function was made, and hooks run last in, first out: the
//! function is still sound at that time.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::sys;
use noizylab_engine::bridge::Wake;
use parking_lot::Mutex;

use crate::error::{Result, check};
use crate::fault::contain;
use crate::isolate;

/// Wakes one isolate, from any thread, also after it has ended. Clones wake the same one.
#[derive(Clone)]
pub struct Waker(Arc<Bell>);

struct Bell {
    /// It was rung, and the isolate has not come yet.
    is_rung: AtomicBool,
    function: Mutex<Option<Function>>,
}

/// A threadsafe function; valid as long as it can be reached through the lock.
struct Function(sys::napi_threadsafe_function);

// SAFETY: threadsafe functions are made for use from any thread.
unsafe impl Send for Function {}

impl Waker {
    /// A waker for the isolate of `env`. It does not keep the isolate alive.
    pub fn new(env: sys::napi_env) -> Result<Self> {
        let mut name = ptr::null_mut();
        let text = "noizylab";
        let length = text.len().cast_signed();
        // SAFETY: `env` is the environment of the current call; the text is valid for its length.
        let status =
            unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast(), length, &raw mut name) };
        check("name a wake-up", status)?;
        let mut raw = ptr::null_mut();
        // SAFETY: without a JavaScript function a callback is given, which is sound for the life of the process because
        // this library is never unloaded; no context is used.
        let status = unsafe {
            sys::napi_create_threadsafe_function(
                env,
                ptr::null_mut(),
                ptr::null_mut(),
                name,
                0,
                1,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                Some(on_wake),
                &raw mut raw,
            )
        };
        check("create a wake-up", status)?;
        // SAFETY: just made, on its own thread.
        unsafe { sys::napi_unref_threadsafe_function(env, raw) };
        let function = Mutex::new(Some(Function(raw)));
        Ok(Self(Arc::new(Bell { is_rung: AtomicBool::new(false), function })))
    }

    /// Whether a wake-up to come keeps the isolate's event loop alive. On the isolate's thread.
    pub fn keep_alive(&self, env: sys::napi_env, keep: bool) {
        if let Some(Function(raw)) = &*self.0.function.lock() {
            // SAFETY: the lock keeps the function alive; `env` is its environment and this its thread.
            unsafe {
                if keep {
                    sys::napi_ref_threadsafe_function(env, *raw);
                } else {
                    sys::napi_unref_threadsafe_function(env, *raw);
                }
            }
        }
    }

    /// The isolate has come: what is told from now on needs another call. Before it looks.
    pub fn has_come(&self) {
        // A swap, and not a store: what was told by those who found it rung is seen after it.
        self.0.is_rung.swap(false, Ordering::AcqRel);
    }

    /// Puts the function out of reach: the environment is about to end. In its cleanup hook.
    pub fn close(&self) {
        if let Some(Function(raw)) = self.0.function.lock().take() {
            // SAFETY: nobody else can reach the function any more, and the environment has not closed it yet.
            unsafe { sys::napi_release_threadsafe_function(raw, sys::ThreadsafeFunctionReleaseMode::abort) };
        }
    }
}

impl Wake for Waker {
    fn wake(&self) {
        // One call is enough for all that is told before the isolate looks.
        if self.0.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(Function(raw)) = &*self.0.function.lock() {
            // A refusal means that the environment is ending: nobody is left to be woken.
            // SAFETY: the lock keeps the function alive.
            unsafe {
                sys::napi_call_threadsafe_function(
                    *raw,
                    ptr::null_mut(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                );
            }
        }
    }
}

/// On the isolate's thread: tells the loads with mail to drain.
unsafe extern "C" fn on_wake(env: sys::napi_env, _: sys::napi_value, _: *mut c_void, _: *mut c_void) {
    if env.is_null() {
        return; // the environment is ending
    }
    contain("results were delivered", || {
        isolate::has_come(env);
        for load in isolate::loads_with_mail(env) {
            // Looked up when its turn has come: what ran before it may have swept the load away.
            if let Some(callback) = isolate::callback_of(load) {
                call(env, callback);
            }
        }
    });
}

fn call(env: sys::napi_env, callback: sys::napi_ref) {
    let mut function = ptr::null_mut();
    // SAFETY: the reference belongs to this environment and is deleted only on this thread.
    let status = unsafe { sys::napi_get_reference_value(env, callback, &raw mut function) };
    if status != sys::Status::napi_ok || function.is_null() {
        return; // the load was collected
    }
    let mut this = ptr::null_mut();
    let mut result = ptr::null_mut();
    // SAFETY: plain calls in the environment of this callback, which runs in a handle scope of Node's.
    unsafe {
        sys::napi_get_undefined(env, &raw mut this);
        let status = sys::napi_call_function(env, this, function, 0, ptr::null(), &raw mut result);
        if status == sys::Status::napi_pending_exception {
            // The face handles its own errors; what comes here is a fault, and is made visible like any uncaught one.
            let mut exception = ptr::null_mut();
            sys::napi_get_and_clear_last_exception(env, &raw mut exception);
            sys::napi_fatal_exception(env, exception);
        }
    }
}
