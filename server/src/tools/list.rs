//! `list_sessions`.

use garde::Validate;
use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sessile::{Cursor, ListQuery, SessionInfo};

use super::call::Call;
use super::failure::Failure;
use super::schema::{self, DEFAULT_LIMIT, Effect, MAX_CURSOR_BYTES, MAX_LIMIT};
use super::words;

pub(super) const NAME: &str = "list_sessions";

pub(super) fn tool() -> Tool {
    let description = "Lists your live sessions, the newest first: use it to find handles again. Sessions of the kind \
        `mcp` are the connections of your clients; closing one disconnects that client. The state that belongs to you \
        without a handle is not in the list. Callers without an identity have no list."
        .to_owned();
    let input = json!({
        "kind": {
            "type": "string", "minLength": 1, "maxLength": 32, "pattern": "^[a-z][a-z0-9-]*$",
            "description": "Only sessions of this kind.",
        },
        "cursor": schema::cursor(),
        "limit": schema::limit("sessions"),
    });
    let item = json!({
        "session": schema::text("The handle."),
        "kind": schema::text("What it is for."),
        "name": schema::text_or_null("The name it was given."),
        "label": schema::text_or_null("The label it was given."),
        "created_at": schema::text("When it was created, RFC 3339 in UTC."),
        "last_active_at": schema::text("When it was last used."),
        "expires_at": schema::text_or_null("When it ends if nobody uses it before; null for never."),
        "entries": schema::count("Keys in it."),
        "bytes": schema::count("Bytes of its keys and values."),
        "revision": schema::count("How many times it has changed."),
    });
    let fields = [
        "session",
        "kind",
        "name",
        "label",
        "created_at",
        "last_active_at",
        "expires_at",
        "entries",
        "bytes",
        "revision",
    ];
    let output = json!({
        "sessions": { "type": "array", "items": schema::object(item, &fields), "description": "The newest first." },
        "cursor": schema::next(),
    });
    schema::tool(NAME, "List sessions", description, Effect::Reads, (input, &[]), (output, &["sessions"]))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(inner(custom(any_kind)))]
    kind: Option<String>,
    #[garde(length(bytes, min = 1, max = MAX_CURSOR_BYTES))]
    cursor: Option<String>,
    #[garde(range(min = 1, max = MAX_LIMIT))]
    limit: Option<u64>,
}

fn any_kind(kind: &str, _: &()) -> garde::Result {
    sessile::Kind::new(kind).map(drop).map_err(garde::Error::new)
}

#[derive(Serialize)]
pub(super) struct Answer {
    sessions: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    session: String,
    kind: String,
    name: Option<String>,
    label: Option<String>,
    created_at: String,
    last_active_at: String,
    expires_at: Option<String>,
    entries: u64,
    bytes: u64,
    revision: u64,
}

pub(super) async fn run(call: &Call, arguments: Arguments) -> Result<Answer, Failure> {
    let owner = call.identified(
        "your sessions cannot be listed",
        "use the handles that create_session gave you, or create a new session",
    )?;
    let limit = usize::try_from(arguments.limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    let mut query = ListQuery::default().limit(limit);
    if let Some(kind) = arguments.kind {
        query = query.kind(kind);
    }
    if let Some(cursor) = arguments.cursor {
        query = query.cursor(cursor.parse::<Cursor>().map_err(|error| Failure::argument("cursor", error))?);
    }
    let page = owner.list(&query).await.map_err(|error| Failure::argument("cursor", error))?;
    let sessions = page.sessions.into_iter().filter_map(Listed::of).collect();
    Ok(Answer { sessions, cursor: page.next.map(|next| next.to_string()) })
}

impl Listed {
    fn of(info: SessionInfo) -> Option<Self> {
        Some(Self {
            session: info.id?.as_str().to_owned(),
            kind: info.kind,
            name: info.name,
            label: info.metadata.label.clone(),
            created_at: words::rfc3339(info.created_at),
            last_active_at: words::rfc3339(info.last_active_at),
            expires_at: info.expires_at.map(words::rfc3339),
            entries: info.entries,
            bytes: info.bytes,
            revision: info.revision.get(),
        })
    }
}
