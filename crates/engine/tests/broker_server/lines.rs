//! Lines: the first protocol, from clients that are in no hurry, in a great hurry, or out of their mind.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use crate::support::Broker;

#[test]
fn a_line_may_come_in_pieces() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let line = "{\"action\":\"set\",\"key\":\"größe\",\"value\":\"日本語 😀\",\"ttl\":60000}\n";
    for byte in line.bytes() {
        client.write(&[byte]);
    }
    assert_eq!(client.read_line(), r#"{"ok":true}"#);
    let answer = client.line(r#"{"action":"get","key":"größe"}"#);
    assert_eq!(answer, r#"{"ok":true,"value":"日本語 😀","compressed":false}"#);
}

#[test]
fn requests_sent_at_once_are_answered_in_their_order() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let mut lines = String::new();
    for number in 0..2000 {
        lines += &format!("{{\"action\":\"set\",\"key\":\"k\",\"value\":{number},\"ttl\":60000}}\n");
        lines += "{\"action\":\"get\",\"key\":\"k\"}\n";
    }
    client.write(lines.as_bytes());
    for number in 0..2000 {
        assert_eq!(client.read_line(), r#"{"ok":true}"#);
        assert_eq!(client.read_line(), format!(r#"{{"ok":true,"value":{number},"compressed":false}}"#));
    }
}

#[test]
fn what_makes_no_sense_is_refused_and_the_connection_goes_on() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for line in
        ["null", "", "5", "true", "[]", "[[[[", "{}", r#"{"action":null}"#, r#"{"action":"set"}"#, "\r"]
    {
        let answer = client.line(line);
        assert!(answer.starts_with(r#"{"ok":false,"error":""#), "{line}: {answer}");
    }
    assert_eq!(client.line("null"), r#"{"ok":false,"error":"unknown_action"}"#);
    assert_eq!(client.line("{"), r#"{"ok":false,"error":"invalid_json"}"#);
    client.write(b"\xff\xfe\x00\n");
    assert_eq!(client.read_line(), r#"{"ok":false,"error":"invalid_json"}"#);
    assert_eq!(client.line(r#"{"action":"del","key":"k"}"#), r#"{"ok":true}"#);
}

#[test]
fn the_longest_line_is_served_and_a_longer_one_ends_the_connection_with_an_answer() {
    let broker = Broker::with(|config| config.max_request_size = 1000);
    let mut client = broker.connect();
    let line = |length: usize| format!("{:length$}", r#"{"action":"del","key":"k"}"#);
    assert_eq!(client.line(&line(1000)), r#"{"ok":true}"#);
    client.write(format!("{}\n", line(1001)).as_bytes());
    assert_eq!(client.rest(), "{\"ok\":false,\"error\":\"too_large\"}\n");

    // Also without its end.
    let mut client = broker.connect();
    client.write(&[b' '; 1001]);
    assert_eq!(client.rest(), "{\"ok\":false,\"error\":\"too_large\"}\n");
}

#[test]
fn a_client_that_writes_far_too_much_before_it_reads_gets_its_answer() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.write(&vec![b'x'; 20 << 20]);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "{\"ok\":false,\"error\":\"too_large\"}\n");
    broker.assert_alive();
}

fn with_large_value(change: impl FnOnce(&mut noizylab_engine::broker::Config)) -> (Broker, String) {
    let broker = Broker::with(change);
    let value = "v".repeat(200_000);
    let set = format!(r#"{{"action":"set","key":"k","value":"{value}","ttl":600000}}"#);
    assert_eq!(broker.connect().line(&set), r#"{"ok":true}"#);
    (broker, format!(r#"{{"ok":true,"value":"{value}","compressed":false}}"#))
}

#[test]
fn a_slow_reader_gets_all() {
    let (broker, expected) = with_large_value(|_| {});
    let mut client = broker.connect();
    let mut writer = client.stream.try_clone().unwrap();
    let writes = thread::spawn(move || {
        writer.write_all("{\"action\":\"get\",\"key\":\"k\"}\n".repeat(100).as_bytes()).unwrap();
    });
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(2));
        assert!(client.read_line() == expected);
    }
    writes.join().unwrap();
}

#[test]
fn a_client_that_never_reads_is_not_read_and_ends_alone() {
    let (broker, _) = with_large_value(|config| config.request_timeout = Duration::from_millis(500));
    let mut client = broker.connect();
    let lines = "{\"action\":\"get\",\"key\":\"k\"}\n".repeat(1000);
    let mut written = 0;
    let error = loop {
        match client.stream.write(lines.as_bytes()) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
        broker.assert_alive();
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    // What the broker and both sockets hold: a few buffers.
    assert!(written < 4 << 20, "{written}");
    broker.assert_alive();
}

#[test]
fn a_line_that_does_not_end_in_time_is_given_up() {
    let broker = Broker::with(|config| config.request_timeout = Duration::from_millis(100));
    let mut idle = broker.connect();
    let mut client = broker.connect();
    client.write(br#"{"action":"ping"}"#);
    assert_eq!(client.rest(), "{\"ok\":false,\"error\":\"request_timeout\"}\n");
    // Who asks for nothing may take its time.
    assert!(idle.line(r#"{"action":"ping"}"#).starts_with(r#"{"ok":true"#));
}

#[test]
fn pieces_do_not_buy_a_line_more_time() {
    let broker = Broker::with(|config| config.request_timeout = Duration::from_millis(300));
    let mut client = broker.connect();
    while client.stream.write_all(b" ").is_ok() {
        thread::sleep(Duration::from_millis(20));
    }
    broker.assert_alive();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_hurt(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'{'), Just(b'"'), any::<u8>()], 0..400), says_hello: bool) {
        thread_local!(static BROKER: Broker = Broker::with(|config| config.max_request_size = 300));
        BROKER.with(|broker| {
            let mut client = if says_hello { broker.frames() } else { broker.connect() };
            client.write(&bytes);
            client.stream.shutdown(Shutdown::Write).unwrap();
            client.read_to_end();
            broker.assert_alive();
        });
    }
}
