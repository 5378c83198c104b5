//! Arrays of this isolate that native operations work on: references to them, and whether their memory is still there.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, Weak};

use napi::bindgen_prelude::{JsObjectValue, JsValue, Object};
use napi::{Env, sys};
use noizylab_engine::bridge::Outbox;
use noizylab_engine::memory::{Hold, Lender, Lent, Memory};
use noizylab_engine::payload::Element;

use crate::error::{Result, check, from_engine, from_napi};

/// Arrays of this isolate that tasks name, by the numbers of their holds. They are referred to, so that their memory lives.
#[derive(Default)]
pub struct Arrays {
    held: HashMap<u64, Held>,
    last: u64,
}

/// One array: the reference to it, and where its memory was when it was lent.
struct Held {
    reference: sys::napi_ref,
    memory: Memory,
    hold: Weak<Hold>,
}

impl Arrays {
    /// Lends `arrays`, an array of typed arrays of this isolate; `undefined` in it is memory that was detached. `outbox` is that of the
    /// load that submits them. Those at the places `written` are for operations that write.
    pub fn lend(
        &mut self,
        env: &Env,
        arrays: &Object<'_>,
        written: &[u32],
        lender: &Lender,
        outbox: &Arc<Outbox>,
    ) -> Result<Vec<Lent>> {
        let length = arrays.get_array_length_unchecked().map_err(from_napi)?;
        (0..length)
            .map(|index| {
                let mut value = ptr::null_mut();
                // SAFETY: a plain call in the environment of this call.
                let status = unsafe { sys::napi_get_element(env.raw(), arrays.raw(), index, &raw mut value) };
                check("read an array", status)?;
                self.lend_one(env.raw(), value, written.binary_search(&index).is_ok(), lender, outbox)
            })
            .collect()
    }

    fn lend_one(
        &mut self,
        env: sys::napi_env,
        value: sys::napi_value,
        written: bool,
        lender: &Lender,
        outbox: &Arc<Outbox>,
    ) -> Result<Lent> {
        let Some(TypedArray { element, memory, buffer }) = TypedArray::of(env, value) else {
            return Ok(Lent::Gone);
        };
        let mut detachable = false;
        // SAFETY: a plain call in the environment of this call. A `SharedArrayBuffer` is no `ArrayBuffer` to Node-API.
        check("look at a buffer", unsafe { sys::napi_is_arraybuffer(env, buffer, &raw mut detachable) })?;
        // SAFETY: Node has just told the memory of the array.
        let copy = || unsafe { Lent::copied(element, memory, !detachable) }.map_err(from_engine);
        if !written && let Some(copy) = copy()? {
            return Ok(copy);
        }
        let mut reference = ptr::null_mut();
        // SAFETY: the value is alive; a count of 1 makes the reference strong.
        let status = unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) };
        check("refer to an array", status)?;
        self.last += 1;
        let hold = lender.hold(self.last, Arc::clone(outbox));
        self.held.insert(self.last, Held { reference, memory, hold: Arc::downgrade(&hold) });
        // SAFETY: the reference keeps the array; `look` tells the hold when its memory is detached.
        Ok(unsafe { Lent::held(element, memory, !detachable, hold) })
    }

    /// Looks whether the memory of the arrays with these numbers is where it was, and tells the holds of those that are detached.
    pub fn look(&self, env: sys::napi_env, numbers: &[u64]) {
        for number in numbers {
            let Some(held) = self.held.get(number) else { continue };
            let mut value = ptr::null_mut();
            // SAFETY: the reference belongs to this environment, whose thread this is; the caller has opened a handle scope.
            let status = unsafe { sys::napi_get_reference_value(env, held.reference, &raw mut value) };
            let now = if status == sys::Status::napi_ok { TypedArray::of(env, value) } else { None };
            if now.is_none_or(|now| now.memory != held.memory)
                && let Some(hold) = held.hold.upgrade()
            {
                hold.set_detached();
            }
        }
    }

    /// Lets go of the arrays with these numbers, whose holds were dropped.
    pub fn release(&mut self, env: sys::napi_env, numbers: &[u64]) {
        for held in numbers.iter().filter_map(|number| self.held.remove(number)) {
            // SAFETY: the reference belongs to this environment, whose thread this is; it was just taken out of the table.
            unsafe { sys::napi_delete_reference(env, held.reference) };
        }
    }
}

/// What Node tells of a typed array.
struct TypedArray {
    element: Element,
    memory: Memory,
    buffer: sys::napi_value,
}

impl TypedArray {
    /// `None`: the value is none.
    fn of(env: sys::napi_env, value: sys::napi_value) -> Option<Self> {
        let (mut kind, mut elements) = (0, 0);
        let (mut pointer, mut buffer) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a plain call in the environment of this call; the offset is not wanted and may be null.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env,
                value,
                &raw mut kind,
                &raw mut elements,
                &raw mut pointer,
                &raw mut buffer,
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        let element = u8::try_from(kind).ok().and_then(Element::from_u8)?;
        Some(Self {
            element,
            memory: Memory { pointer: pointer.cast(), bytes: elements * element.size() },
            buffer,
        })
    }
}
