//! The history of a session: which tools were called on it, when, for how long, and how it went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData};
use serde_json::{Map, Value, json};

use super::context::CallContext;
use super::redaction::Redaction;
use crate::error::EventError;
use crate::session::Session;
use crate::state::{Event, Json};
use crate::time::Timestamp;

/// The stream of a session's event log that holds it.
const STREAM: &str = "sessile.tools";
/// Bytes of a tool's name that are kept: a client may send any.
const MAX_NAME_BYTES: usize = 128;
/// Bytes of arguments, and of a result, that are kept by default.
const DEFAULT_MAX_BYTES: usize = 4 << 10;

/// What of the calls of tools is kept in the sessions that they used: the protocol session, and those that were opened or
/// created through [`CallContext`] and handles.
///
/// It is in the session's event log, one event for each call, and goes with the session. The log's caps are shared with event
/// streams that are kept to be resumed ([`McpOptions::resumable`](super::McpOptions::resumable)): the oldest of either goes
/// first.
///
/// ```
/// use sessile::mcp::{McpOptions, ToolHistory};
/// let options = McpOptions::default().history(ToolHistory::calls().arguments(true).redact(["iban"]));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ToolHistory {
    on: bool,
    arguments: bool,
    results: bool,
    max_bytes: usize,
    redaction: Redaction,
}

impl ToolHistory {
    /// Keeps nothing. The default.
    pub fn off() -> Self {
        Self { on: false, ..Self::calls() }
    }

    /// Keeps tool, start, duration and outcome.
    pub fn calls() -> Self {
        Self {
            on: true,
            arguments: false,
            results: false,
            max_bytes: DEFAULT_MAX_BYTES,
            redaction: Redaction::default(),
        }
    }

    /// Keeps arguments, too. Default: not.
    pub fn arguments(mut self, keep: bool) -> Self {
        self.arguments = keep;
        self
    }

    /// Keeps structured results, too. Default: not.
    pub fn results(mut self, keep: bool) -> Self {
        self.results = keep;
        self
    }

    /// Bytes of arguments, and of a result, as JSON; of what is larger its size alone is kept. Default 4 KiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Members whose values are not kept, at any depth, whatever their case; beside those that are never kept: `password`,
    /// `passphrase`, `secret`, `token`, `authorization`, `cookie`, `api_key`, `private_key`, `credentials` and what ends like that.
    /// Nor are texts that are ids of sessions: to callers without an identity they are credentials.
    pub fn redact<T: Into<String>>(mut self, members: impl IntoIterator<Item = T>) -> Self {
        self.redaction.add(members.into_iter().map(Into::into));
        self
    }
}

impl Default for ToolHistory {
    fn default() -> Self {
        Self::off()
    }
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolOutcome {
    /// It was done.
    Ok,
    /// The tool said that it failed (`isError`).
    ToolError,
    /// It was answered with a JSON-RPC error of this code.
    Error(i32),
    /// It became a task, which goes on.
    Task,
    /// It asked the client for input.
    InputRequired,
    /// It was given up before it was done.
    Cancelled,
}

/// One call in a session's history.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The tool's name, cut at 128 bytes.
    pub tool: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How it went.
    pub outcome: ToolOutcome,
    /// Its arguments, where they are kept.
    pub arguments: Option<Value>,
    /// Its structured result, where that is kept.
    pub result: Option<Value>,
}

/// Reads the last so many calls of tools that used a session, oldest first. A use of the session.
///
/// # Errors
/// [`EventError::Ended`].
pub async fn tool_history(session: &Session, count: usize) -> Result<Vec<ToolCall>, EventError> {
    let events = session.events().recent(STREAM, count).await?;
    Ok(events.iter().filter_map(read).collect())
}

/// One call under way; what it came to is written when this is dropped.
pub(super) struct Recording {
    history: Arc<ToolHistory>,
    call: CallContext,
    tool: String,
    started_at: Timestamp,
    started: Instant,
    arguments: Option<Value>,
    outcome: ToolOutcome,
    result: Option<Value>,
}

impl Recording {
    /// Begins to record, if anything is to be kept.
    pub(super) fn begin(
        history: &Arc<ToolHistory>,
        call: Option<&CallContext>,
        request: &CallToolRequestParams,
    ) -> Option<Self> {
        let call = call.filter(|_| history.on)?;
        let arguments = request.arguments.as_ref().filter(|_| history.arguments);
        Some(Self {
            tool: request.name.get(..request.name.floor_char_boundary(MAX_NAME_BYTES))?.to_owned(),
            started_at: call.now(),
            started: Instant::now(),
            arguments: arguments.map(|arguments| history.kept(Value::Object(arguments.clone()))),
            outcome: ToolOutcome::Cancelled,
            result: None,
            call: call.clone(),
            history: Arc::clone(history),
        })
    }

    /// Notes what was answered.
    pub(super) fn answered(mut self, answer: &Result<CallToolResponse, ErrorData>) {
        self.outcome = match answer {
            Ok(CallToolResponse::Complete(result)) => {
                let kept = result.structured_content.clone().filter(|_| self.history.results);
                self.result = kept.map(|result| self.history.kept(result));
                if result.is_error == Some(true) { ToolOutcome::ToolError } else { ToolOutcome::Ok }
            }
            Ok(CallToolResponse::Task(_)) => ToolOutcome::Task,
            Ok(_) => ToolOutcome::InputRequired,
            Err(error) => ToolOutcome::Error(error.code.0),
        };
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let record = json!({
            "tool": self.tool,
            "started_at": self.started_at.as_micros(),
            "took_us": u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "outcome": written(self.outcome),
            "arguments": self.arguments,
            "result": self.result,
        });
        let Ok(record) = Json::of(&record) else { return };
        for session in self.call.used() {
            // A session that was closed by the call has no history any more; one that is full of other things goes without.
            if let Err(error) = session.events().append_soon(STREAM, &record) {
                tracing::debug!(%error, session = %session.id().tag(), "a call is not in the history of its session");
            }
        }
    }
}

impl ToolHistory {
    /// What is kept of arguments or a result.
    fn kept(&self, mut value: Value) -> Value {
        self.redaction.apply(&mut value);
        let bytes = value.to_string().len();
        if bytes <= self.max_bytes { value } else { json!({ "omitted_bytes": bytes }) }
    }
}

fn written(outcome: ToolOutcome) -> Value {
    match outcome {
        ToolOutcome::Ok => "ok".into(),
        ToolOutcome::ToolError => "tool_error".into(),
        ToolOutcome::Error(code) => code.into(),
        ToolOutcome::Task => "task".into(),
        ToolOutcome::InputRequired => "input_required".into(),
        ToolOutcome::Cancelled => "cancelled".into(),
    }
}

/// A call as it was written; none where another program wrote into the stream.
fn read(event: &Event) -> Option<ToolCall> {
    let mut record: Map<String, Value> = event.payload.to().ok()?;
    let outcome = match record.get("outcome")? {
        Value::String(text) => match text.as_str() {
            "ok" => ToolOutcome::Ok,
            "tool_error" => ToolOutcome::ToolError,
            "task" => ToolOutcome::Task,
            "input_required" => ToolOutcome::InputRequired,
            "cancelled" => ToolOutcome::Cancelled,
            _ => return None,
        },
        code => ToolOutcome::Error(i32::try_from(code.as_i64()?).ok()?),
    };
    let mut kept = |name: &str| record.remove(name).filter(|value| !value.is_null());
    Some(ToolCall {
        tool: kept("tool")?.as_str()?.to_owned(),
        started_at: Timestamp::from_micros(kept("started_at")?.as_u64()?),
        took: Duration::from_micros(kept("took_us")?.as_u64()?),
        outcome,
        arguments: kept("arguments"),
        result: kept("result"),
    })
}
