//! A JSON value opened only as far as a patch reaches into it: the rest stays the text that it was, unread, spelled as
//! it was.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::scan;
use super::value::Json;
use super::view::push_name;
use crate::error::DraftError;

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Checked compact text.
    Text(Box<str>),
    /// An opened array.
    Array(Vec<Node>),
    /// An opened object.
    Object(Members),
}

/// The members of an opened object, found by name and written in the order they came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    by_name: BTreeMap<String, (usize, Node)>,
    next: usize,
}

impl Members {
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.by_name.get_mut(name).map(|(_, node)| node)
    }

    pub(super) fn insert(&mut self, name: &str, node: Node) {
        if let Some(old) = self.get_mut(name) {
            *old = node;
        } else {
            self.by_name.insert(name.to_owned(), (self.next, node));
            self.next += 1;
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Node> {
        self.by_name.remove(name).map(|(_, node)| node)
    }

    pub(super) fn into_sorted(self) -> impl Iterator<Item = (String, Node)> {
        self.by_name.into_iter().map(|(name, (_, node))| (name, node))
    }
}

impl Node {
    /// Opens an array or object by one level; anything else stays text.
    pub(super) fn open(&mut self) -> &mut Self {
        if let Self::Text(text) = self {
            match text.as_bytes().first() {
                Some(b'[') => {
                    let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
                    *self = Self::Array(items.into_iter().map(|item| Self::Text(item.get().into())).collect());
                }
                Some(b'{') => {
                    let mut members = Members::default();
                    let raw = serde_json::from_str(text).map_or_else(|_| Vec::new(), |Raw(raw)| raw);
                    raw.into_iter().for_each(|(name, value)| members.insert(&name, Self::Text(value.into())));
                    *self = Self::Object(members);
                }
                _ => {}
            }
        }
        self
    }

    /// The text of the value.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// How many bytes of text and how many levels of nesting this is.
    pub(super) fn measure(&self) -> (u64, u64) {
        match self {
            Self::Text(text) => (text.len() as u64, scan::shape(text).0),
            Self::Array(items) => sum(items.iter().map(|item| (1, item))),
            Self::Object(members) => sum(members.by_name.iter().map(|(name, (_, node))| (name.len() as u64 + 4, node))),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut ordered: Vec<_> = members.by_name.iter().collect();
                ordered.sort_unstable_by_key(|(_, (order, _))| *order);
                out.push('{');
                for (index, (name, (_, node))) in ordered.into_iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    push_name(out, name);
                    node.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<&Json> for Node {
    fn from(json: &Json) -> Self {
        Self::Text(json.as_str().into())
    }
}

/// The members of a JSON object, by name, each as its text.
pub(super) fn members(object: &Json) -> Result<BTreeMap<String, &str>, DraftError> {
    if !object.as_str().starts_with('{') {
        return Err(DraftError::WrongType { needed: "an object", found: scan::name_of(object.as_str()) });
    }
    let Raw(raw) = serde_json::from_str(object.as_str()).map_err(DraftError::Decode)?;
    Ok(raw.into_iter().collect())
}

fn sum<'a>(parts: impl Iterator<Item = (u64, &'a Node)>) -> (u64, u64) {
    let (bytes, depth) = parts.fold((0, 0), |(bytes, depth): (u64, u64), (extra, node)| {
        let (more, below) = node.measure();
        (bytes + extra + more, depth.max(below))
    });
    (bytes + 2, depth + 1)
}

/// The members of an object in their order, values unread.
struct Raw<'a>(Vec<(String, &'a str)>);

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
                let mut raw = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    raw.push((name, value.get()));
                }
                Ok(Raw(raw))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
