//! Properties of a JSON object, read without building it.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The JSON text of each named property; `None` for one that is absent. Of a repeated property the last counts, as
/// for `JSON.parse`. `None` as a whole if `json` is not an object.
pub(super) fn fields<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let found = deserializer.deserialize_map(Pick(names)).ok()?;
    deserializer.end().ok()?;
    Some(found)
}

/// A finite number from its JSON text.
pub(super) fn number(raw: &str) -> Option<f64> {
    serde_json::from_str(raw).ok()
}

/// An integer within `range` from its JSON text.
pub(super) fn integer(raw: &str, range: RangeInclusive<u64>) -> Option<u64> {
    let value = number(raw)?;
    (value.fract() == 0.0 && (*range.start() as f64..=*range.end() as f64).contains(&value))
        .then_some(value as u64)
}

struct Pick<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Pick<'_, N> {
    type Value = [Option<&'de str>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(position) = map.next_key_seed(Position(&self.0))? {
            match position {
                Some(position) => found[position] = Some(map.next_value::<&RawValue>()?.get()),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads a key as its position among the wanted names.
struct Position<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Position<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Position<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_repeated_property_counts_and_unknown_ones_are_left_alone() {
        let json = r#" {"a": 1, "other": [[{"a": 5}]], "b": "x", "a": {"n": 2} } "#;
        assert_eq!(fields(json, ["a", "b", "c"]), Some([Some(r#"{"n": 2}"#), Some(r#""x""#), None]));
    }

    #[test]
    fn what_is_not_an_object_has_no_fields() {
        for json in ["", "[]", "1", "null", "{\"a\":1", "{\"a\":1}x"] {
            assert_eq!(fields(json, ["a"]), None, "{json}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let json = format!("{{\"x\":{}{},\"a\":7}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(fields(&json, ["a"]), Some([Some("7")]));
    }

    #[test]
    fn an_integer_is_whole_and_in_range() {
        assert_eq!(integer("9", 0..=9), Some(9));
        assert_eq!(integer("9.0", 0..=9), Some(9));
        for raw in ["10", "-1", "1.5", "null", "\"1\"", "true", "[]", "1e999"] {
            assert_eq!(integer(raw, 0..=9), None, "{raw}");
        }
    }
}
