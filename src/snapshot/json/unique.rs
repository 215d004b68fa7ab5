//! Refuses JSON that names a member twice: readers disagree on which of the two counts.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

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
    match json.bytes().next() {
        Some(b'{' | b'[') if level >= MOST_LEVELS => Err(Error::custom("the json is nested too deeply")),
        Some(b'{') => {
            let state = RandomState::new();
            let walk = Walk { level, state: &state };
            let mut hashes = serde_json::Deserializer::from_str(json).deserialize_map(walk)?;
            hashes.sort_unstable();
            let again = hashes.iter().zip(hashes.iter().skip(1)).filter(|(one, next)| one == next);
            let again: HashSet<u64> = again.map(|(one, _)| *one).collect();
            if again.is_empty() {
                return Ok(());
            }
            serde_json::Deserializer::from_str(json).deserialize_map(Names { again, state: &state })
        }
        Some(b'[') => serde_json::Deserializer::from_str(json).deserialize_seq(List { level }),
        _ => Ok(()),
    }
}

fn on(value: &RawValue, level: usize) -> Result<(), String> {
    inside(value.get(), level + 1).map_err(|error| error.to_string())
}

/// Looks into the members of an object, and gives the hashes of their names: a name itself may take several times its text,
/// and there may be as many as there is room for in a file.
struct Walk<'a> {
    level: usize,
    state: &'a RandomState,
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<u64>, A::Error> {
        let mut hashes = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            on(value, self.level).map_err(Error::custom)?;
            hashes.push(self.state.hash_one(&name));
        }
        Ok(hashes)
    }
}

/// Compares the names whose hashes were met more than once.
struct Names<'a> {
    again: HashSet<u64>,
    state: &'a RandomState,
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some((name, _)) = map.next_entry::<String, &RawValue>()? {
            if self.again.contains(&self.state.hash_one(&name))
                && let Some(twice) = names.replace(name)
            {
                return Err(Error::custom(format!("the member {twice:?} is named twice; keep one")));
            }
        }
        Ok(())
    }
}

struct List {
    level: usize,
}

impl<'de> Visitor<'de> for List {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<&RawValue>()? {
            on(value, self.level).map_err(Error::custom)?;
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
