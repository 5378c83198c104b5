//! What a broker tells of itself, as JSON.

use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::core::Core;
use super::metrics::ACTIONS;
use super::owner::Level;
use super::refusal::Refusal;

/// Deadlines that are looked at before others get at the store.
const PORTION: usize = 1024;
/// From this share of its items on a broker is near its capacity.
const NEAR: f64 = 0.9;

/// Figures that are told together.
pub(super) struct Figures {
    pub items: u64,
    pub leases: usize,
    /// The original's estimate of the bytes of all items.
    pub estimate: u64,
    /// Bytes that the store takes.
    pub memory: u64,
    /// Items and leases that have expired, ever.
    pub expired: (u64, u64),
}

/// The figures now: what has expired is not counted.
pub(super) fn figures(core: &Core) -> Figures {
    loop {
        let now = core.now();
        let figures = core.with(now, |state| {
            let left = state.store.advance(now, PORTION) + state.leases.advance(now, PORTION);
            let (store, leases) = (&state.store, &state.leases);
            let figures = Figures {
                items: store.len(),
                leases: leases.len(),
                estimate: store.estimate(),
                memory: store.memory(),
                expired: (store.expired(), leases.expired()),
            };
            (left < PORTION).then_some(figures)
        });
        if let Some(figures) = figures {
            return figures;
        }
    }
}

/// Milliseconds since the broker was started.
pub(super) fn uptime(core: &Core) -> u64 {
    Instant::now().saturating_duration_since(core.started).as_millis() as u64
}

/// Bytes of memory of the process; 0 where the system does not tell.
pub(super) fn resident() -> u64 {
    memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem as u64)
}

pub(super) fn stats(core: &Core) -> Value {
    let figures = figures(core);
    json!({
        "items": figures.items,
        "leases": figures.leases,
        "capacity": capacity(core, figures.items),
        "memory": {
            "rss": resident(),
            "heapUsed": figures.memory,
            "approximateStoreBytes": figures.estimate,
        },
        "uptime": uptime(core),
    })
}

/// The response to `health`.
pub(super) fn health(core: &Core) -> Value {
    let figures = figures(core);
    let capacity = capacity(core, figures.items);
    warn_of_capacity(core, figures.items);
    let status = if capacity["atCapacity"] == true { "degraded" } else { "healthy" };
    json!({
        "ok": true,
        "status": status,
        "uptime": uptime(core),
        "timestamp": Core::epoch() as u64,
        "items": figures.items,
        "leases": figures.leases,
        "capacity": capacity,
        "memory": { "rss": resident(), "heapUsed": figures.memory, "heapTotal": figures.memory },
        "connections": { "inFlight": core.in_flight().max(1), "draining": core.is_draining() },
    })
}

fn capacity(core: &Core, items: u64) -> Value {
    let most = core.config().max_items;
    let used = if most == 0 { 0.0 } else { items as f64 / most as f64 };
    let warning = match used {
        1.0.. => Some("at_capacity"),
        NEAR.. => Some("near_capacity"),
        _ => None,
    };
    json!({
        "items": items,
        "maxItems": most,
        "utilization": (used * 100.0).round() / 100.0,
        "nearCapacity": used >= NEAR,
        "atCapacity": used >= 1.0,
        "warning": warning,
    })
}

/// Warns once when the capacity is nearly used up, and again when it was not meanwhile.
pub(super) fn warn_of_capacity(core: &Core, items: u64) {
    let most = core.config().max_items;
    let is_near = most > 0 && items as f64 >= NEAR * most as f64;
    if !core.near_capacity.swap(is_near, Ordering::Relaxed) && is_near {
        let used = items as f64 / most as f64;
        core.log(
            Level::Warn,
            "Broker approaching capacity",
            || json!({ "items": items, "maxItems": most, "utilization": (used * 100.0).round() / 100.0 }),
        );
    }
}

/// The metrics as an object: requests by action, errors by word, latency in milliseconds; and what the original's object shows.
pub(super) fn metrics(core: &Core) -> Value {
    let metrics = &core.metrics;
    let expired = if metrics.is_on() { figures(core).expired } else { (0, 0) };
    let (mut requests, mut operations) = (Map::new(), Map::new());
    requests.insert("total".to_owned(), metrics.requests().into());
    for (action, name) in ACTIONS.iter().enumerate() {
        let (total, errors) = metrics.of(action);
        operations.insert((*name).to_owned(), json!({ "total": total, "errors": errors }));
        if total > 0 {
            requests.insert((*name).to_owned(), total.into());
        }
    }
    let mut errors = Map::new();
    let mut all = 0;
    for (number, word) in Refusal::words().enumerate() {
        let count = metrics.refusals(number);
        all += count;
        if count > 0 {
            errors.insert(word.to_owned(), count.into());
        }
    }
    errors.insert("total".to_owned(), all.into());
    json!({
        "requests": requests,
        "errors": errors,
        "latency": { "p50": metrics.latency(0.5), "p95": metrics.latency(0.95), "p99": metrics.latency(0.99) },
        "operations": operations,
        "compression": {
            "compressed": metrics.compressed.load(Ordering::Relaxed),
            "uncompressed": metrics.uncompressed.load(Ordering::Relaxed),
            "bytesBeforeCompression": metrics.bytes_before.load(Ordering::Relaxed),
            "bytesAfterCompression": metrics.bytes_after.load(Ordering::Relaxed),
            "ratio": metrics.compression_ratio(),
        },
        "storage": {
            "itemsExpired": expired.0,
            "leasesExpired": expired.1,
        },
    })
}
