//! The first line of a client that knows frames: which protocol it gets, and what it is told of the broker.

use serde::Deserialize;

use crate::broker::core::Config;
use crate::broker::json_text::decode_string;
use crate::broker::line::Request;
use crate::broker::refusal::Refusal;

/// The protocol of frames that this broker speaks.
const PROTOCOL: f64 = 1.0;
const NONCE_DIGITS: usize = 64;

/// Whether the line asks for frames.
pub(in crate::broker) fn is_hello(request: &Request<'_>) -> bool {
    request.action().is_some_and(|action| action == "hello")
}

/// The answer to a hello, without a line's end.
///
/// # Errors
/// [`Refusal::UnsupportedProtocol`]; [`Refusal::InvalidValue`] where the nonce is not one.
pub(super) fn answer(request: &Request<'_>, config: &Config, nonce: [u8; 32]) -> Result<String, Refusal> {
    if !protocols(request).contains(&PROTOCOL) {
        return Err(Refusal::UnsupportedProtocol);
    }
    let given = request.field("nonce").and_then(decode_string);
    if !given.is_some_and(|nonce| nonce.len() == NONCE_DIGITS && nonce.iter().all(u8::is_ascii_hexdigit)) {
        return Err(Refusal::InvalidValue);
    }
    let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    let is_secure = config.secret.is_some();
    let limits = limits(config);
    Ok(format!(r#"{{"ok":true,"protocol":{PROTOCOL},"nonce":"{nonce}","secure":{is_secure},{limits}}}"#))
}

/// The answer to a client that speaks frames already and asks for the limits.
pub(in crate::broker) fn answer_again(config: &Config) -> String {
    format!(r#"{{"ok":true,"protocol":{PROTOCOL},{}}}"#, limits(config))
}

fn limits(Config { max_request_size, max_value_size, require_ttl, .. }: &Config) -> String {
    format!(
        r#""maxRequestSize":{max_request_size},"maxValueSize":{max_value_size},"requireTTL":{require_ttl}"#
    )
}

/// The protocols that the client knows.
fn protocols(request: &Request<'_>) -> Vec<f64> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Known {
        Number(f64),
        Other(serde::de::IgnoredAny),
    }
    let known: Vec<Known> =
        request.field("protocols").and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
    let numbers = known.into_iter().filter_map(|known| match known {
        Known::Number(number) => Some(number),
        Known::Other(_) => None,
    });
    numbers.collect()
}
