//! Lists of many items: portion by portion, while everything else goes on.

use std::io::{Read, Write};
use std::ops::Range;
use std::thread;
use std::time::Duration;

use noizylab_engine::broker::wire::{kind, tag};

use crate::support::{Broker, Client, frame};

const ITEMS: usize = 60_000;

fn set(client: &mut Client, numbers: Range<usize>) {
    let line = |number| {
        format!("{{\"action\":\"set\",\"key\":\"some/longer/key/{number}\",\"value\":1,\"ttl\":60000}}\n")
    };
    let lines: String = numbers.clone().map(line).collect();
    let mut stream = client.stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stream.write_all(lines.as_bytes()).unwrap());
        for _ in numbers {
            assert_eq!(client.read_line(), r#"{"ok":true}"#);
        }
    });
}

/// The numbers of the keys of a list, in their order.
fn numbers(answer: &str) -> Vec<usize> {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    assert_eq!(answer["ok"], true);
    let keys = answer["items"].as_object().unwrap().keys();
    keys.map(|key| key.strip_prefix("some/longer/key/").unwrap().parse().unwrap()).collect()
}

/// The order in which keys stand in the text.
fn order(answer: &str) -> Vec<usize> {
    let keys = answer.split("\"some/longer/key/").skip(1);
    keys.map(|rest| rest[..rest.find('"').unwrap()].parse().unwrap()).collect()
}

/// All of a list was made under the runtime's one thread, and held in memory until it was written: every other client, and every deadline of the
/// process, waited.
#[test]
fn a_list_that_is_not_read_holds_nobody_up_and_shows_what_was_there_all_the_time() {
    let broker = Broker::with(|config| {
        config.max_items = 1_000_000;
        config.request_timeout = Duration::ZERO;
    });
    let (mut slow, mut other) = (broker.connect(), broker.connect());
    set(&mut other, 0..ITEMS);
    // More than the socket takes: it stands still until it is read.
    slow.write(b"{\"action\":\"list\"}\n{\"action\":\"ping\"}\n");
    let mut first = [0; 1];
    slow.stream.read_exact(&mut first).unwrap();
    assert_eq!(first, *b"{");
    for number in (0..ITEMS).step_by(3) {
        let answer = other.line(&format!(r#"{{"action":"del","key":"some/longer/key/{number}"}}"#));
        assert_eq!(answer, r#"{"ok":true}"#);
    }
    set(&mut other, ITEMS..ITEMS + 5000);
    set(&mut other, 0..1);
    let answer = format!("{{{}", slow.read_line());
    let mut found = numbers(&answer);
    let shown = order(&answer);
    assert_eq!(found.len(), shown.len());
    assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "in the order of insertion, and each once");
    found.sort_unstable();
    for number in (0..ITEMS).filter(|number| number % 3 != 0) {
        assert!(found.binary_search(&number).is_ok(), "{number} was there all the time");
    }
    assert!(slow.read_line().starts_with(r#"{"ok":true,"pong":"#));
}

#[test]
fn requests_behind_a_list_are_answered_after_it_in_both_protocols() {
    let broker = Broker::with(|config| config.max_items = 1_000_000);
    let mut lines = broker.connect();
    set(&mut lines, 0..10_000);
    lines.write(b"{\"action\":\"list\"}\n{\"action\":\"ping\"}\n{\"action\":\"list\"}\n");
    assert_eq!(numbers(&lines.read_line()).len(), 10_000);
    assert!(lines.read_line().starts_with(r#"{"ok":true,"pong":"#));
    assert_eq!(numbers(&lines.read_line()).len(), 10_000);
    let mut frames = broker.frames();
    let list = br#"{"action":"list"}"#;
    frames.write(&frame(7, kind::LINE, tag::JSON, "", &[list]));
    frames.write(&frame(8, kind::PING, tag::NONE, "", &[]));
    let (id, _, body) = frames.answer();
    assert_eq!((id, numbers(std::str::from_utf8(&body).unwrap()).len()), (7, 10_000));
    assert_eq!(frames.answer().0, 8);
}

#[test]
fn a_list_of_nothing_and_one_in_the_midst_of_the_end() {
    let broker = Broker::start();
    let mut client = broker.connect();
    assert_eq!(client.line(r#"{"action":"list"}"#), r#"{"ok":true,"items":{}}"#);
    set(&mut client, 0..5000);
    client.write(b"{\"action\":\"list\"}\n");
    drop(client);
    broker.assert_alive();
}
