//! Strings and numbers of JSON as JavaScript has them.
//!
//! A JavaScript string may hold half of a surrogate pair; such strings are kept as WTF-8
//! (<https://simonsapin.github.io/wtf-8/>): UTF-8 that may also encode a lone surrogate, in three bytes. Pairs are
//! always four bytes, so that equal strings are equal bytes.

use serde::de::IgnoredAny;

use crate::reserve::try_with_capacity;

const HEX: &[u8; 16] = b"0123456789abcdef";
const HIGH_SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdbff;
const LOW_SURROGATES: std::ops::RangeInclusive<u32> = 0xdc00..=0xdfff;

/// The string that a JSON string in UTF-8, quotes included, stands for, as WTF-8. `None` where `raw` is something else,
/// or there is no memory for it.
pub fn decode_string(raw: &[u8]) -> Option<Vec<u8>> {
    let [b'"', inner @ .., b'"'] = raw else { return None };
    std::str::from_utf8(inner).ok()?;
    let mut rest = inner;
    let mut out = try_with_capacity(inner.len()).ok()?;
    loop {
        let escape = memchr::memchr(b'\\', rest);
        let (plain, tail) = rest.split_at(escape.unwrap_or(rest.len()));
        if plain.iter().any(|byte| *byte < 0x20 || *byte == b'"') {
            return None;
        }
        out.extend_from_slice(plain);
        if escape.is_none() {
            return Some(out);
        }
        rest = decode_escape(tail, &mut out)?;
    }
}

/// Decodes the escape that `text` begins with, a pair of surrogates as one, and returns what follows it.
fn decode_escape<'t>(text: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    let byte = match text.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => *byte,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => {
            let (unit, rest) = code_unit(text)?;
            if HIGH_SURROGATES.contains(&unit)
                && let Some((low, rest)) = code_unit(rest)
                && LOW_SURROGATES.contains(&low)
            {
                push_code_point(out, 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
                return Some(rest);
            }
            push_code_point(out, unit);
            return Some(rest);
        }
    };
    out.push(byte);
    Some(&text[2..])
}

/// The code unit that `text` begins with as `\uxxxx`, and what follows it.
fn code_unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.strip_prefix(b"\\u")?.split_at_checked(4)?;
    let unit = digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))?;
    Some((unit, rest))
}

fn push_code_point(out: &mut Vec<u8>, point: u32) {
    match char::from_u32(point) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[0xed, 0x80 | (point >> 6 & 0x3f) as u8, 0x80 | (point & 0x3f) as u8]),
    }
}

/// Writes a string as `JSON.stringify` does: quoted, with the short escapes, other control characters and lone
/// surrogates as `\uxxxx` in lower case, and all else unescaped. `wtf8` must be WTF-8, else what is written is not UTF-8.
pub fn write_string(out: &mut Vec<u8>, wtf8: &[u8]) {
    out.reserve(wtf8.len() + 2);
    out.push(b'"');
    let mut rest = wtf8;
    while let Some(at) = rest.iter().position(|byte| SPECIAL[usize::from(*byte)]) {
        out.extend_from_slice(&rest[..at]);
        let length = write_special(out, &rest[at..]);
        rest = &rest[at + length..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes the character that `text` begins with, and returns its length in bytes.
fn write_special(out: &mut Vec<u8>, text: &[u8]) -> usize {
    let short = match *text {
        [byte @ (b'"' | b'\\'), ..] => byte,
        [0x08, ..] => b'b',
        [0x0c, ..] => b'f',
        [b'\n', ..] => b'n',
        [b'\r', ..] => b'r',
        [b'\t', ..] => b't',
        [0xed, second @ 0xa0..=0xbf, third, ..] => {
            write_code_unit(out, 0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f));
            return 3;
        }
        [control @ 0..0x20, ..] => {
            write_code_unit(out, u16::from(control));
            return 1;
        }
        // The character begins like a surrogate, but is none.
        [other, ..] => {
            out.push(other);
            return 1;
        }
        [] => return 0,
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

fn write_code_unit(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    out.extend([12, 8, 4, 0].map(|shift| HEX[usize::from(unit >> shift & 0xf)]));
}

/// Bytes that do not stand for themselves in a JSON string, or, as 0xed, may not.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special[0xed] = true;
    special
};

/// The number that a JSON number stands for: the nearest double, infinite where it is beyond them, and -0 as such. `None`
/// where `raw` is something else.
pub fn number(raw: &[u8]) -> Option<f64> {
    let ([b'-' | b'0'..=b'9', .., b'0'..=b'9'] | [b'0'..=b'9']) = raw else { return None };
    serde_json::from_slice::<IgnoredAny>(raw).ok()?;
    std::str::from_utf8(raw).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONE_HIGH: &[u8] = b"\xed\xa0\x80";
    const LONE_LOW: &[u8] = b"\xed\xbf\xbf";

    fn written(wtf8: &[u8]) -> String {
        let mut out = Vec::new();
        write_string(&mut out, wtf8);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn escapes_are_decoded() {
        let decoded =
            decode_string(br#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00z""#).expect("a string");
        assert_eq!(decoded, "\"\\/\u{8}\u{c}\n\r\tAé€😀z".as_bytes());
        assert_eq!(decode_string(b"\"\""), Some(Vec::new()));
    }

    #[test]
    fn lone_surrogates_survive() {
        assert_eq!(decode_string(br#""\ud800""#).as_deref(), Some(LONE_HIGH));
        assert_eq!(decode_string(br#""\uDFFF""#).as_deref(), Some(LONE_LOW));
        assert_eq!(decode_string(br#""\ud800\ud83d\ude00""#), Some([LONE_HIGH, "😀".as_bytes()].concat()));
        assert_eq!(decode_string(br#""\ude00\ud83d""#).as_deref(), Some(&b"\xed\xb8\x80\xed\xa0\xbd"[..]));
        assert_eq!(written(LONE_HIGH), r#""\ud800""#);
        assert_eq!(written(&[b"a", LONE_LOW, b"b"].concat()), r#""a\udfffb""#);
        assert_eq!(written("\u{d7ff}\u{e000}".as_bytes()), "\"\u{d7ff}\u{e000}\"");
    }

    #[test]
    fn what_is_no_string_is_not_decoded() {
        let cases: [&[u8]; 14] = [
            b"",
            b"\"",
            b"abc",
            b"1",
            b" \"a\"",
            b"\"a",
            b"\"a\"b\"",
            b"\"\\\"",
            b"\"\\x\"",
            b"\"\\u12\"",
            b"\"\\u12g4\"",
            b"\"\\u+123\"",
            b"\"\n\"",
            b"\"\xff\"",
        ];
        for case in cases {
            assert_eq!(decode_string(case), None, "{}", case.escape_ascii());
        }
    }

    #[test]
    fn strings_are_written_as_javascript_writes_them() {
        let text = "\0\u{1f}\"\\/\u{8}\u{c}\n\r\t\u{7f}\u{2028}é😀";
        assert_eq!(written(text.as_bytes()), "\"\\u0000\\u001f\\\"\\\\/\\b\\f\\n\\r\\t\u{7f}\u{2028}é😀\"");
    }

    #[test]
    fn numbers_are_the_nearest_doubles() {
        assert_eq!(number(b"0"), Some(0.0));
        assert_eq!(number(b"-0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!(number(b"5000"), Some(5000.0));
        assert_eq!(number(b"1.5E+3"), Some(1500.0));
        assert_eq!(number(b"9007199254740993"), Some(9_007_199_254_740_992.0));
        assert_eq!(number(b"5e-324"), Some(5e-324));
        assert_eq!(number(b"1e999"), Some(f64::INFINITY));
        assert_eq!(number(b"-1e99999999999999999999"), Some(f64::NEG_INFINITY));
        assert_eq!(number(b"1e-99999999999999999999"), Some(0.0));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for case in [
            "", "-", "+1", "01", "1.", ".5", "1e", " 1", "1 ", "1,2", "NaN", "Infinity", "\"1\"", "0x1",
            "1_0",
        ] {
            assert_eq!(number(case.as_bytes()), None, "{case}");
        }
    }
}
