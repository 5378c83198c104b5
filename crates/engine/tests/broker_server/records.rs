//! Records: what a secret makes of a connection. The client here computes the MACs by itself.

use noizylab_engine::broker::wire::{HEADER, Header, answer, kind, tag};
use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::support::{Broker, Client, frame, hello, secret};

const SECRET: &str = "open sesame";

fn signed(line: &str) -> String {
    signed_with(SECRET, line)
}

fn signed_with(secret: &str, line: &str) -> String {
    let mac = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), line.as_bytes());
    let mac: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(r#"{},"hmac":"{mac}"}}"#, line.strip_suffix('}').unwrap())
}

struct Secure {
    client: Client,
    ours: Key,
    theirs: Key,
    sent: u64,
    received: u64,
    /// Of a record, not handed out yet.
    frames: Vec<u8>,
}

impl Secure {
    fn start(broker: &Broker) -> Self {
        let mut client = broker.connect();
        let hello = signed(&hello());
        let told = client.line(&hello);
        assert!(told.contains(r#""secure":true"#), "{told}");
        let key = |direction: &str| {
            let mut text = format!("noizylab broker 1 {direction}").into_bytes();
            text.extend_from_slice(digest(&SHA256, hello.as_bytes()).as_ref());
            text.extend_from_slice(digest(&SHA256, told.as_bytes()).as_ref());
            Key::new(HMAC_SHA256, sign(&Key::new(HMAC_SHA256, SECRET.as_bytes()), &text).as_ref())
        };
        Self { client, ours: key("client"), theirs: key("broker"), sent: 0, received: 0, frames: Vec::new() }
    }

    fn mac(key: &Key, sequence: u64, frames: &[u8]) -> Vec<u8> {
        let length = (frames.len() as u32).to_le_bytes();
        sign(key, &[&sequence.to_le_bytes()[..], &length, frames].concat()).as_ref()[..16].to_vec()
    }

    fn record(&mut self, frames: &[u8]) -> Vec<u8> {
        let mac = Self::mac(&self.ours, self.sent, frames);
        self.sent += 1;
        [&(frames.len() as u32).to_le_bytes()[..], &mac, frames].concat()
    }

    fn send(&mut self, frames: &[u8]) {
        let record = self.record(frames);
        self.client.write(&record);
    }

    /// Reads a record, and verifies it.
    fn open(&mut self) -> Vec<u8> {
        let header = self.client.read(20);
        let length = u32::from_le_bytes(header[..4].try_into().unwrap());
        let frames = self.client.read(length as usize);
        assert_eq!(header[4..], Self::mac(&self.theirs, self.received, &frames));
        self.received += 1;
        frames
    }

    fn answer(&mut self) -> (u32, u8, Vec<u8>) {
        if self.frames.is_empty() {
            self.frames = self.open();
        }
        let header = Header::read(&self.frames).unwrap();
        let rest = self.frames.split_off(HEADER + header.length as usize);
        let frame = std::mem::replace(&mut self.frames, rest);
        (header.id, header.kind, frame[HEADER..].to_vec())
    }
}

fn broker() -> Broker {
    Broker::with(|config| config.secret = secret(SECRET))
}

fn set(id: u32, key: &str, value: &[u8]) -> Vec<u8> {
    frame(id, kind::SET, tag::BYTES, key, &[&60_000_f64.to_le_bytes(), value])
}

fn get(id: u32, key: &str) -> Vec<u8> {
    frame(id, kind::GET, 0, key, &[])
}

#[test]
fn every_line_must_be_signed() {
    let broker = broker();
    let mut client = broker.connect();
    let refused = r#"{"ok":false,"error":"auth_failed"}"#;
    assert_eq!(client.line(r#"{"action":"ping"}"#), refused);
    assert_eq!(client.line("null"), refused);
    assert_eq!(client.line("{"), r#"{"ok":false,"error":"invalid_json"}"#);
    assert_eq!(client.line(&signed_with("guess", r#"{"action":"ping"}"#)), refused);
    assert!(client.line(&signed(r#"{"action":"ping"}"#)).starts_with(r#"{"ok":true"#));
    assert_eq!(broker.connect().line(&hello()), refused);
    assert_eq!(broker.connect().line(&signed_with("guess", &hello())), refused);
}

#[test]
fn answers_are_sealed_in_whole_frames_of_any_length() {
    let broker = broker();
    let mut client = Secure::start(&broker);
    let large = vec![7; 200_000];
    client.send(&[set(1, "small", b"x"), get(2, "small")].concat());
    client.send(&set(3, "large", &large));
    assert_eq!(client.answer(), (1, answer::OK, vec![]));
    assert_eq!(client.answer(), (2, answer::OK, b"x".to_vec()));
    assert_eq!(client.answer(), (3, answer::OK, vec![]));
    let gets: Vec<u8> =
        (0..3000).flat_map(|id| get(id, if id % 500 == 250 { "large" } else { "small" })).collect();
    client.send(&gets[..gets.len() / 2 / 17 * 17]);
    client.send(&gets[gets.len() / 2 / 17 * 17..]);
    for id in 0..3000 {
        let (number, kind, value) = client.answer();
        assert_eq!((number, kind), (id, answer::OK));
        assert!(if id % 500 == 250 { value == large } else { value == b"x" });
    }
}

#[test]
fn records_may_come_in_pieces() {
    let broker = broker();
    let mut client = Secure::start(&broker);
    for byte in client.record(&set(1, "k", b"x")) {
        client.client.write(&[byte]);
    }
    assert_eq!(client.answer(), (1, answer::OK, vec![]));
}

/// What does not come from the client in its place ends the connection, unanswered and without effect.
fn refused(what: impl FnOnce(&mut Secure) -> Vec<u8>) {
    let broker = broker();
    let mut client = Secure::start(&broker);
    let before = client.record(&set(1, "k", b"before"));
    client.client.write(&before);
    assert_eq!(client.answer(), (1, answer::OK, vec![]));
    let bytes = what(&mut client);
    client.client.write(&bytes);
    // Reset or closed: nothing is said.
    let mut rest = Vec::new();
    _ = std::io::Read::read_to_end(&mut client.client.stream, &mut rest);
    assert!(rest.is_empty());
    let kept = broker.connect().line(&signed(r#"{"action":"get","key":"k"}"#));
    assert!(kept.contains(r#""data":[98,101,102,111,114,101]"#), "{kept}");
}

#[test]
fn a_changed_record_ends_the_connection() {
    for at in [0, 4, 19, 20, 31, 33, 40] {
        refused(|client| {
            let mut record = client.record(&set(2, "k", b"after"));
            record[at] ^= 1;
            [record, vec![0; 64]].concat()
        });
    }
}

#[test]
fn a_repeated_record_ends_the_connection() {
    refused(|client| {
        client.sent = 0;
        client.record(&set(1, "k", b"before"))
    });
}

#[test]
fn records_out_of_their_order_end_the_connection() {
    refused(|client| {
        let (second, third) = (client.record(&set(2, "k", b"x")), client.record(&set(3, "k", b"y")));
        [third, second].concat()
    });
}

#[test]
fn a_record_of_the_other_direction_ends_the_connection() {
    refused(|client| {
        client.ours = client.theirs.clone();
        client.record(&set(2, "k", b"after"))
    });
}

#[test]
fn a_record_of_another_connection_ends_the_connection() {
    refused(|client| {
        let elsewhere = broker();
        let mut other = Secure::start(&elsewhere);
        other.sent = client.sent;
        other.record(&set(2, "k", b"after"))
    });
}

#[test]
fn frames_without_a_record_end_the_connection() {
    refused(|_| [set(2, "k", b"after"), vec![0; 64]].concat());
}

#[test]
fn a_record_with_half_a_frame_ends_the_connection() {
    refused(|client| {
        let frame = get(2, "k");
        client.record(&frame[..frame.len() - 1])
    });
    refused(|client| client.record(b"short"));
    refused(|client| client.record(b""));
}

#[test]
fn late_frames_are_sealed_too() {
    let broker = broker();
    let (mut first, mut second) = (Secure::start(&broker), Secure::start(&broker));
    let begin = |id| frame(id, kind::BEGIN, 0, "k", &[]);
    first.send(&begin(1));
    assert_eq!(first.answer(), (1, answer::COMPUTE, vec![]));
    second.send(&begin(2));
    second.send(&get(3, "k"));
    assert_eq!(second.answer().0, 3);
    let (begun, ttl) = (1_u32.to_le_bytes(), 60_000_f64.to_le_bytes());
    first.send(&frame(4, kind::LAND, tag::TEXT, "k", &[&begun, &ttl, &[1], b"made"]));
    assert_eq!(first.answer(), (4, answer::OK, vec![]));
    assert_eq!(second.answer(), (2, answer::OK, b"made".to_vec()));
}
