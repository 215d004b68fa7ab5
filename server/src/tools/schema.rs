//! Schemas that every client takes, and the tools made of them.
//!
//! The root is an object, no subschema is a boolean, every property says its type, and there is no `$ref`, no
//! combination at the root and no format but `date-time`; a test walks them all.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// The most keys that one call may name.
pub(super) const MAX_KEYS: usize = 1_000;
/// The most bytes of a key.
pub(super) const MAX_KEY_BYTES: usize = 256;
/// The most bytes of a session's name or label.
pub(super) const MAX_TEXT_BYTES: usize = 256;
/// The most entries or sessions of a page.
pub(super) const MAX_LIMIT: u64 = 1_000;
/// Entries or sessions of a page when no limit is given.
pub(super) const DEFAULT_LIMIT: u64 = 100;
/// The longest time that can be asked for, in seconds: 100 years.
pub(super) const MAX_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;
/// The most bytes of a handle.
pub(super) const MAX_HANDLE_BYTES: usize = 256;
/// The most bytes of a cursor.
pub(super) const MAX_CURSOR_BYTES: usize = 1_024;

/// What a tool does to the state: the hints that clients show.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Changes nothing.
    Reads,
    /// Adds and destroys nothing; twice adds twice.
    Adds,
    /// Can destroy what is there; twice is once.
    Overwrites,
}

/// A tool. `input` and `output` are properties and the names of those that are required.
pub(super) fn tool(
    name: &'static str,
    title: &'static str,
    description: String,
    effect: Effect,
    input: (Value, &[&str]),
    output: (Value, &[&str]),
) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(matches!(effect, Effect::Reads))
        .destructive(matches!(effect, Effect::Overwrites))
        .idempotent(!matches!(effect, Effect::Adds))
        .open_world(false);
    Tool::new(name, description, root(input))
        .with_title(title)
        .with_raw_output_schema(root(output))
        .with_annotations(annotations)
}

fn root((properties, required): (Value, &[&str])) -> Arc<JsonObject> {
    match object(properties, required) {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::default(),
    }
}

/// An object with these properties.
pub(super) fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The argument that names a session where the caller's own is meant without it.
pub(super) fn session() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": MAX_HANDLE_BYTES,
        "description": "Handle that create_session returned. Leave it out to use the state that belongs to you.",
    })
}

/// A key.
pub(super) fn key(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES, "description": description })
}

/// A list of keys.
pub(super) fn keys(description: &str) -> Value {
    json!({
        "type": "array", "maxItems": MAX_KEYS, "items": key("A key."), "description": description,
    })
}

/// Any JSON value.
pub(super) fn any(description: &str) -> Value {
    json!({ "type": ["object", "array", "string", "number", "boolean", "null"], "description": description })
}

/// Text.
pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// Text that may be missing.
pub(super) fn text_or_null(description: &str) -> Value {
    json!({ "type": ["string", "null"], "description": description })
}

/// A whole number of zero or more.
pub(super) fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

/// A whole number in a range.
pub(super) fn range(least: u64, most: u64, description: &str) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most, "description": description })
}

/// True or false.
pub(super) fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// The argument that makes a write depend on what was read.
pub(super) fn if_revision() -> Value {
    count("Write only if the session is still at this revision, as read_state gave it; otherwise nothing is written.")
}

/// The argument that goes on where a page ended.
pub(super) fn cursor() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": MAX_CURSOR_BYTES,
        "description": "`cursor` of the page before, to go on after it.",
    })
}

/// The answer's cursor.
pub(super) fn next() -> Value {
    text("There is more: pass this as `cursor` for the next page. Missing on the last one.")
}

/// The argument that bounds a page.
pub(super) fn limit(of: &str) -> Value {
    range(1, MAX_LIMIT, &format!("Most {of} in the answer; {DEFAULT_LIMIT} when left out."))
}
