//! The end of a broker: drained, stopped.

use std::pin::pin;
use std::task::{Context, Waker};

use noizylab_engine::broker::server::drained;
use noizylab_engine::runtime;

use crate::support::Broker;

#[test]
fn a_draining_broker_turns_new_clients_away_and_serves_the_others() {
    let broker = Broker::start();
    let mut client = broker.connect();
    assert!(client.line(r#"{"action":"ping"}"#).starts_with(r#"{"ok":true"#));
    broker.core.start_draining();
    assert_eq!(broker.connect().rest(), "{\"ok\":false,\"error\":\"draining\"}\n");
    let mut hasty = broker.connect();
    hasty.write(b"{\"action\":\"ping\"}\n");
    assert_eq!(hasty.rest(), "{\"ok\":false,\"error\":\"draining\"}\n");
    assert!(client.line(r#"{"action":"ping"}"#).starts_with(r#"{"ok":true"#));
}

#[test]
fn a_broker_is_drained_when_all_answers_are_written() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let value = "v".repeat(200_000);
    client.line(&format!(r#"{{"action":"set","key":"k","value":"{value}","ttl":60000}}"#));
    client.write("{\"action\":\"get\",\"key\":\"k\"}\n".repeat(50).as_bytes());
    while broker.core.in_flight() == 0 {
        std::thread::yield_now();
    }
    broker.core.start_draining();
    {
        let mut drain = pin!(drained(&broker.core));
        let _entered = runtime::handle().expect("a runtime").enter();
        assert!(drain.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        for _ in 0..50 {
            assert_eq!(client.read_line().len(), value.len() + 41);
        }
        runtime::handle().expect("a runtime").block_on(drain);
    }
    assert_eq!(broker.core.in_flight(), 0);
}

#[test]
fn what_was_sent_before_a_drain_is_answered_before_its_end() {
    let broker = Broker::start();
    let mut client = broker.connect();
    assert!(client.line(r#"{"action":"ping"}"#).starts_with(r#"{"ok":true"#));
    for _ in 0..50 {
        client.write("{\"action\":\"ping\"}\n".repeat(20).as_bytes());
        runtime::handle().expect("a runtime").block_on(drained(&broker.core));
        client.stream.set_nonblocking(true).unwrap();
        for _ in 0..20 {
            assert!(client.read_line().starts_with(r#"{"ok":true"#));
        }
        client.stream.set_nonblocking(false).unwrap();
    }
}

#[test]
fn stop_closes_what_is_open_and_leaves_nothing() {
    let broker = Broker::start();
    let mut client = broker.connect();
    assert!(client.line(r#"{"action":"ping"}"#).starts_with(r#"{"ok":true"#));
    broker.server.stop();
    assert_eq!(client.rest(), "");
    assert!(broker.directory.names().is_empty());
}

#[test]
fn a_path_can_be_used_again_at_once() {
    let broker = Broker::start();
    for _ in 0..100 {
        broker.server.stop();
        let (_core, server) = crate::support::start(&broker.directory.socket(), |_| {});
        let server = server.unwrap();
        broker.assert_alive();
        server.stop();
    }
}
