//! What happens to a broker as time goes by: sweeps, ends of waits and leases, the heartbeat, the end of an idle broker.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::core::Core;
use super::owner::Level;
use super::report;
use crate::bridge::RecordKind;

/// Items that are swept before others get at the store.
const PORTION: usize = 1024;

/// Looks after a broker until it is stopped.
pub(super) async fn keep(core: Arc<Core>) {
    let config = core.config();
    let (sweep, heartbeat, idle) = (config.sweeper_interval, config.heartbeat_interval, config.idle_timeout);
    let mut next_sweep = Instant::now() + sweep;
    let mut next_heartbeat = heartbeat.map(|every| Instant::now() + every);
    let mut next_idle = idle.map(|after| Instant::now() + after);
    while !core.is_stopped() {
        let due = tend(&core);
        let due = due.is_finite().then(|| core.started + Duration::from_secs_f64((due / 1000.0).min(1e9)));
        // A deadline is over when the clock is past it: a thousandth of a second later at the latest.
        let due = due.map(|due| Instant::from_std(due) + Duration::from_micros(50));
        let wake = [due, next_heartbeat, next_idle].into_iter().flatten().fold(next_sweep, Instant::min);
        tokio::select! {
            () = sleep_until(wake) => {}
            () = core.nudge.notified() => continue,
        }
        let now = Instant::now();
        if now >= next_sweep {
            sweep_all(&core).await;
            next_sweep = now + sweep;
        }
        if let (Some(at), Some(every)) = (next_heartbeat, heartbeat)
            && now >= at
        {
            beat(&core);
            next_heartbeat = Some(now + every);
        }
        if let (Some(at), Some(after)) = (next_idle, idle)
            && now >= at
        {
            next_idle = look_whether_idle(&core, after).map(|left| now + left);
        }
    }
}

/// Ends what is due, and tells when to look again.
fn tend(core: &Core) -> f64 {
    let now = core.now();
    core.with(now, |state| {
        if state.leases.has_waiters() {
            state.leases.advance(now, PORTION);
            state.end_waits(now);
        }
        if !state.watches.is_empty() {
            state.store.advance(now, PORTION);
        }
    });
    let mut state = core.lock();
    state.keeper_wakes = state.next_deadline();
    state.keeper_wakes
}

/// Drops all expired items and ends all expired leases; how many.
pub(super) async fn sweep_all(core: &Core) -> (u64, u64) {
    let (mut items, mut leases) = (0, 0);
    loop {
        let now = core.now();
        let (swept, ended) =
            core.with(now, |state| (state.store.sweep(now, PORTION), state.leases.advance(now, PORTION)));
        items += swept as u64;
        leases += ended as u64;
        if swept.max(ended) < PORTION {
            break;
        }
        tokio::task::yield_now().await;
    }
    core.metrics.count_swept(items, leases);
    if items + leases > 0 {
        core.log(Level::Debug, "Swept expired entries", || json!({ "items": items, "leases": leases }));
    }
    (items, leases)
}

fn beat(core: &Core) {
    let figures = report::figures(core);
    report::warn_of_capacity(core, figures.items);
    let megabytes = (report::resident() as f64 / 1024.0 / 102.4).round() / 10.0;
    core.log(Level::Info, "Heartbeat", || {
        json!({ "uptime": report::uptime(core), "items": figures.items, "leases": figures.leases, "memoryMB": megabytes })
    });
}

/// Tells the owner where nobody has asked for long enough; else how long to wait before looking again.
fn look_whether_idle(core: &Core, after: Duration) -> Option<Duration> {
    let after = after.as_secs_f64() * 1000.0;
    // Whoever waits for an answer is a request that is not over.
    let has_pending = core.lock().sessions.values().any(|session| !session.pending.is_empty());
    let idle = core.now() - core.last_activity();
    if idle >= after && !has_pending && core.in_flight() == 0 {
        core.owner.tell(RecordKind::BrokerIdle, 1, &idle.floor().to_string());
        return None;
    }
    let left = if idle >= after { after } else { after - idle };
    Some(Duration::from_secs_f64(left / 1000.0))
}
