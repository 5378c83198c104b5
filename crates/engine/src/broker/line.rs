//! One line of the first protocol: any JSON value, of which the fields of an object are of interest.
//!
//! A line is read as the original broker reads it: bytes that are not UTF-8 become U+FFFD, an empty line is `{}`, a
//! value that is no object has no fields, and the last of repeated fields counts. Nothing is decoded before it is asked
//! for, and no depth of nesting exhausts the stack. What the fields mean is not decided here.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json_text::decode_string;

/// The line is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid_json")]
pub struct InvalidJson;

/// A line that was found to be JSON.
pub struct Request<'a> {
    text: Cow<'a, str>,
    /// `None` where the value is no object.
    fields: Option<Vec<Field>>,
}

/// Where in the text a field's name, quotes included, and its value stand.
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl<'a> Request<'a> {
    /// Reads `line`, which comes without its line feed.
    pub fn parse(line: &'a [u8]) -> Result<Self, InvalidJson> {
        let text = if line.is_empty() { Cow::Borrowed("{}") } else { String::from_utf8_lossy(line) };
        let opening = text.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        let fields = match opening {
            Some(b'{') => Some(fields_of(&text).map_err(|_| InvalidJson)?),
            _ => {
                check(&text)?;
                None
            }
        };
        Ok(Self { text, fields })
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.fields.is_some()
    }

    /// The JSON text of a field of the object, the last where there are several of the name.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let fields = self.fields.as_deref()?;
        let field = fields.iter().rev().find(|field| self.is_name(field, name))?;
        Some(&self.text.as_bytes()[field.value.clone()])
    }

    /// Field `action`, if it is a string; lone surrogates in it become U+FFFD.
    pub fn action(&self) -> Option<Cow<'_, str>> {
        let raw = self.field("action")?;
        match raw {
            [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => Some(String::from_utf8_lossy(plain)),
            _ => Some(String::from_utf8_lossy(&decode_string(raw)?).into_owned().into()),
        }
    }

    fn is_name(&self, field: &Field, name: &str) -> bool {
        let raw = &self.text.as_bytes()[field.name.clone()];
        let plain = &raw[1..raw.len() - 1];
        // An escape is longer than what it stands for.
        plain == name.as_bytes() && !name.contains('\\')
            || plain.len() > name.len()
                && plain.contains(&b'\\')
                && decode_string(raw).is_some_and(|decoded| decoded == name.as_bytes())
    }
}

/// Whether `text` is JSON, of any depth.
pub(super) fn check(text: &str) -> Result<(), InvalidJson> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|_| InvalidJson)
}

fn fields_of(text: &str) -> serde_json::Result<Vec<Field>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let fields = reader.deserialize_map(Fields { text })?;
    reader.end()?;
    Ok(fields)
}

/// Collects where the fields of an object stand; what is inside of them is only checked.
struct Fields<'a> {
    text: &'a str,
}

impl Fields<'_> {
    fn place(&self, part: &RawValue) -> Range<usize> {
        let start = part.get().as_ptr().addr() - self.text.as_ptr().addr();
        start..start + part.get().len()
    }
}

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Vec<Field>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(8);
        while let Some((name, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            fields.push(Field { name: self.place(name), value: self.place(value) });
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Request<'_> {
        Request::parse(line.as_bytes()).expect("JSON")
    }

    #[test]
    fn fields_are_handed_out_as_they_were_sent() {
        let request = parse(" { \"action\" : \"get\",\"key\":\t{\"a\":[1, 2]} ,\"ttl\":1.0}\r");
        assert!(request.is_object());
        assert_eq!(request.action().as_deref(), Some("get"));
        assert_eq!(request.field("key"), Some(&b"{\"a\":[1, 2]}"[..]));
        assert_eq!(request.field("ttl"), Some(&b"1.0"[..]));
        assert_eq!(request.field("a"), None);
    }

    #[test]
    fn the_last_of_repeated_fields_counts_however_it_is_written() {
        let request = parse(r#"{"key":1,"k\u0065y":2,"KEY":3}"#);
        assert_eq!(request.field("key"), Some(&b"2"[..]));
        assert_eq!(parse(r#"{"a\\u0062":1}"#).field("ab"), None);
        assert_eq!(parse(r#"{"a\\b":1,"a\b":2}"#).field("a\\b"), Some(&b"1"[..]));
    }

    #[test]
    fn an_empty_line_is_an_empty_object() {
        let request = parse("");
        assert!(request.is_object());
        assert_eq!(request.action(), None);
    }

    #[test]
    fn whatever_is_no_object_has_no_fields() {
        for line in ["null", "5", "true", "\"action\"", "[{\"action\":\"get\"}]", "1e999"] {
            let request = parse(line);
            assert!(!request.is_object(), "{line}");
            assert_eq!(request.field("action"), None, "{line}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let lines = [
            "\r",
            " ",
            "{",
            "{}}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "01",
            "'a'",
            "\u{feff}{}",
            "{\"a\":\"\t\"}",
        ];
        for line in lines {
            assert!(Request::parse(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn an_action_is_a_string() {
        assert_eq!(parse(r#"{"action":"p\u0069ng"}"#).action().as_deref(), Some("ping"));
        assert_eq!(parse(r#"{"action":"\ud800"}"#).action().as_deref(), Some("\u{fffd}\u{fffd}\u{fffd}"));
        assert_eq!(parse(r#"{"action":1}"#).action(), None);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        let request = Request::parse(b"{\"key\":\"a\xff\"}").expect("JSON");
        assert_eq!(request.field("key"), Some("\"a\u{fffd}\"".as_bytes()));
    }

    #[test]
    fn no_depth_exhausts_the_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
        assert_eq!(parse(&deep).field("a").map(<[u8]>::len), Some(1_000_000));
        assert!(Request::parse("[".repeat(1_000_000).as_bytes()).is_err());
        assert!(Request::parse("{\"a\":".repeat(200_000).as_bytes()).is_err());
    }
}
