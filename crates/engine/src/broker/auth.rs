//! What a shared secret proves: who signed a line, and that the records of a connection are those that were sent.
//!
//! HMAC-SHA256 throughout (RFC 2104); every comparison takes the same time wherever the first difference is. Nothing is
//! encrypted. Lines carry no number, so that a signed line can be sent again by whoever has seen it; records cannot.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;

use ring::digest;
use ring::hmac::{Context, HMAC_SHA256, Key, Tag, sign};
use ring::rand::{SecureRandom, SystemRandom};

use super::canonical::stringify_without;
use super::json_text::decode_string;
use super::line::Request;

/// The field of a line that holds its signature.
const FIELD: &str = "hmac";
const MAC_LENGTH: usize = 32;
/// Bytes before the frames of a record: their length and the first bytes of the MAC.
pub const RECORD_HEADER: usize = 4 + RECORD_MAC;
/// Bytes of the MAC that a record carries.
pub const RECORD_MAC: usize = 16;

/// What both ends know and nobody else. Its content is not kept, and never shown.
pub struct Secret {
    key: Key,
    /// The MAC of the secret under itself, to recognise it by.
    own: Tag,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// The secret that consists of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let key = Key::new(HMAC_SHA256, bytes);
        let own = sign(&key, bytes);
        Self { key, own }
    }

    /// Whether `other` is this secret.
    pub fn is(&self, other: &[u8]) -> bool {
        equal(sign(&self.key, other).as_ref(), self.own.as_ref())
    }

    /// Whether field `hmac` of a line (64 hexadecimal digits of either case) is its signature: the MAC of the line without
    /// it, as the line stands, or as `JSON.stringify` writes it. `request` is what `line` was parsed to.
    pub fn verify_line(&self, line: &[u8], request: &Request<'_>) -> bool {
        let Some(given) = request.field(FIELD).and_then(signature) else { return false };
        if let Some(before) = before_signature(line) {
            let mut context = Context::with_key(&self.key);
            context.update(before);
            context.update(b"}");
            if equal(context.sign().as_ref(), &given) {
                return true;
            }
        }
        stringify_without(line, FIELD).is_some_and(|text| equal(sign(&self.key, &text).as_ref(), &given))
    }

    /// Both directions of a connection whose hello, and the answer to it, were these lines (as they were sent, without line
    /// feeds): the opener of the client's records, the sealer of the broker's.
    pub fn records(&self, hello: &[u8], answer: &[u8]) -> (Opener, Sealer) {
        let [client, broker] = ["noizylab broker 1 client", "noizylab broker 1 broker"].map(|direction| {
            let mut context = Context::with_key(&self.key);
            context.update(direction.as_bytes());
            context.update(digest::digest(&digest::SHA256, hello).as_ref());
            context.update(digest::digest(&digest::SHA256, answer).as_ref());
            Chain { key: Key::new(HMAC_SHA256, context.sign().as_ref()), sequence: 0 }
        });
        (Opener(client), Sealer(broker))
    }
}

/// Writes the records of one direction.
pub struct Sealer(Chain);

impl Sealer {
    /// Appends a record with these whole frames to `out`: [`RECORD_HEADER`] bytes, then the frames.
    ///
    /// # Panics
    ///
    /// Where the frames have 4 GiB or more: a record cannot say so.
    pub fn seal(&mut self, frames: &[u8], out: &mut Vec<u8>) {
        let length = u32::try_from(frames.len()).expect("a record has less than 4 GiB");
        let mac = self.0.mac(frames);
        self.0.sequence += 1;
        out.reserve(RECORD_HEADER + frames.len());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&mac);
        out.extend_from_slice(frames);
    }
}

/// Checks the records of one direction.
pub struct Opener(Chain);

impl Opener {
    /// Whether `mac`, the [`RECORD_MAC`] bytes of the record's header, says that these frames come next. Where it does
    /// not, the connection is at its end.
    pub fn open(&mut self, mac: &[u8], frames: &[u8]) -> bool {
        let verified = equal(&self.0.mac(frames), mac);
        self.0.sequence += u64::from(verified);
        verified
    }
}

/// Key and count of one direction.
struct Chain {
    key: Key,
    /// Number of the next record.
    sequence: u64,
}

impl Chain {
    fn mac(&self, frames: &[u8]) -> [u8; RECORD_MAC] {
        let mut context = Context::with_key(&self.key);
        context.update(&self.sequence.to_le_bytes());
        context.update(&(frames.len() as u32).to_le_bytes());
        context.update(frames);
        let mut mac = [0; RECORD_MAC];
        mac.copy_from_slice(&context.sign().as_ref()[..RECORD_MAC]);
        mac
    }
}

/// Random bytes that no connection has had.
pub fn nonce() -> [u8; 32] {
    let mut nonce = [0; 32];
    SystemRandom::new().fill(&mut nonce).expect("the system gives random bytes");
    nonce
}

/// The MAC in a JSON string of exactly 64 hexadecimal digits.
fn signature(raw: &[u8]) -> Option<[u8; MAC_LENGTH]> {
    let digits = match raw {
        [b'"', plain @ .., b'"'] if plain.len() == 2 * MAC_LENGTH => Cow::Borrowed(plain),
        _ => Cow::Owned(decode_string(raw)?),
    };
    if digits.len() != 2 * MAC_LENGTH {
        return None;
    }
    let mut mac = [0; MAC_LENGTH];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = (high? << 4 | low?) as u8;
    }
    Some(mac)
}

/// The line up to a signature that is its last field, as every client writes it that serializes with `JSON.stringify`.
///
/// The line is known to be an object. Its last byte then closes that object, and the bytes looked for are a field of it:
/// a quote before `hmac` that closed a string would have to be followed by something else.
fn before_signature(line: &[u8]) -> Option<&[u8]> {
    const START: &[u8] = br#","hmac":""#;
    let (before, digits) = line.strip_suffix(br#""}"#)?.split_last_chunk::<{ 2 * MAC_LENGTH }>()?;
    if digits.iter().all(u8::is_ascii_hexdigit) { before.strip_suffix(START) } else { None }
}

/// Whether the bytes are the same, in a time that only their number decides.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0, |all, (left, right)| all | (left ^ right));
    left.len() == right.len() && black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed with "s3cret" by the way of the original client, in Node.
    const SIGNED: &str = concat!(
        r#"{"action":"set","key":"k","value":{"a":"é😀","n":1.5},"ttl":5000,"#,
        r#""hmac":"dc00163e1df9765186934954264532db9b174f5739faabad2450c2296b32be3f"}"#
    );
    /// The MACs with "s3cret" that Node gives for `JSON.stringify` of these.
    const OF_B_AND_1: &str = "75deb63596ef2c1da3e46a680f9e5a4163b7d1a6e71158f7d3f2a09b0113c466"; // { b: 1, 1: 2 }
    const OF_PING: &str = "d6c4f966703b5dca9473192419413cb4f04c363a09d65d94fe51a11fbe8c8f41"; // { action: 'ping' }
    const OF_SURROGATE: &str = "c83c647b1fb997f48a82ecdb8fca6d3fcd4600ead210b048a04c8f0c62e4bdf0"; // { key: '\ud800' }

    fn secret() -> Secret {
        Secret::new(b"s3cret")
    }

    fn verify(line: impl AsRef<[u8]>) -> bool {
        let line = line.as_ref();
        secret().verify_line(line, &Request::parse(line).expect("JSON"))
    }

    #[test]
    fn a_line_that_the_original_client_signs_is_verified() {
        assert!(before_signature(SIGNED.as_bytes()).is_some());
        assert!(verify(SIGNED));
        assert!(!verify(SIGNED.replace("5000", "5001")));
        assert!(!verify(SIGNED.replace("32be3f", "32be3e")));
        let request = Request::parse(SIGNED.as_bytes()).expect("JSON");
        assert!(!Secret::new(b"s3cre").verify_line(SIGNED.as_bytes(), &request));
    }

    #[test]
    fn a_line_that_is_written_otherwise_is_verified() {
        for line in [
            format!(r#"{{"b":1,"1":2.0,"hmac":"{OF_B_AND_1}"}}"#),
            format!(r#" {{ "hmac" : "{OF_PING}" , "action" : "p\u0069ng" }} "#),
            format!("{{\"action\":\"ping\",\"hmac\":\"{OF_PING}\"}}\r"),
            format!(r#"{{"hmac":1,"action":"ping","hmac":"{}"}}"#, OF_PING.to_uppercase()),
            format!(r#"{{"action":"ping","hmac":"\u00{:x}{}"}}"#, OF_PING.as_bytes()[0], &OF_PING[1..]),
            format!(r#"{{"key":"\ud800","hmac":"{OF_SURROGATE}"}}"#),
        ] {
            assert!(verify(&line), "{line}");
        }
    }

    #[test]
    fn a_signature_is_64_hexadecimal_digits() {
        for signature in [
            format!("\"{OF_PING}z\""),
            format!("\"{OF_PING}00\""),
            format!("\"{}\"", &OF_PING[..62]),
            format!("\"{}zz\"", &OF_PING[..62]),
            format!("\"{} \"", &OF_PING[..63]),
            format!("[\"{OF_PING}\"]"),
            "\"\"".into(),
            "null".into(),
            "0".into(),
        ] {
            assert!(!verify(format!(r#"{{"action":"ping","hmac":{signature}}}"#)), "{signature}");
        }
    }

    #[test]
    fn only_the_field_of_the_line_itself_signs_it() {
        assert!(!verify(""));
        assert!(!verify("null"));
        assert!(!verify(format!(r#"[{{"action":"ping","hmac":"{OF_PING}"}}]"#)));
        assert!(!verify(format!(r#"{{"a":{{"action":"ping","hmac":"{OF_PING}"}}}}"#)));
        assert!(!verify(format!(r#"{{"action":"ping,\"hmac\":\"{OF_PING}"}}"#)));
    }

    #[test]
    fn a_secret_is_recognised_and_not_shown() {
        assert!(secret().is(b"s3cret"));
        for other in [&b""[..], b"s3cre", b"s3cret ", b"S3cret", b"s3cret\0"] {
            assert!(!secret().is(other), "{}", other.escape_ascii());
        }
        assert_eq!(format!("{:?}", secret()), "Secret");
    }

    const HELLO: &str = concat!(
        r#"{"action":"hello","protocols":[1],"nonce":"#,
        r#""0000000000000000000000000000000000000000000000000000000000000000"}"#
    );
    const ANSWER: &str = r#"{"ok":true,"protocol":1}"#;
    const FRAMES: [&str; 3] = ["frames", "", "more"];

    /// The MACs of these frames, computed in Node as the protocol is drawn.
    const OF_CLIENT: [u128; 3] = [
        0xb999cd068dbde887616ec39f2ba84ef6,
        0xcec5e4601b968d01bf0b91052950d19c,
        0x4c076e936e10bb7bf77f374c713bcb02,
    ];
    const OF_BROKER: [u128; 3] = [
        0x2334574fc5ffa620443a61404cbbb0eb,
        0x83dd3378f905e98191b7edb87c67ac90,
        0x5609d12036ebfedf1c08753679a261b3,
    ];

    #[test]
    fn records_are_as_the_protocol_draws_them() {
        let (mut opener, mut sealer) = secret().records(HELLO.as_bytes(), ANSWER.as_bytes());
        for (frames, (client, broker)) in FRAMES.iter().zip(OF_CLIENT.iter().zip(OF_BROKER)) {
            assert!(opener.open(&client.to_be_bytes(), frames.as_bytes()), "{frames}");
            let mut record = Vec::new();
            sealer.seal(frames.as_bytes(), &mut record);
            let length = (frames.len() as u32).to_le_bytes();
            assert_eq!(record, [&length[..], &broker.to_be_bytes(), frames.as_bytes()].concat());
        }
    }

    #[test]
    fn a_record_cannot_be_changed_repeated_left_out_or_sent_back() {
        let (mut opener, _) = secret().records(HELLO.as_bytes(), ANSWER.as_bytes());
        let [first, second, third] = OF_CLIENT.map(u128::to_be_bytes);
        assert!(!opener.open(&first, b"Frames"), "changed");
        assert!(!opener.open(&first[..15], b"frames"), "cut");
        assert!(!opener.open(&[], b"frames"), "without a MAC");
        assert!(!opener.open(&second, b""), "left out");
        assert!(!opener.open(&OF_BROKER[0].to_be_bytes(), b"frames"), "sent back");
        assert!(opener.open(&first, b"frames"));
        assert!(!opener.open(&first, b"frames"), "repeated");
        assert!(opener.open(&second, b""));
        assert!(opener.open(&third, b"more"));
    }

    #[test]
    fn records_of_another_connection_are_refused() {
        for (hello, answer) in [("", ANSWER), (HELLO, ""), (ANSWER, HELLO)] {
            let (mut opener, _) = secret().records(hello.as_bytes(), answer.as_bytes());
            assert!(!opener.open(&OF_CLIENT[0].to_be_bytes(), b"frames"));
        }
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(nonce(), nonce());
    }
}
