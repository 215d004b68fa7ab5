//! What a tool answers when it cannot: a sentence for the model that says what to do, and the same as JSON.

use garde::Report;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, ErrorData};
use serde_json::{Map, Value, json};

use crate::error::{CreateError, EndReason, Ended, IdError, LimitExceeded, OpenError, UpdateError};
use crate::mcp::words;
use crate::session::Session;
use crate::time::Timestamp;

/// A tool execution error (`isError: true`): the model reads it and knows what to do next. Not a JSON-RPC error.
///
/// A handler that returns `Result<_, ToolRefusal>` answers with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ToolRefusal {
    code: &'static str,
    message: String,
    details: Map<String, Value>,
}

impl ToolRefusal {
    /// A refusal of the author's own. `code` is for programs, in `snake_case`; `message` says what to do.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new() }
    }

    /// Adds a field to the JSON.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// An update of a session that was not applied.
    #[must_use]
    pub fn update(error: UpdateError, session: &Session) -> Self {
        Self::not_updated(error, session.now(), "the tool that gives handles out", |refused| {
            Self::new("invalid_argument", format!("Refused: {refused}. Nothing was written."))
        })
    }

    /// The call belongs to no session.
    pub(in crate::mcp) fn no_session() -> Self {
        Self::new(
            "needs_session",
            "You call without an identity and outside of a session, so nothing is kept for you between calls. Use a tool \
             that gives out a handle, and pass that handle in every later call.",
        )
    }

    /// A session that was not made.
    pub(in crate::mcp) fn not_created(error: CreateError, now: Timestamp) -> Self {
        match error {
            CreateError::Ended(ended) => Self::ended(ended, now, "the tool that gives handles out"),
            CreateError::LimitExceeded(limit) => Self::limit(limit),
            CreateError::Overloaded(_) => Self::overloaded(),
            CreateError::Stopping => Self::stopping(),
            CreateError::NotDurable(_) => Self::not_durable(),
            CreateError::Id(IdError::NoRandomness { .. }) => Self::internal("the system gave no random numbers"),
            other => Self::internal(&other.to_string()),
        }
    }

    /// A handle that opens nothing; `create` and `list` are the tools that give out others.
    pub(super) fn not_opened(error: &OpenError, now: Timestamp, (create, list): (&str, &str)) -> Self {
        match error {
            OpenError::Ended(ended) => Self::ended(*ended, now, create),
            OpenError::Id(IdError::Mistyped) => Self::new(
                "mistyped_handle",
                "This handle is mistyped: its check part does not fit. Copy it again, whole, from where it was given to you.",
            ),
            // The one answer for what never was, is somebody else's, or was forgotten. Says nothing of the handle.
            _ => Self::new(
                "unknown_handle",
                format!(
                    "Unknown handle: you have nothing under it. Call {list} for the handles that you have, or {create} for a \
                     new one."
                ),
            ),
        }
    }

    pub(super) fn ended(ended: Ended, now: Timestamp, create: &str) -> Self {
        let (code, how, why) = match ended.reason {
            EndReason::Evicted => ("evicted", "was evicted", " to make room for others"),
            EndReason::Closed => ("closed", "was closed", ""),
            EndReason::Lifetime => ("expired", "expired", " at the end of its max lifetime"),
            _ => ("expired", "expired", " because nobody used it for as long as its idle timeout"),
        };
        let ago = words::ago(now.since(ended.at));
        let message = format!(
            "This state {how} {ago}{why}. It is gone and the handle stays dead. Call {create} and use the handle it returns."
        );
        Self::new(code, message)
    }

    /// State that would break its kind's rules.
    pub(super) fn rules(report: &Report) -> Self {
        let broken: Vec<_> = report.iter().map(|(path, error)| (path.to_string(), error.to_string())).collect();
        let text: Vec<_> = broken.iter().map(|(path, error)| format!("`{path}`: {error}")).collect();
        let paths: Vec<Value> = broken.into_iter().map(|(path, _)| path.into()).collect();
        Self::new("invalid_state", format!("Refused: {}. Nothing was written.", text.join("; "))).with("paths", paths)
    }

    /// An update that was not applied, `rejected` saying what the update itself said.
    pub(super) fn not_updated<E>(
        error: UpdateError<E>,
        now: Timestamp,
        create: &str,
        rejected: impl FnOnce(E) -> Self,
    ) -> Self {
        match error {
            UpdateError::Rejected(refused) => rejected(refused),
            UpdateError::Ended(ended) => Self::ended(ended, now, create),
            UpdateError::LimitExceeded(limit) => Self::limit(limit),
            UpdateError::Overloaded { .. } => Self::overloaded(),
            UpdateError::Stopping => Self::stopping(),
            UpdateError::NotDurable(_) => Self::not_durable(),
            UpdateError::Conflict(conflict) => Self::new("conflict", format!("{conflict}. Nothing was written."))
                .with("revision", conflict.current.get()),
            UpdateError::KeyReused(reused) => {
                Self::new("idempotency_key_reused", format!("{reused}. Nothing was written."))
                    .with("revision", reused.revision.get())
            }
            _ => Self::internal("the update could not be run"),
        }
    }

    pub(super) fn internal(what: &str) -> Self {
        Self::new("internal", format!("The server failed: {what}. Nothing was done; try once more."))
    }

    fn limit(limit: LimitExceeded) -> Self {
        let figures = format!("{} {}, and at most {} are allowed", limit.attempted, limit.limit, limit.allowed);
        Self::new(
            "limit_exceeded",
            format!("That would come to {figures}. Nothing was done. Store less, or close what is done."),
        )
        .with("allowed", limit.allowed)
        .with("attempted", limit.attempted)
    }

    fn overloaded() -> Self {
        Self::new(
            "overloaded",
            "Too many updates wait in line. Nothing was written; try the same call again in a few seconds, and send fewer \
             calls at a time.",
        )
    }

    fn stopping() -> Self {
        Self::new("shutting_down", "The server is shutting down. Nothing was written; try again in a moment.")
    }

    fn not_durable() -> Self {
        Self::new(
            "not_durable",
            "The server cannot write to its disk, so what was asked for would not last. Reads work; tell whoever runs the \
             server, and try again later.",
        )
    }
}

impl From<ToolRefusal> for CallToolResult {
    /// The JSON is a second text and not `structuredContent`: there are clients that check that against the tool's output
    /// schema in errors too.
    fn from(refusal: ToolRefusal) -> Self {
        let ToolRefusal { code, message, details: mut error } = refusal;
        error.insert("code".to_owned(), code.into());
        error.insert("message".to_owned(), message.clone().into());
        let json = json!({ "error": error }).to_string();
        Self::error(vec![ContentBlock::text(message), ContentBlock::text(json)])
    }
}

impl IntoCallToolResult for ToolRefusal {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::from(self).into())
    }
}
