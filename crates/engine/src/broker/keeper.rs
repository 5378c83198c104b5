//! What happens to a broker as time goes by: sweeps, ends of waits and leases, the heartbeat, the end of an idle broker.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use super::core::Core;
use super::owner::Level;
use super::report;
use crate::bridge::RecordKind;
use crate::panics;

/// Items that are swept before others get at the store.
const PORTION: usize = 1024;

/// How long a broker is left alone after a fault in looking after it.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// Looks after a broker until it is stopped, whatever fails inside meanwhile: without sweeps and deadlines it would fill up and keep
/// everybody waiting.
pub(super) async fn keep(core: Arc<Core>) {
    while let Err(said) = panics::caught_in(keep_until_stopped(&core)).await {
        core.log(Level::Error, "The broker's keeper failed inside", || json!({ "error": said }));
        sleep(AFTER_FAULT).await;
    }
}

async fn keep_until_stopped(core: &Arc<Core>) {
    let config = core.config();
    let (sweep, heartbeat, idle) = (config.sweeper_interval, config.heartbeat_interval, config.idle_timeout);
    let mut next_sweep = Instant::now() + sweep;
    let mut next_heartbeat = heartbeat.map(|every| Instant::now() + every);
    let mut next_idle = idle.map(|after| Instant::now() + after);
    while !core.is_stopped() {
        let due = tend(core);
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
            sweep_all(core).await;
            next_sweep = now + sweep;
        }
        if let (Some(at), Some(every)) = (next_heartbeat, heartbeat)
            && now >= at
        {
            beat(core);
            next_heartbeat = Some(now + every);
        }
        if let (Some(at), Some(after)) = (next_idle, idle)
            && now >= at
        {
            next_idle = look_whether_idle(core, after).map(|left| now + left);
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use parking_lot::Mutex;

    use super::super::core::Config;
    use super::super::owner::Owner;
    use super::super::session::{Credit, Mailbox, Session};
    use super::super::wire::{HEADER, Header, answer, kind};
    use super::*;
    use crate::bridge::{Outbox, Wake};

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    /// Counts answers: kinds by the number of their request.
    #[derive(Default)]
    struct Answers(Mutex<HashMap<u32, Vec<u8>>>);

    impl Mailbox for Answers {
        fn hang_up(&self) -> bool {
            false
        }

        fn deliver(&self, head: [u8; HEADER], _: Arc<[u8]>, _: Option<Credit>) {
            let header = Header::read(&head).expect("a header");
            self.0.lock().entry(header.id).or_default().push(header.kind);
        }
    }

    fn core() -> Arc<Core> {
        let config = Config {
            pipe: String::new(),
            secret: None,
            max_request_size: 1 << 20,
            max_value_size: 1 << 18,
            max_items: 0,
            max_leases: 0,
            max_connections: 1,
            require_ttl: true,
            default_ttl: 1e9,
            refresh_ttl_on_get: false,
            request_timeout: Duration::ZERO,
            sweeper_interval: Duration::from_secs(3600),
            idle_timeout: None,
            heartbeat_interval: None,
            metrics: true,
            spin: Duration::ZERO,
        };
        Core::new(config, Owner::new(Arc::new(Outbox::new(Box::new(Nobody))), 1, Level::Error))
    }

    fn open(core: &Arc<Core>) -> (Session, Arc<Answers>) {
        let answers = Arc::new(Answers::default());
        (Session::open(core, Arc::clone(&answers) as _), answers)
    }

    fn lease(session: &mut Session, id: u32, worker: &str, ttl: f64, wait: f64, owned: u8) -> Option<u8> {
        let mut body = b"pool".to_vec();
        body.extend(ttl.to_le_bytes());
        body.extend(wait.to_le_bytes());
        body.extend(1u32.to_le_bytes());
        body.push(owned);
        body.extend(worker.as_bytes());
        let header = Header { length: body.len() as u32, id, kind: kind::LEASE, tag: 0, key: 4 };
        let mut out = Vec::new();
        session.frame(&header, &body, &mut out);
        (out.len() >= HEADER).then(|| out[8])
    }

    fn cancel(session: &mut Session, id: u32) {
        let header = Header { length: 4, id: u32::MAX, kind: kind::CANCEL, tag: 0, key: 0 };
        session.frame(&header, &id.to_le_bytes(), &mut Vec::new());
    }

    /// A wait and the lease that it waits for used to end in the same moment with two answers: refused, and granted.
    #[test]
    fn a_wait_that_ends_as_its_turn_comes_has_one_answer() {
        for _ in 0..20 {
            let core = core();
            let (mut holder, _) = open(&core);
            let (mut waiter, answers) = open(&core);
            assert_eq!(lease(&mut holder, 1, "holder", 3.0, f64::NAN, 0), Some(answer::OK));
            assert_eq!(lease(&mut waiter, 1, "waiter", 1e6, 3.0, 0), None);
            let due = core.now() + 4.0;
            while core.now() < due {
                std::thread::yield_now();
            }
            tend(&core);
            assert_eq!(answers.0.lock().get(&1), Some(&vec![answer::OK]));
        }
    }

    /// The deadline of a request that was over used to end a later one of the same number.
    #[test]
    fn a_deadline_is_only_its_own_requests() {
        let core = core();
        let (mut holder, _) = open(&core);
        let (mut waiter, answers) = open(&core);
        lease(&mut holder, 1, "holder", 1e6, f64::NAN, 0);
        assert_eq!(lease(&mut waiter, 7, "waiter", 1e6, 2.0, 0), None);
        cancel(&mut waiter, 7);
        assert_eq!(lease(&mut waiter, 7, "waiter", 1e6, f64::INFINITY, 0), None);
        let due = core.now() + 3.0;
        while core.now() < due {
            std::thread::yield_now();
        }
        tend(&core);
        assert_eq!(answers.0.lock().get(&7), None);
    }

    /// A lease that was granted to somebody who left in the same moment used to be held by nobody until its end.
    #[test]
    fn what_is_granted_to_one_who_is_gone_is_free_again() {
        let core = core();
        let (mut holder, _) = open(&core);
        assert_eq!(lease(&mut holder, 1, "holder", 1e6, f64::NAN, 1), Some(answer::OK));
        let (mut gone, _) = open(&core);
        assert_eq!(lease(&mut gone, 1, "one", 1e6, f64::INFINITY, 1), None);
        assert_eq!(lease(&mut gone, 2, "two", 1e6, f64::INFINITY, 0), None);
        let (mut last, answers) = open(&core);
        assert_eq!(lease(&mut last, 1, "last", 1e6, f64::INFINITY, 1), None);
        drop(gone);
        drop(holder);
        assert_eq!(answers.0.lock().get(&1), Some(&vec![answer::OK]));
        assert_eq!(core.lock().leases.len(), 1);
    }

    #[test]
    fn what_a_session_owned_and_has_no_more_is_forgotten() {
        let core = core();
        let (mut session, _) = open(&core);
        for round in 0..100 {
            lease(&mut session, round, &format!("worker{round}"), 0.001, f64::NAN, 1);
            let due = core.now() + 0.01;
            while core.now() < due {}
        }
        let now = core.now();
        core.with(now, |state| state.leases.advance(now, usize::MAX));
        assert!(core.lock().sessions.values().all(|session| session.owned.is_empty()));
    }
}
