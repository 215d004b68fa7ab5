//! Changing the whole state by a patch: merge patch (RFC 7396) and JSON patch (RFC 6902).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::draft::Draft;
use super::node::{Members, Node};
use super::pointer;
use super::value::{Json, depth_exceeded};
use crate::config::MAX_DEPTH;
use crate::error::DraftError;

impl Draft {
    /// Applies a JSON merge patch (RFC 7396) to the whole state, seen as one object of keys and values, and gives the
    /// keys that changed. Entries keep their ttl; what the patch does not name keeps its spelling.
    ///
    /// # Errors
    /// [`DraftError::Patch`] when the patch is not an object; as [`Draft::set`] for each value that it leads to.
    pub fn merge_patch(&mut self, patch: &Value) -> Result<Vec<String>, DraftError> {
        let Value::Object(members) = patch else {
            return Err(DraftError::Patch("a merge patch of a whole session is an object".to_owned()));
        };
        let named: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        let mut root = self.load(&named);
        merge(&mut root, members, 0)?;
        self.unload(&named, root)
    }

    /// Applies a JSON patch (RFC 6902) to the whole state, seen as one object of keys and values: all of its
    /// operations or none. Gives the keys that changed. Entries keep their ttl; what the patch does not reach keeps
    /// its spelling.
    ///
    /// # Errors
    /// [`DraftError::Patch`] when it is not a patch or an operation fails, a `test` included; as [`Draft::set`] for
    /// each value that it leads to; [`DraftError::LimitExceeded`] when its copies come to more than a session may hold.
    pub fn json_patch(&mut self, patch: &Value) -> Result<Vec<String>, DraftError> {
        let patch = json_patch::Patch::deserialize(patch).map_err(|error| DraftError::Patch(error.to_string()))?;
        let every = pointer::reaches_root(&patch);
        let keys: Vec<String> =
            if every { self.entries().map(|(key, _)| key.to_owned()).collect() } else { pointer::first_tokens(&patch) };
        let named: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let mut root = self.load(&named);
        pointer::apply(&mut root, &patch, self.limits().bytes)?;
        self.unload(&named, root)
    }

    fn load(&self, keys: &BTreeSet<&str>) -> Node {
        let mut members = Members::default();
        for key in keys {
            if let Some(text) = self.json(key) {
                members.insert(key, Node::Text(text.into()));
            }
        }
        Node::Object(members)
    }

    fn unload(&mut self, loaded: &BTreeSet<&str>, mut root: Node) -> Result<Vec<String>, DraftError> {
        root.open();
        let Node::Object(members) = root else {
            return Err(DraftError::Patch("the whole state must stay an object".to_owned()));
        };
        let mut values: BTreeMap<String, Option<Json>> = loaded.iter().map(|key| ((*key).to_owned(), None)).collect();
        for (key, node) in members.into_sorted() {
            values.insert(key, Some(Json::parse(&node.text())?));
        }
        self.write(values)
    }
}

/// RFC 7396, section 2. `depth` bounds the recursion; the depth of the outcome is checked where it is read back.
fn merge(target: &mut Node, patch: &Map<String, Value>, depth: u64) -> Result<(), DraftError> {
    if depth > MAX_DEPTH {
        return Err(depth_exceeded(depth));
    }
    if !matches!(target.open(), Node::Object(_)) {
        *target = Node::Object(Members::default());
    }
    let Node::Object(members) = target else { return Ok(()) };
    for (name, value) in patch {
        match value {
            Value::Null => drop(members.remove(name)),
            Value::Object(inner) => {
                if members.get_mut(name).is_none() {
                    members.insert(name, Node::Object(Members::default()));
                }
                if let Some(member) = members.get_mut(name) {
                    merge(member, inner, depth + 1)?;
                }
            }
            other => members.insert(name, Node::from(&Json::of(other)?)),
        }
    }
    Ok(())
}
