//! The processor at the door. `ts/processor/` is its face, `crates/engine/src/processor/` its engine.

use std::sync::Arc;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{
    ArrayBuffer, Either, Float64ArraySlice, Object, Uint8Array, Uint8ArraySlice, Undefined,
};
use noizylab_engine::bridge::Words;
use noizylab_engine::operations::Operation;
use noizylab_engine::processor::{Config, Processor, WORD_PROGRESS};
use noizylab_entry::entry;

use crate::error::{Result, from_engine};
use crate::isolate::{self, Owned};
use crate::memory::{UNMAPPED, map_words};

/// The names of the native operations; the place of a name is its number.
#[entry]
pub fn processor_operations() -> Vec<&'static str> {
    Operation::ALL.iter().map(|operation| operation.name()).collect()
}

/// Makes a processor that reports to `load`. Returns its handle, which is also the channel of its records.
#[entry]
pub fn processor_create(
    load: u32,
    max_workers: u32,
    min_workers: u32,
    auto_scale: bool,
    idle_milliseconds: f64,
) -> Option<u32> {
    let config = Config {
        max_workers: max_workers as usize,
        min_workers: min_workers as usize,
        auto_scale,
        idle_timeout: Duration::try_from_secs_f64(idle_milliseconds / 1000.0).unwrap_or(Duration::MAX),
    };
    isolate::with(|isolate| {
        let outbox = isolate.outbox(load)?;
        let handle = isolate.next();
        isolate.own(handle, load, Processor::new(config, handle, outbox));
        Some(handle)
    })?
}

/// The key by which other isolates find the processor.
#[entry]
pub fn processor_key(handle: u32) -> Option<f64> {
    find(handle).map(|processor| processor.key() as f64)
}

/// Its figures as an `ArrayBuffer` of doubles; `undefined` where foreign memory is refused, see [`processor_figures`].
#[entry]
pub fn processor_words(env: &Env, handle: u32) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    find(handle).map_or(Ok(UNMAPPED), |processor| map_words(env, processor.words()))
}

/// Copies its figures, for isolates that cannot map them.
#[entry]
pub fn processor_figures(handle: u32, #[napi(ts_arg_type = "Float64Array")] mut into: Float64ArraySlice<'_>) {
    if let Some(processor) = find(handle) {
        // SAFETY: the array belongs to the face of this isolate, on whose thread this runs; nobody else looks at it now.
        copy_words(processor.words(), unsafe { into.as_mut() });
    }
}

/// Starts all native threads; returns their number.
#[entry]
pub fn processor_start(handle: u32) -> u32 {
    find(handle).map_or(0, |processor| u32::try_from(processor.start()).unwrap_or(u32::MAX))
}

/// Registers a user's operation and returns its number.
#[entry]
pub fn processor_define(handle: u32, definition: String) -> Option<u32> {
    find(handle).map(|processor| processor.define(&definition))
}

/// Forgets an operation that no task uses any more.
#[entry]
pub fn processor_undefine(handle: u32, operation: u32) {
    if let Some(processor) = find(handle) {
        processor.undefine(operation);
    }
}

/// Accepts the first `length` bytes of `wire`: tasks in the form that the engine's `processor/batch.rs` draws. `arrays` is the memory
/// that they name, in their order: typed arrays, or `undefined` for one whose memory was detached. `written` are the places of those that their operations
/// write, in ascending order.
///
/// Throws `ERR_PROCESSOR_SHUT_DOWN`, `ERR_CORE_UNREADABLE`.
#[entry]
pub fn processor_submit(
    env: Env,
    handle: u32,
    wire: &[u8],
    length: u32,
    #[napi(ts_arg_type = "readonly (NodeJS.TypedArray | undefined)[]")] arrays: Option<Object<'_>>,
    #[napi(ts_arg_type = "readonly number[]")] written: Option<Vec<u32>>,
) -> Result<()> {
    let found = isolate::with(|isolate| {
        let Owned { load, processor } = isolate.processors.get(&handle)?;
        let (load, processor) = (*load, Arc::clone(processor));
        let lent = arrays.map_or_else(
            || Ok(Vec::new()),
            |arrays| isolate.lend(&env, load, &arrays, &written.unwrap_or_default()),
        );
        Some((processor, lent))
    });
    let Some((processor, lent)) = found.flatten() else { return Ok(()) };
    let wire = wire.get(..length as usize).unwrap_or(wire);
    processor.submit(wire, lent?).map_err(from_engine)
}

/// Forgets a group of tasks; `stop` also stops what runs of it.
#[entry]
pub fn processor_cancel(handle: u32, group: f64, stop: bool) {
    if let Some(processor) = find(handle) {
        processor.cancel(group as u64, stop);
    }
}

/// Asks for a record once at most `most` tasks wait.
#[entry]
pub fn processor_await_room(handle: u32, most: f64) {
    if let Some(processor) = find(handle) {
        processor.await_room(most as usize);
    }
}

/// Ends the processor: waits for its tasks at most `milliseconds` (`undefined`: as long as it takes), or not at all by `force`. Throws
/// `ERR_CORE_RESOURCES` where the time cannot be measured; nothing has changed then.
#[entry]
pub fn processor_shutdown(handle: u32, milliseconds: Option<f64>, force: bool) -> Result<()> {
    if let Some(processor) = find(handle) {
        let patience =
            milliseconds.map(|ms| Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX));
        processor.shutdown(patience, force).map_err(from_engine)?;
    }
    Ok(())
}

/// Drops the processor.
#[entry]
pub fn processor_close(handle: u32) {
    let owned = isolate::with(|isolate| isolate.processors.remove(&handle)).flatten();
    if let Some(owned) = owned {
        owned.processor.close();
    }
}

/// The face begins to start a host: one that it was `asked` for, or one more. `false`: there must not be one more.
#[entry]
pub fn processor_host_starting(handle: u32, host: u32, asked: bool) -> bool {
    find(handle).is_some_and(|processor| processor.host_starting(host, asked))
}

/// A host has ended.
#[entry]
pub fn processor_host_lost(handle: u32, host: u32, reason: String) {
    if let Some(processor) = find(handle) {
        processor.host_lost(host, &reason);
    }
}

/// The system has refused a host for so long that the face gave up; `code` is the POSIX name of its error, if that is known.
#[entry]
pub fn processor_host_refused(handle: u32, host: u32, code: Option<String>, reason: String) {
    if let Some(processor) = find(handle) {
        processor.host_refused(host, code, reason);
    }
}

/// Tries again what the system refused; a record asks for this call.
#[entry]
pub fn processor_retry(handle: u32) {
    if let Some(processor) = find(handle) {
        processor.retry();
    }
}

/// Keeps an idle host for a task whose data is about to be sent to it, or lets go of it again. `false`: the host has ended.
#[entry]
pub fn processor_host_hold(handle: u32, host: u32, hold: bool) -> bool {
    find(handle).is_some_and(|processor| processor.hold_host(host, hold))
}

/// In a worker isolate: offers it as a host of the processor with this key. `false`: it is not wanted any more.
#[entry]
pub fn host_attach(load: u32, key: f64, host: u32) -> bool {
    let outbox = isolate::with(|isolate| isolate.outbox(load)).flatten();
    let words = outbox
        .zip(Processor::find(key as u64))
        .and_then(|(outbox, processor)| processor.attach_host(host, outbox));
    let Some(words) = words else { return false };
    isolate::with(|isolate| isolate.become_host(load, words));
    true
}

/// The control words of an attached host as an `ArrayBuffer` of doubles, the first of which says at which task of its chunk it is.
/// `undefined` where foreign memory is refused, see [`host_progress`].
#[entry]
pub fn host_words(env: &Env, load: u32) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    let words = isolate::with(|isolate| isolate.host_words(load).cloned()).flatten();
    words.map_or(Ok(UNMAPPED), |words| map_words(env, &words))
}

/// Says at which task of its chunk an attached host is, where it cannot write that itself.
#[entry]
pub fn host_progress(load: u32, task: u32) {
    isolate::with(|isolate| {
        if let Some(words) = isolate.host_words(load) {
            words.set(WORD_PROGRESS, f64::from(task));
        }
    });
}

/// The next chunk for a host: its length in `into`, or, when it does not fit, an array of its own. `null`: nothing to do, the
/// host will be woken.
#[entry]
pub fn host_take(
    key: f64,
    host: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut into: Uint8ArraySlice<'_>,
) -> Option<Either<u32, Uint8Array>> {
    let chunk = Processor::find(key as u64)?.take_for_host(host)?;
    // SAFETY: the buffer belongs to the face of this isolate, on whose thread this runs; nobody else looks at it now.
    Some(match unsafe { into.as_mut() }.get_mut(..chunk.len()) {
        Some(room) => {
            room.copy_from_slice(&chunk);
            Either::A(
                u32::try_from(chunk.len()).expect("shorter than a buffer that JavaScript made for a chunk"),
            )
        }
        None => Either::B(Uint8Array::new(chunk)),
    })
}

/// What a host did of a chunk: the first `length` bytes of `wire`. Throws `ERR_CORE_UNREADABLE`.
#[entry]
pub fn host_finish(key: f64, host: u32, wire: &[u8], length: u32) -> Result<()> {
    let wire = wire.get(..length as usize).unwrap_or(wire);
    match Processor::find(key as u64) {
        Some(processor) if !processor.finish_for_host(host, wire) => {
            Err(from_engine(noizylab_engine::error::Error::Unreadable))
        }
        _ => Ok(()),
    }
}

/// The definition of a user's operation.
#[entry]
pub fn host_definition(key: f64, operation: u32) -> Option<String> {
    Processor::find(key as u64)?.definition(operation).map(|text| text.to_string())
}

fn find(handle: u32) -> Option<Arc<Processor>> {
    isolate::with(|isolate| isolate.processors.get(&handle).map(|owned| Arc::clone(&owned.processor)))
        .flatten()
}

fn copy_words<const N: usize>(words: &Words<N>, into: &mut [f64]) {
    for (index, value) in into.iter_mut().enumerate().take(N) {
        *value = words.get(index);
    }
}
