//! Refuses JSON that names a member twice: readers disagree on which of the two counts.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper than any value that is stored, with the members around it.
const MOST_LEVELS: usize = 128;

/// Checks one JSON text.
pub(super) fn check(json: &str) -> Result<(), String> {
    inside(json, 0).map_err(|error| error.to_string())
}

/// Looks into objects and lists only and takes anything else as it stands, so that numbers of any size pass.
fn inside(json: &str, level: usize) -> serde_json::Result<()> {
    let walk = Walk { level };
    match json.bytes().next() {
        Some(b'{' | b'[') if level >= MOST_LEVELS => Err(Error::custom("the json is nested too deeply")),
        Some(b'{') => serde_json::Deserializer::from_str(json).deserialize_map(walk),
        Some(b'[') => serde_json::Deserializer::from_str(json).deserialize_seq(walk),
        _ => Ok(()),
    }
}

struct Walk {
    level: usize,
}

impl Walk {
    fn on(&self, value: &RawValue) -> Result<(), String> {
        inside(value.get(), self.level + 1).map_err(|error| error.to_string())
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            self.on(value).map_err(Error::custom)?;
            if let Some(twice) = names.replace(name) {
                return Err(Error::custom(format!("the member {twice:?} is named twice; keep one")));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<&RawValue>()? {
            self.on(value).map_err(Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_named_twice_is_found_at_any_level_and_in_any_spelling() {
        for json in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#, r#"{"x":[[],[{"":0,"":0}]]}"#] {
            assert!(check(json).unwrap_err().contains("named twice"), "{json}");
        }
        for json in [r#"{"a":{"a":[{"a":1e400},{"a":2}]}}"#, "[]", "7", "-123456789012345678901234567890", "null"] {
            assert_eq!(check(json), Ok(()), "{json}");
        }
        assert!(check(&"[".repeat(10_000)).is_err());
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert_eq!(check(&deep), Ok(()));
    }
}
