//! The metrics in the text format of Prometheus: the families of the original in its order, then ours.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::core::Core;
use super::metrics::ACTIONS;
use super::refusal::Refusal;
use super::report;

/// The actions that the original counts, in its order.
const FIRST: usize = 9;

/// The text, with all families of a broker.
pub(super) fn text(core: &Core) -> String {
    let metrics = &core.metrics;
    let is_on = metrics.is_on();
    let figures = report::figures(core);
    let number = |value: f64| if is_on { value } else { 0.0 };
    let mut text = Text(String::with_capacity(8192));

    text.family("operations_total", "counter", "Requests by action and result");
    for (action, name) in ACTIONS.iter().enumerate().take(FIRST) {
        operation(&mut text, core, action, name);
    }
    text.family("compression_total", "counter", "Values stored, compressed or not");
    text.sample("compression_total", r#"compressed="true""#, metrics.compressed.load(Ordering::Relaxed));
    text.sample("compression_total", r#"compressed="false""#, metrics.uncompressed.load(Ordering::Relaxed));
    text.family(
        "compression_bytes_total",
        "counter",
        "Bytes of compressed values before and after compression",
    );
    text.sample("compression_bytes_total", r#"stage="before""#, metrics.bytes_before.load(Ordering::Relaxed));
    text.sample("compression_bytes_total", r#"stage="after""#, metrics.bytes_after.load(Ordering::Relaxed));
    text.family("compression_ratio", "gauge", "Compressed bytes by bytes before");
    text.sample("compression_ratio", "", format_args!("{:.4}", metrics.compression_ratio()));
    text.family("expired_total", "counter", "Items and leases that have expired");
    text.sample("expired_total", r#"type="items""#, number(figures.expired.0 as f64));
    text.sample("expired_total", r#"type="leases""#, number(figures.expired.1 as f64));
    text.family("requests_total", "counter", "Requests");
    text.sample("requests_total", "", metrics.requests());
    text.family("requests_in_flight", "gauge", "Requests that are being handled");
    text.sample("requests_in_flight", "", number(f64::from(core.in_flight())));
    text.family("draining", "gauge", "1 while new clients are turned away");
    text.sample("draining", "", number(f64::from(u8::from(core.is_draining()))));
    let most = core.config().max_items;
    let used = if most == 0 { 0.0 } else { figures.items as f64 / most as f64 };
    text.family("capacity_items", "gauge", "Items stored");
    text.sample("capacity_items", "", number(figures.items as f64));
    text.family("capacity_max", "gauge", "Items that have room; 0: no bound");
    text.sample("capacity_max", "", number(most as f64));
    text.family("capacity_utilization", "gauge", "Items stored by items that have room");
    text.sample("capacity_utilization", "", format_args!("{:.4}", number(used)));

    text.family(
        "more_operations_total",
        "counter",
        "Requests by action and result: those that the original does not have",
    );
    for (action, name) in ACTIONS.iter().enumerate().skip(FIRST) {
        operation(&mut text, core, action, name);
    }
    text.family("errors_total", "counter", "Refused requests by error");
    for (refusal, word) in Refusal::words().enumerate() {
        text.sample("errors_total", format_args!(r#"error="{word}""#), metrics.refusals(refusal));
    }
    text.family("request_duration_seconds", "summary", "Time from reading a request to its answer");
    for share in [0.5, 0.95, 0.99] {
        let seconds = metrics.latency(share) / 1000.0;
        text.sample("request_duration_seconds", format_args!(r#"quantile="{share}""#), seconds);
    }
    text.family("leases", "gauge", "Leases that are held");
    text.sample("leases", "", number(figures.leases as f64));
    text.family("store_bytes", "gauge", "Bytes that the store takes");
    text.sample("store_bytes", "", number(figures.memory as f64));
    text.0
}

fn operation(text: &mut Text, core: &Core, action: usize, name: &str) {
    let (total, failed) = core.metrics.of(action);
    let family = if action < FIRST { "operations_total" } else { "more_operations_total" };
    text.sample(family, format_args!(r#"action="{name}",result="success""#), total - failed);
    text.sample(family, format_args!(r#"action="{name}",result="error""#), failed);
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ =
            writeln!(self.0, "# HELP ephemeral_broker_{name} {help}\n# TYPE ephemeral_broker_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: impl std::fmt::Display, value: impl std::fmt::Display) {
        let labels = labels.to_string();
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "ephemeral_broker_{name}{labels} {value}");
    }
}
