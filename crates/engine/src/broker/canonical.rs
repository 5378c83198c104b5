//! The one text that JavaScript gives to a JSON value: `JSON.stringify(JSON.parse(text))`.
//!
//! A client that signs a request signs this text, however it writes the line. Exact in every point: array-like keys
//! first and ascending, repeated keys once, at the place of the first and with the value of the last, numbers as
//! ECMA-262 writes them (6.1.6.1.20), `-0` as `0`, what is beyond the doubles as `null`, lone surrogates escaped. Takes
//! time and memory in proportion to the text; no depth of nesting exhausts the stack.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::json_text::{decode_string, number, write_string};
use super::line::check;

/// `JSON.stringify` of the value that `line` stands for, without the field `field` if it is an object. Bytes that are not
/// UTF-8 count as U+FFFD. `None` where the line is not JSON, or has 4 GiB or more.
pub fn stringify_without(line: &[u8], field: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(line);
    u32::try_from(text.len()).ok()?;
    check(&text).ok()?;
    let document = Document::read(text.as_bytes(), field)?;
    let mut out = Vec::with_capacity(text.len());
    document.write(&mut out)?;
    Some(out)
}

/// A part of the text, or of the members.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Whoever calls has checked that all positions fit.
    fn new(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }
}

#[derive(Clone, Copy)]
enum Value {
    /// Its text.
    Scalar(Span),
    /// Its members.
    Object(Span),
    /// Its members, whose names mean nothing.
    Array(Span),
}

/// A name, as it stands in the text with its quotes, and a value.
#[derive(Clone, Copy)]
struct Member {
    name: Option<Span>,
    value: Value,
}

/// An object or array whose end has not been seen.
struct Open {
    is_object: bool,
    /// Its own name in what is around it.
    name: Option<Span>,
    /// Its first member among those that wait.
    first: usize,
}

/// The text with its objects in the order of JavaScript.
struct Document<'t> {
    text: &'t [u8],
    /// The members of every finished object and array, each one's side by side.
    members: Vec<Member>,
    root: Value,
}

impl<'t> Document<'t> {
    /// Reads what is known to be JSON.
    fn read(text: &'t [u8], without: &str) -> Option<Self> {
        let mut members = Vec::new();
        let mut waiting = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut name = None;
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let start = at;
            at += 1;
            let value = match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => continue,
                b'{' | b'[' => {
                    open.push(Open { is_object: *byte == b'{', name: name.take(), first: waiting.len() });
                    continue;
                }
                b'}' | b']' => {
                    let closed = open.pop()?;
                    name = closed.name;
                    let first = members.len();
                    if closed.is_object {
                        let without = if open.is_empty() { Some(without) } else { None };
                        arrange(text, waiting.drain(closed.first..), without, &mut members)?;
                        Value::Object(Span::new(first..members.len()))
                    } else {
                        members.extend(waiting.drain(closed.first..));
                        Value::Array(Span::new(first..members.len()))
                    }
                }
                b'"' => {
                    at = end_of_string(text, at)?;
                    let string = Span::new(start..at);
                    if name.is_none() && open.last().is_some_and(|open| open.is_object) {
                        name = Some(string);
                        continue;
                    }
                    Value::Scalar(string)
                }
                _ => {
                    let length = text[at..].iter().position(|byte| b" \t\r\n,]}".contains(byte));
                    at = length.map_or(text.len(), |length| at + length);
                    Value::Scalar(Span::new(start..at))
                }
            };
            waiting.push(Member { name: name.take(), value });
        }
        Some(Self { text, members, root: waiting.pop()?.value })
    }

    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        struct Level {
            members: Range<u32>,
            closing: u8,
        }
        let mut levels: Vec<Level> = Vec::new();
        let mut value = self.root;
        loop {
            match value {
                Value::Scalar(span) => write_scalar(span.of(self.text), out)?,
                Value::Object(span) => {
                    out.push(b'{');
                    levels.push(Level { members: span.start..span.end, closing: b'}' });
                }
                Value::Array(span) => {
                    out.push(b'[');
                    levels.push(Level { members: span.start..span.end, closing: b']' });
                }
            }
            let member = loop {
                let Some(level) = levels.last_mut() else { return Some(()) };
                if let Some(next) = level.members.next() {
                    break self.members.get(next as usize)?;
                }
                out.push(level.closing);
                levels.pop();
            };
            if !matches!(out.last(), Some(b'{' | b'[')) {
                out.push(b',');
            }
            if let Some(name) = member.name {
                write_scalar(name.of(self.text), out)?;
                out.push(b':');
            }
            value = member.value;
        }
    }
}

/// Puts the members of one object, but for those named `without`, into `members` in the order in which JavaScript lists
/// them (ECMA-262, 10.1.11.1).
fn arrange(
    text: &[u8],
    given: impl Iterator<Item = Member>,
    without: Option<&str>,
    members: &mut Vec<Member>,
) -> Option<()> {
    let first = members.len();
    let mut places: HashMap<Cow<'_, [u8]>, usize> = HashMap::new();
    let mut has_index = false;
    for member in given {
        let name = decoded(member.name?.of(text))?;
        if without.is_some_and(|without| *name == *without.as_bytes()) {
            continue;
        }
        has_index |= array_index(&name).is_some();
        match places.entry(name) {
            Entry::Occupied(place) => members[*place.get()].value = member.value,
            Entry::Vacant(place) => {
                place.insert(members.len());
                members.push(member);
            }
        }
    }
    if has_index {
        members[first..].sort_by_cached_key(|member| {
            let name = member.name.and_then(|name| decoded(name.of(text)));
            let index = name.and_then(|name| array_index(&name));
            (index.is_none(), index)
        });
    }
    Some(())
}

/// The number that a name is as a property of an array: below 2^32 - 1, and written as JavaScript writes it.
fn array_index(name: &[u8]) -> Option<u32> {
    match name {
        [b'0'] => Some(0),
        [b'1'..=b'9', rest @ ..] if rest.len() < 10 && rest.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(name).ok()?.parse().ok().filter(|index| *index < u32::MAX)
        }
        _ => None,
    }
}

/// What a JSON string stands for.
fn decoded(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    match raw {
        [b'"', plain @ .., b'"'] if memchr::memchr(b'\\', plain).is_none() => Some(plain.into()),
        _ => decode_string(raw).map(Cow::Owned),
    }
}

/// The position behind a string whose inside begins at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn write_scalar(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match raw {
        [b'"', ..] => match decoded(raw)? {
            // Without an escape nothing in it needs one.
            Cow::Borrowed(_) => out.extend_from_slice(raw),
            Cow::Owned(string) => write_string(out, &string),
        },
        [b'-' | b'0'..=b'9', ..] => match number(raw)? {
            value if value.is_finite() => {
                out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
            }
            _ => out.extend_from_slice(b"null"),
        },
        word => out.extend_from_slice(word),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let out = stringify_without(text.as_bytes(), "hmac").expect("JSON");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn only_the_field_of_the_outermost_object_is_left_out() {
        assert_eq!(
            canonical(r#" { "hmac" : 1 , "a" : {"hmac":2}, "hm\u0061c": 3 } "#),
            r#"{"a":{"hmac":2}}"#
        );
        assert_eq!(canonical(r#"{"hmac":1}"#), "{}");
        assert_eq!(canonical(r#"[{"hmac":1}]"#), r#"[{"hmac":1}]"#);
    }

    #[test]
    fn keys_are_in_the_order_of_javascript() {
        assert_eq!(
            canonical(r#"{"b":1,"10":2,"9":3,"a":4,"b":5,"\u0039":6,"01":7,"4294967295":8,"4294967294":9}"#),
            r#"{"9":6,"10":2,"4294967294":9,"b":5,"a":4,"01":7,"4294967295":8}"#
        );
        assert_eq!(
            canonical(r#"{"__proto__":1,"0":{"1":[],"0":{}}}"#),
            r#"{"0":{"0":{},"1":[]},"__proto__":1}"#
        );
    }

    #[test]
    fn an_array_keeps_its_order_and_its_strings() {
        assert_eq!(
            canonical(r#"[ "b" , "a", [ ], { }, [[1.0,"2"]], null, true, false ]"#),
            r#"["b","a",[],{},[[1,"2"]],null,true,false]"#
        );
    }

    #[test]
    fn a_depth_is_no_matter() {
        let deep = format!("{}1.0{}", "{\"b\":[2,".repeat(100_000), "],\"1\":0}".repeat(100_000));
        let text = canonical(&deep);
        assert!(text.starts_with(r#"{"1":0,"b":[2,{"1":0,"b":[2,"#));
        assert_eq!(text.len(), deep.len() - 2);
    }

    #[test]
    fn what_is_not_json_has_no_canonical_text() {
        for text in ["", "{", "]", "\"", "\"\\\"", "{\"a\"}", "tru", "-"] {
            assert_eq!(stringify_without(text.as_bytes(), "hmac"), None, "{text}");
        }
    }
}
