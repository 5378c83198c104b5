//! Brokers at the door. `ts/broker/` is their face, `crates/engine/src/broker/` their engine.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;
use noizylab_engine::broker::auth::Secret;
use noizylab_engine::broker::local::Local;
use noizylab_engine::broker::{Config, Host, Level, Owner};
use noizylab_entry::entry;

use crate::error::{Result, from_engine};
use crate::isolate;

/// What a broker is made with. Times in milliseconds, sizes in bytes; 0 items or leases: no bound; an interval of 0: never; an empty secret: none.
#[napi(object)]
#[allow(missing_docs, reason = "the names are those of the options in `ts/broker/broker-options.ts`")]
pub struct BrokerSettings {
    pub pipe: String,
    pub secret: String,
    pub max_request_size: f64,
    pub max_value_size: f64,
    pub max_items: f64,
    pub max_leases: f64,
    pub max_connections: u32,
    #[napi(js_name = "requireTTL")]
    pub require_ttl: bool,
    #[napi(js_name = "defaultTTL")]
    pub default_ttl: f64,
    #[napi(js_name = "refreshTTLOnGet")]
    pub refresh_ttl_on_get: bool,
    pub request_timeout: f64,
    pub sweeper_interval: f64,
    pub idle_timeout: f64,
    pub heartbeat_interval: f64,
    pub metrics: bool,
    pub spin_microseconds: f64,
    /// The least level of log lines that are wanted: 0 (debug) to 3 (error).
    pub level: u32,
}

/// Starts a broker that reports to `load`. Returns its handle, which is also the channel of its records. Throws `ERR_CORE_RESOURCES`.
#[entry]
pub fn broker_start(load: u32, settings: BrokerSettings) -> Result<Option<u32>> {
    let milliseconds = |time: f64| Duration::try_from_secs_f64(time / 1000.0).unwrap_or(Duration::MAX);
    let interval = |time: f64| (time > 0.0).then(|| milliseconds(time));
    let level = Level::from_u32(settings.level);
    let config = Config {
        pipe: settings.pipe,
        secret: (!settings.secret.is_empty()).then(|| Secret::new(settings.secret.as_bytes())),
        max_request_size: settings.max_request_size as usize,
        max_value_size: settings.max_value_size as usize,
        max_items: settings.max_items as u64,
        max_leases: settings.max_leases as usize,
        max_connections: settings.max_connections,
        require_ttl: settings.require_ttl,
        default_ttl: settings.default_ttl,
        refresh_ttl_on_get: settings.refresh_ttl_on_get,
        request_timeout: milliseconds(settings.request_timeout),
        sweeper_interval: milliseconds(settings.sweeper_interval),
        idle_timeout: interval(settings.idle_timeout),
        heartbeat_interval: interval(settings.heartbeat_interval),
        metrics: settings.metrics,
        spin: milliseconds(settings.spin_microseconds / 1000.0),
    };
    let found = isolate::with(|isolate| Some((isolate.outbox(load)?, isolate.next()))).flatten();
    let Some((outbox, handle)) = found else { return Ok(None) };
    let host =
        Host::start(config, Owner::new(outbox, handle, level)).map_err(|error| from_engine(error.into()))?;
    isolate::with(|isolate| isolate.run_broker(handle, load, host));
    Ok(Some(handle))
}

/// Stops a broker: its socket and its connections are closed, all is forgotten.
#[entry]
pub fn broker_stop(handle: u32) {
    let host = isolate::with(|isolate| isolate.brokers.remove(&handle)).flatten();
    if let Some(owned) = host {
        owned.host.stop();
    }
}

/// Turns new clients away; a record comes when no request is in flight, or after `timeout` milliseconds.
#[entry]
pub fn broker_drain(handle: u32, timeout: f64) {
    if let Some(host) = find(handle) {
        host.drain(Duration::try_from_secs_f64(timeout / 1000.0).unwrap_or(Duration::MAX));
    }
}

/// Drops all that has expired; the number of items and of leases.
#[entry]
pub fn broker_sweep(handle: u32) -> Option<Vec<f64>> {
    let (items, leases) = find(handle)?.sweep();
    Some(vec![items as f64, leases as f64])
}

/// What a broker tells of itself, as JSON.
#[entry]
pub fn broker_report(handle: u32) -> Option<String> {
    Some(find(handle)?.report())
}

/// Joins the broker that listens at `pipe`, if it is one of this process. Returns a handle, which is also the channel of late answers, or 0.
///
/// Throws `ERR_BROKER_AUTH_FAILED`, `ERR_BROKER_DRAINING`.
#[entry]
pub fn broker_attach(load: u32, pipe: String, secret: String) -> Result<u32> {
    let found = isolate::with(|isolate| Some((isolate.outbox(load)?, isolate.next()))).flatten();
    let Some((outbox, handle)) = found else { return Ok(0) };
    let Some(local) = Local::attach(outbox, handle, &pipe, secret.as_bytes()).map_err(from_engine)? else {
        return Ok(0);
    };
    isolate::with(|isolate| isolate.join_broker(handle, load, local));
    Ok(handle)
}

/// Hands over the requests in the first `length` bytes of `buffer` and writes the answers that there are now into it. Returns their length; `-n`: they take
/// `n` bytes and wait for [`broker_answer`]; NaN: the broker is gone.
#[entry]
pub fn broker_exchange(
    handle: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Uint8ArraySlice<'_>,
    length: u32,
) -> f64 {
    // SAFETY: the buffer belongs to the face of this isolate, on whose thread this runs; nobody else looks at it now.
    let buffer = unsafe { buffer.as_mut() };
    with_client(handle, |local| {
        let requests = buffer.get(..length as usize).unwrap_or_default();
        let Some(answers) = local.exchange(requests) else { return f64::NAN };
        let length = answers.len();
        match buffer.get_mut(..length) {
            Some(room) => {
                room.copy_from_slice(answers);
                length as f64
            }
            None => -(length as f64),
        }
    })
}

/// Writes the answers that did not fit into `buffer`, which has room for them.
#[entry]
pub fn broker_answer(
    handle: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Uint8ArraySlice<'_>,
) -> f64 {
    // SAFETY: as above.
    let buffer = unsafe { buffer.as_mut() };
    with_client(handle, |local| {
        let answers = local.answers();
        buffer.get_mut(..answers.len()).map_or(f64::NAN, |room| {
            room.copy_from_slice(answers);
            answers.len() as f64
        })
    })
}

/// The client is gone: what it waited for is taken back.
#[entry]
pub fn broker_detach(handle: u32) {
    // Dropped after the isolate is free again: others may be told.
    drop(isolate::with(|isolate| isolate.broker_clients.remove(&handle)));
}

fn find(handle: u32) -> Option<Arc<Host>> {
    isolate::with(|isolate| isolate.brokers.get(&handle).map(|owned| Arc::clone(&owned.host))).flatten()
}

/// What `f` says of a client; NaN where there is none.
fn with_client(handle: u32, f: impl FnOnce(&mut Local) -> f64) -> f64 {
    isolate::with(|isolate| isolate.broker_clients.get_mut(&handle).map(|joined| f(&mut joined.local)))
        .flatten()
        .unwrap_or(f64::NAN)
}
