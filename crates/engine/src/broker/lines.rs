//! What the broker answers to lines, the first protocol. Errors and shapes are those of the original's code.

use std::time::Instant;

use serde_json::json;

use super::core::Core;
use super::json_text::{decode_string, number};
use super::leases::OPEN;
use super::line::Request;
use super::listing::Listing;
use super::metrics::Action;
use super::prometheus;
use super::refusal::Refusal;
use super::report;
use super::session::Session;
use super::store::{Store, Value};
use super::values::{LONGEST_KEY, number_key, reserve_json, write_json};
use super::wire::tag;

/// Appends the response of a refusal.
pub fn write_error(out: &mut Vec<u8>, refusal: Refusal) {
    out.extend_from_slice(br#"{"ok":false,"error":""#);
    out.extend_from_slice(refusal.word().as_bytes());
    out.extend_from_slice(br#""}"#);
}

impl Session {
    /// Answers a line: appends the response to `out`, and tells what it was.
    pub(super) fn answer_line(
        &mut self,
        now: f64,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> (Action, Result<(), Refusal>) {
        let action = action_of(request);
        self.log_request(action);
        let before = out.len();
        let done =
            if self.core.is_stopped() { Err(Refusal::Stopped) } else { self.act(now, action, request, out) };
        if let Err(refusal) = done {
            out.truncate(before);
            write_error(out, refusal);
        }
        (action, done)
    }

    fn act(
        &mut self,
        now: f64,
        action: Action,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match action {
            Action::Get => self.get_line(now, request, out),
            Action::Set => {
                self.set_line(now, request)?;
                out.extend_from_slice(br#"{"ok":true}"#);
                Ok(())
            }
            Action::Del => {
                // What is no key is under none.
                if let Ok(key) = key_of(request) {
                    self.del(now, &key);
                }
                out.extend_from_slice(br#"{"ok":true}"#);
                Ok(())
            }
            Action::List => {
                self.listing = Some(Listing::new(Instant::now()));
                Ok(())
            }
            Action::Lease => {
                let (pool, worker) = (name_of(request, "key"), name_of(request, "workerId"));
                let (pool, worker) = pool.zip(worker).ok_or(Refusal::KeyAndWorkerRequired)?;
                let wanted = self.wanted(&pool, &worker, ttl_of(request)?)?;
                let value = self.lease(now, &wanted, None)?.ok_or(Refusal::PoolExhausted)?;
                out.extend_from_slice(json!({ "ok": true, "value": value }).to_string().as_bytes());
                Ok(())
            }
            Action::Release => {
                let worker = name_of(request, "workerId").ok_or(Refusal::WorkerRequired)?;
                let released = self.release(now, &worker, &OPEN)?;
                out.extend_from_slice(json!({ "ok": true, "released": released }).to_string().as_bytes());
                Ok(())
            }
            Action::Unknown => Err(Refusal::UnknownAction),
            _ => {
                out.extend_from_slice(self.report(action, request).to_string().as_bytes());
                Ok(())
            }
        }
    }

    /// What the broker tells of itself.
    fn report(&self, action: Action, request: &Request<'_>) -> serde_json::Value {
        let core = &self.core;
        match action {
            Action::Stats => json!({ "ok": true, "stats": report::stats(core) }),
            Action::Health => report::health(core),
            Action::Metrics if request.field("format") == Some(br#""object""#) => {
                json!({ "ok": true, "metrics": report::metrics(core), "format": "object" })
            }
            Action::Metrics => {
                json!({ "ok": true, "metrics": prometheus::text(core), "format": "prometheus" })
            }
            _ => json!({ "ok": true, "pong": Core::epoch() as u64 }),
        }
    }

    fn get_line(&self, now: f64, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let key = key_of(request).map_err(|_| Refusal::NotFound)?;
        let refresh = self.core.config().refresh_ttl_on_get;
        self.core.with(now, |state| {
            let item = state.store.get(now, &key)?;
            if refresh {
                Store::refresh(item, now);
            }
            reserve_json(out, Value { tag: item.tag, bytes: item.value() })?;
            out.extend_from_slice(br#"{"ok":true,"#);
            let compressed = if item.tag == tag::NONE {
                false
            } else {
                out.extend_from_slice(br#""value":"#);
                let compressed = write_json(out, Value { tag: item.tag, bytes: item.value() });
                out.push(b',');
                compressed
            };
            out.extend_from_slice(if compressed {
                br#""compressed":true}"#
            } else {
                br#""compressed":false}"#
            });
            Ok(())
        })
    }

    fn set_line(&self, now: f64, request: &Request<'_>) -> Result<(), Refusal> {
        let key = key_of(request)?;
        let ttl = ttl_of(request)?;
        let Some(raw) = request.field("value") else {
            // Stored, as `undefined` is: there is a key, and no value.
            return self.set_nothing(now, &key, ttl);
        };
        let text = decode_string(raw);
        if is_true(request.field("compressed")) {
            let text = text.ok_or(Refusal::InvalidValue)?;
            return self.set(now, &key, Value { tag: tag::BASE64, bytes: &text }, ttl);
        }
        match text {
            // A string with a lone surrogate stays JSON: it has no UTF-8.
            Some(text) if std::str::from_utf8(&text).is_ok() => {
                self.set(now, &key, Value { tag: tag::TEXT, bytes: &text }, ttl)
            }
            _ => self.set(now, &key, Value { tag: tag::JSON, bytes: raw }, ttl),
        }
    }
}

fn action_of(request: &Request<'_>) -> Action {
    match request.action().as_deref() {
        Some("get") => Action::Get,
        Some("set") => Action::Set,
        Some("del") => Action::Del,
        Some("list") => Action::List,
        Some("ping") => Action::Ping,
        Some("stats") => Action::Stats,
        Some("health") => Action::Health,
        Some("metrics") => Action::Metrics,
        Some("lease") => Action::Lease,
        Some("release") => Action::Release,
        _ => Action::Unknown,
    }
}

/// The key: a string, or a number as in a `Map`.
fn key_of(request: &Request<'_>) -> Result<Vec<u8>, Refusal> {
    let raw = request.field("key").ok_or(Refusal::InvalidKey)?;
    let key = match decode_string(raw) {
        Some(text) => text,
        None => number_key(number(raw).ok_or(Refusal::InvalidKey)?),
    };
    if key.len() > LONGEST_KEY { Err(Refusal::TooLarge) } else { Ok(key) }
}

/// The name of a pool or a worker: as a key, but nothing that JavaScript takes for false.
fn name_of(request: &Request<'_>, field: &str) -> Option<Vec<u8>> {
    let raw = request.field(field)?;
    match decode_string(raw) {
        Some(text) => (!text.is_empty()).then_some(text),
        None => number(raw).filter(|&number| number != 0.0).map(number_key),
    }
}

/// The time to live, if there is one; what is no number is refused.
fn ttl_of(request: &Request<'_>) -> Result<Option<f64>, Refusal> {
    match request.field("ttl") {
        None | Some(b"null") => Ok(None),
        Some(raw) => number(raw).map(Some).ok_or(Refusal::InvalidTtl),
    }
}

/// Whether JavaScript takes a field for true.
fn is_true(raw: Option<&[u8]>) -> bool {
    match raw {
        None | Some(b"null" | b"false" | br#""""#) => false,
        Some(raw) => number(raw).is_none_or(|number| number != 0.0),
    }
}
