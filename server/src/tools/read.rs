//! `read_state`.

use garde::Validate;
use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::{Entry, View};

use super::call::Call;
use super::cursor;
use super::failure::Failure;
use super::schema::{
    self, DEFAULT_LIMIT, Effect, MAX_CURSOR_BYTES, MAX_HANDLE_BYTES, MAX_KEY_BYTES, MAX_KEYS, MAX_LIMIT,
};
use super::words;

pub(super) const NAME: &str = "read_state";
/// Bytes of keys and values in one answer; the entry that passes it is left to the next page, unless it is the first.
pub(super) const BYTE_BUDGET: usize = 256 << 10;

pub(super) fn tool() -> Tool {
    let description = "Reads entries, sorted by key: those of `keys`, those whose keys start with `prefix`, or all. \
        With `keys_only` the values are left out, which shows cheaply what is there. Keep `revision` for `if_revision` of a \
        later write. Long answers come in pages: while there is a `cursor`, call again with it and the same other arguments."
        .to_owned();
    let input = json!({
        "session": schema::session(),
        "keys": schema::keys("The keys to read. Not together with `prefix`."),
        "prefix": {
            "type": "string", "maxLength": MAX_KEY_BYTES,
            "description": "Reads the keys that start with this. Not together with `keys`.",
        },
        "keys_only": schema::flag("Leave the values out."),
        "cursor": schema::cursor(),
        "limit": schema::limit("entries"),
    });
    let entry = json!({
        "key": schema::text("The key."),
        "value": schema::any("The value; missing with `keys_only`."),
        "revision": schema::count("The session's revision when this entry last changed."),
        "expires_at": schema::text("When the entry disappears, RFC 3339 in UTC; missing for never."),
    });
    let output = json!({
        "revision": schema::count("The session's revision that was read."),
        "entries": { "type": "array", "items": schema::object(entry, &["key", "revision"]), "description": "Sorted by key." },
        "missing": { "type": "array", "items": schema::text("A key."), "description": "Keys that were asked for and are not there." },
        "cursor": schema::next(),
    });
    let answer = ["revision", "entries", "missing"];
    schema::tool(NAME, "Read state", description, Effect::Reads, (input, &[]), (output, &answer))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(length(bytes, min = 1, max = MAX_HANDLE_BYTES))]
    session: Option<String>,
    #[garde(length(max = MAX_KEYS), inner(inner(length(bytes, min = 1, max = MAX_KEY_BYTES))))]
    keys: Option<Vec<String>>,
    #[garde(length(bytes, max = MAX_KEY_BYTES))]
    prefix: Option<String>,
    #[garde(skip)]
    keys_only: Option<bool>,
    #[garde(length(bytes, min = 1, max = MAX_CURSOR_BYTES))]
    cursor: Option<String>,
    #[garde(range(min = 1, max = MAX_LIMIT))]
    limit: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    revision: u64,
    entries: Vec<Shown>,
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

pub(super) async fn run(call: &Call, arguments: Arguments) -> Result<Answer, Failure> {
    if arguments.keys.is_some() && arguments.prefix.is_some() {
        return Err(Failure::argument("prefix", "give `keys` or `prefix`, not both"));
    }
    let after = match &arguments.cursor {
        Some(text) => Some(cursor::key(text).ok_or_else(|| {
            Failure::argument("cursor", "this is no cursor of read_state; leave it out to start at the first key")
        })?),
        None => None,
    };
    let session = call.session(arguments.session.as_deref()).await?;
    let view = session.read().map_err(|ended| Failure::ended(ended, call.now))?;
    let mut page = Page::new(arguments.limit.unwrap_or(DEFAULT_LIMIT), arguments.keys_only.unwrap_or(false));
    let missing = match arguments.keys {
        Some(keys) => page.asked(&view, keys, after.as_deref()),
        None => {
            page.listed(view.entries_from(arguments.prefix.as_deref().unwrap_or_default(), after.as_deref()));
            Vec::new()
        }
    };
    Ok(Answer { revision: view.revision().get(), entries: page.entries, missing, cursor: page.next })
}

/// A page while it fills.
struct Page {
    entries: Vec<Shown>,
    bytes: usize,
    limit: u64,
    keys_only: bool,
    next: Option<String>,
}

impl Page {
    fn new(limit: u64, keys_only: bool) -> Self {
        Self { entries: Vec::new(), bytes: 0, limit, keys_only, next: None }
    }

    /// Takes the keys that were asked for; gives those up to the page's end that are not there.
    fn asked(&mut self, view: &View, mut keys: Vec<String>, after: Option<&str>) -> Vec<String> {
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| after.is_none_or(|after| key.as_str() > after));
        let mut missing = Vec::new();
        for key in keys {
            // A look that is no use of the entry, since it may not fit on this page.
            let Some(entry) = view.entries_from(&key, None).next().filter(|entry| entry.key == key) else {
                missing.push(key);
                continue;
            };
            if !self.take(&entry) {
                return self.end(missing);
            }
            // Reading it is a use: a sliding ttl starts again.
            let _ = (!self.keys_only).then(|| view.json(&key));
        }
        missing
    }

    /// Keys that are not there and come after the page's last entry belong to the next page.
    fn end(&self, mut missing: Vec<String>) -> Vec<String> {
        let last = self.entries.last().map_or("", |entry| entry.key.as_str());
        missing.retain(|key| key.as_str() < last);
        missing
    }

    fn listed<'a>(&mut self, entries: impl Iterator<Item = Entry<'a>>) {
        for entry in entries {
            if !self.take(&entry) {
                break;
            }
        }
    }

    /// Takes an entry, or ends the page before it.
    fn take(&mut self, entry: &Entry<'_>) -> bool {
        let bytes = entry.key.len() + if self.keys_only { 0 } else { entry.value.len() };
        if let Some(last) = self.entries.last()
            && (self.entries.len() as u64 >= self.limit || self.bytes + bytes > BYTE_BUDGET)
        {
            self.next = Some(cursor::after(&last.key));
            return false;
        }
        self.bytes += bytes;
        self.entries.push(Shown {
            key: entry.key.to_owned(),
            value: (!self.keys_only).then(|| value(entry.value)),
            revision: entry.revision.get(),
            expires_at: entry.expires_at.map(words::rfc3339),
        });
        true
    }
}

/// A stored value as JSON. A number beyond what this server's JSON can hold, which only another writer than these tools
/// can have stored, is shown as the text that it is rather than as an error that blocks the page.
pub(super) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
