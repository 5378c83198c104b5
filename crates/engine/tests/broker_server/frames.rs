//! Frames: the broker's own protocol after a hello.

use noizylab_engine::broker::wire::{answer, kind, tag};

use crate::support::{Broker, frame, hello};

fn set(id: u32, key: &str, value: &[u8]) -> Vec<u8> {
    frame(id, kind::SET, tag::TEXT, key, &[&60_000_f64.to_le_bytes(), value])
}

fn get(id: u32, key: &str) -> Vec<u8> {
    frame(id, kind::GET, 0, key, &[])
}

#[test]
fn a_hello_tells_the_limits_and_frames_follow() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let answer = client.line(&hello());
    let told: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(told["protocol"], 1);
    assert_eq!(told["secure"], false);
    assert_eq!(told["maxRequestSize"], 1 << 20);
    assert_eq!(told["maxValueSize"], 256 << 10);
    assert_eq!(told["requireTTL"], true);
    assert_eq!(told["nonce"].as_str().unwrap().len(), 64);
    client.write(&set(1, "k", b"value"));
    assert_eq!(client.answer(), (1, answer::OK, vec![]));
    client.write(&get(2, "k"));
    let (header, body) = client.receive();
    assert_eq!((header.id, header.kind, header.tag, body), (2, answer::OK, tag::TEXT, b"value".to_vec()));
}

#[test]
fn a_hello_counts_only_as_the_first_line_and_for_a_protocol_that_is_known() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.line("{}");
    assert_eq!(client.line(&hello()), r#"{"ok":false,"error":"unknown_action"}"#);
    for (protocols, refused) in
        [("[2]", true), ("[]", true), ("1", true), ("null", true), ("[2,\"x\",1]", false), ("[1.0]", false)]
    {
        let answer = broker.connect().line(&hello().replace("[1]", protocols));
        assert_eq!(
            answer == r#"{"ok":false,"error":"unsupported_protocol"}"#,
            refused,
            "{protocols}: {answer}"
        );
    }
    for nonce in ["", "xyz", "0123456789abcdeg"] {
        let answer = broker.connect().line(&hello().replace(&"0123456789abcdef".repeat(4), &nonce.repeat(4)));
        assert_eq!(answer, r#"{"ok":false,"error":"invalid_value"}"#);
    }
    // Whoever is refused may go on with lines.
    let mut client = broker.connect();
    client.line(&hello().replace("[1]", "[9]"));
    assert!(client.line(r#"{"action":"ping"}"#).starts_with(r#"{"ok":true"#));
}

#[test]
fn frames_may_come_in_pieces_and_many_at_once() {
    let broker = Broker::start();
    let mut client = broker.frames();
    for byte in set(7, "größe", "日本語".as_bytes()) {
        client.write(&[byte]);
    }
    assert_eq!(client.answer(), (7, answer::OK, vec![]));
    let many: Vec<u8> = (0..5000).flat_map(|id| get(id, "größe")).collect();
    client.write(&many);
    for id in 0..5000 {
        assert_eq!(client.answer(), (id, answer::OK, "日本語".into()));
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_number_and_skipped() {
    let broker = Broker::with(|config| config.max_request_size = 4096);
    let mut client = broker.frames();
    let longest = set(1, "k", &vec![b'v'; 4096 - 12 - 1 - 8]);
    assert_eq!(longest.len(), 4096);
    let too_long = set(2, "k", &vec![b'v'; 300_000]);
    client.write(&[longest, too_long, get(3, "none")].concat());
    assert_eq!(client.answer(), (1, answer::OK, vec![]));
    assert_eq!(client.answer(), (2, answer::ERROR, b"too_large".to_vec()));
    assert_eq!(client.answer(), (3, answer::ERROR, b"not_found".to_vec()));
}

#[test]
fn a_frame_that_says_more_than_it_has_is_refused_and_the_connection_goes_on() {
    let broker = Broker::start();
    let mut client = broker.frames();
    let mut short = get(1, "k");
    short[10] = 200; // the key is longer than the body
    client.write(&[short, frame(2, 99, 0, "", &[]), frame(3, kind::MGET, 0, "", &[&[255; 4]])].concat());
    assert_eq!(client.answer(), (1, answer::ERROR, b"invalid_frame".to_vec()));
    assert_eq!(client.answer(), (2, answer::ERROR, b"unknown_action".to_vec()));
    assert_eq!(client.answer(), (3, answer::ERROR, b"invalid_frame".to_vec()));
    client.write(&frame(4, kind::LINE, tag::JSON, "", &[br#"{"action":"ping"}"#]));
    let (id, _, body) = client.answer();
    assert_eq!(id, 4);
    assert!(body.starts_with(br#"{"ok":true,"pong""#));
}

fn lease(id: u32, worker: &str) -> Vec<u8> {
    let (ttl, wait) = (600_000_f64.to_le_bytes(), f64::INFINITY.to_le_bytes());
    frame(id, kind::LEASE, 0, "pool", &[&ttl, &wait, &1_u32.to_le_bytes(), &[1], worker.as_bytes()])
}

#[test]
fn a_lease_ends_with_its_connection_and_passes_to_who_waits() {
    let broker = Broker::start();
    let (mut first, mut second) = (broker.frames(), broker.frames());
    first.write(&lease(1, "a"));
    assert_eq!(first.answer().1, answer::OK);
    second.write(&[lease(2, "b"), get(3, "k")].concat());
    // Others are not held up by what waits.
    assert_eq!(second.answer(), (3, answer::ERROR, b"not_found".to_vec()));
    drop(first);
    let (id, kind, body) = second.answer();
    assert_eq!((id, kind, body.len()), (2, answer::OK, 20));
}

#[test]
fn a_computation_passes_on_when_its_connection_is_lost() {
    let broker = Broker::start();
    let (mut first, mut second) = (broker.frames(), broker.frames());
    let begin = |id| frame(id, kind::BEGIN, 0, "k", &[]);
    first.write(&begin(1));
    assert_eq!(first.answer(), (1, answer::COMPUTE, vec![]));
    second.write(&[begin(2), get(3, "k")].concat());
    assert_eq!(second.answer(), (3, answer::ERROR, b"not_found".to_vec()));
    drop(first);
    assert_eq!(second.answer(), (2, answer::COMPUTE, vec![]));
}

#[test]
fn changes_are_told_before_the_end_of_the_watch() {
    let broker = Broker::start();
    let mut client = broker.frames();
    let watch = frame(1, kind::WATCH, 0, "a", &[&100_u32.to_le_bytes()]);
    let cancel = frame(4, kind::CANCEL, 0, "", &[&1_u32.to_le_bytes()]);
    client.write(&[watch, set(2, "ab", b"x"), set(3, "b", b"y"), cancel].concat());
    let answers: Vec<_> = (0..5).map(|_| client.answer()).map(|(id, kind, _)| (id, kind)).collect();
    let expected = [(1, answer::OK), (2, answer::OK), (1, answer::EVENT), (3, answer::OK), (1, answer::END)];
    assert_eq!(answers, expected);
}

#[test]
fn a_watcher_that_does_not_read_loses_its_watch_and_holds_nobody_up() {
    let broker = Broker::start();
    let (mut watcher, mut writer) = (broker.frames(), broker.frames());
    watcher.write(&frame(1, kind::WATCH, 0, "", &[&100_u32.to_le_bytes()]));
    assert_eq!(watcher.answer(), (1, answer::OK, vec![]));
    let value = vec![b'v'; 50_000];
    for id in 0..500 {
        writer.write(&set(id, "k", &value));
        assert_eq!(writer.answer(), (id, answer::OK, vec![]));
    }
    let mut events = 0;
    let end = loop {
        match watcher.answer() {
            (1, answer::EVENT, body) => {
                assert_eq!(body.len(), 1 + 1 + 8 + value.len());
                events += 1;
            }
            other => break other,
        }
    };
    assert_eq!(end, (1, answer::END, b"watch_overflow".to_vec()));
    assert!(events >= 100, "{events}");
}
