//! Every public method of what a caller holds, each with what a stranger could do by it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a stranger could do by a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It leads to sessions: strangers ask it.
    Asked,
    /// It needs a session, which only a look-up gives: it is tried after the end.
    Held,
    /// It tells what the caller knows, or takes a choice.
    Plain,
    /// The road across owners, which no request reaches.
    Operator,
}

use Class::{Asked, Held, Operator, Plain};

pub(super) const ROUTES: [(&str, &str, Class); 61] = [
    ("owner.rs", "open", Asked),
    ("owner.rs", "list", Asked),
    ("owner.rs", "bucket", Asked),
    ("owner.rs", "create", Asked),
    ("owner.rs", "create_with_id", Asked),
    ("owner.rs", "get_or_create", Asked),
    ("owner.rs", "get_or_create_with", Asked),
    ("owner.rs", "close_all", Asked),
    ("owner.rs", "principal", Plain),
    ("owner/anonymous.rs", "open", Asked),
    ("owner/anonymous.rs", "create", Asked),
    ("owner/list.rs", "kind", Plain),
    ("owner/list.rs", "tag", Plain),
    ("owner/list.rs", "created_after", Plain),
    ("owner/list.rs", "created_before", Plain),
    ("owner/list.rs", "active_since", Plain),
    ("owner/list.rs", "cursor", Plain),
    ("owner/list.rs", "limit", Plain),
    ("owner/operator.rs", "session", Operator),
    ("owner/operator.rs", "list", Operator),
    ("owner/operator.rs", "close_owner", Operator),
    ("owner/operator.rs", "sweep", Operator),
    ("owner/operator.rs", "stats", Operator),
    ("session.rs", "id", Plain),
    ("session.rs", "kind", Plain),
    ("session.rs", "name", Plain),
    ("session.rs", "state", Plain),
    ("session.rs", "read", Held),
    ("session.rs", "get", Held),
    ("session.rs", "refresh", Held),
    ("session.rs", "update", Held),
    ("session.rs", "update_if", Held),
    ("session.rs", "try_update", Held),
    ("session.rs", "update_blocking", Held),
    ("session.rs", "touch", Held),
    ("session.rs", "extend", Held),
    ("session.rs", "describe", Held),
    ("session.rs", "close", Held),
    ("session.rs", "info", Held),
    ("session/events.rs", "events", Plain),
    ("session/events.rs", "append", Held),
    ("session/events.rs", "position", Held),
    ("session/events.rs", "replay_after", Held),
    ("session/events.rs", "recent", Held),
    ("session/events.rs", "trim_before", Held),
    ("session/once.rs", "revision", Plain),
    ("session/once.rs", "is_repeated", Plain),
    ("session/once.rs", "into_value", Plain),
    ("session/once.rs", "update_once", Held),
    ("session/once.rs", "update_once_if", Held),
    ("session/once.rs", "outcome", Held),
    ("session/operations.rs", "set", Held),
    ("session/operations.rs", "set_with", Held),
    ("session/operations.rs", "remove", Held),
    ("session/operations.rs", "increment", Held),
    ("session/operations.rs", "append", Held),
    ("session/operations.rs", "merge_patch", Held),
    ("session/operations.rs", "json_patch", Held),
    ("session/operations.rs", "clear", Held),
    ("session/typed.rs", "read", Held),
    ("session/typed.rs", "update", Held),
];

/// The public methods that the sources hold.
fn written(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("pub ")?;
        let rest = rest.strip_prefix("const ").unwrap_or(rest);
        let name = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
        name.split(['(', '<']).next()
    })
}

#[test]
fn every_public_method_is_classified() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<_> = ["owner.rs", "session.rs"].map(str::to_owned).to_vec();
    for folder in ["owner", "session"] {
        let names = fs::read_dir(source.join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        files.extend(names.map(|name| format!("{folder}/{}", name.to_str().unwrap())));
    }
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(source.join(&file)).unwrap();
        found.extend(written(&text).map(|name| format!("{file} {name}")));
    }
    let told: BTreeSet<_> = ROUTES.iter().map(|(file, name, _)| format!("{file} {name}")).collect();
    assert_eq!(told.len(), ROUTES.len(), "a method is told twice");
    let differ: Vec<_> = found.symmetric_difference(&told).collect();
    assert!(differ.is_empty(), "classify these, and ask or try them in ask.rs: {differ:?}");
}

#[test]
fn a_public_method_is_noticed() {
    let text = "    pub async fn open<T>(&self) {}\n    pub(crate) fn inner() {}\n    pub fn id(&self) {}";
    assert_eq!(written(text).collect::<Vec<_>>(), ["open", "id"]);
}
