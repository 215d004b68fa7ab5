//! What a tool answers when it cannot: a sentence for the model, then the same as JSON.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Map, Value, json};
use sessile::{
    CreateError, DraftError, EndReason, Ended, IdError, Limit, LimitExceeded, Overload, Timestamp, UpdateError,
};

use super::words;

/// The kind of a failure, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Conflict,
    KeyReused,
    UnknownSession,
    MistypedSession,
    Expired,
    Closed,
    Evicted,
    NeedsSession,
    NeedsIdentity,
    InvalidArgument,
    LimitExceeded,
    NotAnInteger,
    NotAnArray,
    OutOfRange,
    Overloaded,
    ShuttingDown,
    NotDurable,
    Internal,
}

impl Code {
    const fn text(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::KeyReused => "idempotency_key_reused",
            Self::UnknownSession => "unknown_session",
            Self::MistypedSession => "mistyped_session",
            Self::Expired => "expired",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
            Self::NeedsSession => "needs_session",
            Self::NeedsIdentity => "needs_identity",
            Self::InvalidArgument => "invalid_argument",
            Self::LimitExceeded => "limit_exceeded",
            Self::NotAnInteger => "not_an_integer",
            Self::NotAnArray => "not_an_array",
            Self::OutOfRange => "out_of_range",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::NotDurable => "not_durable",
            Self::Internal => "internal",
        }
    }
}

/// A tool execution error.
#[derive(Debug)]
pub(super) struct Failure {
    code: Code,
    message: String,
    details: Map<String, Value>,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new() }
    }

    /// Adds a field to the JSON.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// An argument that is not as it should be.
    pub(super) fn argument(path: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(Code::InvalidArgument, format!("Invalid argument `{path}`: {problem}. Nothing was done."))
            .with("argument", path)
    }

    /// A fault of the server.
    pub(super) fn internal(what: &str) -> Self {
        Self::new(Code::Internal, format!("The server failed: {what}. Nothing was done; try once more."))
    }

    /// The one answer for a session that never was, is somebody else's, or was forgotten. Says nothing of the handle.
    pub(super) fn unknown(has_identity: bool) -> Self {
        let next = if has_identity {
            "Call list_sessions for the handles that you have, create_session for a new one, or leave `session` out."
        } else {
            "Look for the handle that create_session gave you, or call create_session for a new one."
        };
        Self::new(Code::UnknownSession, format!("Unknown session: you have none of this handle. {next}"))
    }

    /// A handle that names no session by its spelling alone.
    pub(super) fn handle(error: &IdError) -> Self {
        match error {
            IdError::Mistyped => Self::new(
                Code::MistypedSession,
                "This handle is mistyped: its check part does not fit. Copy it again, whole, from where it was given to you.",
            ),
            other => Self::argument("session", other),
        }
    }

    /// A session of the caller's that has ended.
    pub(super) fn ended(ended: Ended, now: Timestamp) -> Self {
        let (code, how, why) = match ended.reason {
            EndReason::Evicted => (Code::Evicted, "was evicted", " to make room for others"),
            EndReason::Closed => (Code::Closed, "was closed", ""),
            EndReason::Lifetime => (Code::Expired, "expired", " at the end of its max lifetime"),
            _ => (Code::Expired, "expired", " because nobody used it for as long as its idle timeout"),
        };
        let (ago, at) = (words::ago(now.since(ended.at)), words::rfc3339(ended.at));
        let message = format!(
            "This session {how} {ago} ({at}){why}. Its state is gone and the handle stays dead. Call create_session and \
             use the handle it returns."
        );
        Self::new(code, message).with("ended_at", at)
    }

    /// A session that could not be made.
    pub(super) fn create(error: CreateError, now: Timestamp) -> Self {
        match error {
            CreateError::Ended(ended) => Self::ended(ended, now),
            CreateError::LimitExceeded(limit) => Self::limit(limit),
            CreateError::Timeout { option, min: _, max } => {
                let problem = format!(
                    "at least 1 second and at most {} are allowed; leave it out for that",
                    words::duration(max)
                );
                Self::argument(&format!("{option}_seconds"), problem).with("max", max.as_secs())
            }
            CreateError::Id(IdError::NoRandomness { .. }) => Self::internal("the system gave no random numbers"),
            CreateError::Id(error @ IdError::Kind) => Self::argument("kind", error),
            CreateError::Id(error @ IdError::Name { .. }) => Self::argument("name", error),
            CreateError::Overloaded(met) => Self::overloaded(met),
            CreateError::Stopping => Self::stopping(),
            CreateError::NotDurable(_) => Self::not_durable(),
            other => Self::new(Code::InvalidArgument, format!("No session was created: {other}.")),
        }
    }

    /// An update that was not applied, but for conflicts, which the caller of this shows with the current state.
    pub(super) fn update(error: UpdateError, now: Timestamp) -> Self {
        match error {
            UpdateError::Rejected(error) => Self::draft(error),
            UpdateError::Ended(ended) => Self::ended(ended, now),
            UpdateError::LimitExceeded(limit) => Self::limit(limit),
            UpdateError::Overloaded { met, .. } => Self::overloaded(met),
            UpdateError::Stopping => Self::stopping(),
            UpdateError::NotDurable(_) => Self::not_durable(),
            UpdateError::Conflict(conflict) => Self::new(Code::Conflict, format!("{conflict}. Nothing was written."))
                .with("revision", conflict.current.get()),
            UpdateError::KeyReused(reused) => Self::new(
                Code::KeyReused,
                format!(
                    "This `idempotency_key` was used for another call, written as revision {}. Nothing was written now. \
                     Repeat that call as it was to get its answer, or send this one with a key of its own.",
                    reused.revision,
                ),
            )
            .with("revision", reused.revision.get()),
            _ => Self::internal("the update could not be run"),
        }
    }

    /// The disk takes nothing: what was asked for would not last.
    fn not_durable() -> Self {
        Self::new(
            Code::NotDurable,
            "The server cannot write to its disk, so what was asked for would not last. Reads work; tell whoever runs the server, and try again later.",
        )
    }

    /// A key or a value that was refused.
    pub(super) fn draft(error: DraftError) -> Self {
        match error {
            DraftError::LimitExceeded(limit) => Self::limit(limit),
            DraftError::WrongType { needed: "an integer", found } => Self::new(
                Code::NotAnInteger,
                format!(
                    "The key holds {found}, and only an integer can be incremented. Nothing was written; read_state shows the value, write_state replaces it."
                ),
            ),
            DraftError::WrongType { found, .. } => Self::new(
                Code::NotAnArray,
                format!(
                    "The key holds {found}, and only an array can be appended to. Nothing was written; read_state shows the value, write_state replaces it."
                ),
            ),
            DraftError::Overflow => Self::new(
                Code::OutOfRange,
                "The sum leaves the range of a signed 64-bit integer. Nothing was written; write_state can set the key anew.",
            ),
            other => Self::new(Code::InvalidArgument, format!("Refused: {other}. Nothing was written.")),
        }
    }

    fn limit(limit: LimitExceeded) -> Self {
        let next = match limit.limit {
            Limit::Sessions => "Try again later, or use a session that you have",
            Limit::SessionsPerOwner => "End sessions that are done with close_session; list_sessions shows them",
            Limit::KeyBytes => "Use a shorter key",
            Limit::ValueBytes => "Split the value over several keys",
            Limit::Depth => "Make the value flatter, or split it over several keys",
            Limit::TextBytes => "Shorten it",
            _ => {
                "Delete keys that you no longer need with write_state, or end sessions that are done with close_session"
            }
        };
        let figures = format!("{} {}, and at most {} are allowed", limit.attempted, limit.limit, limit.allowed);
        Self::new(Code::LimitExceeded, format!("That would come to {figures}. Nothing was done. {next}."))
            .with("limit", limit.limit.to_string())
            .with("allowed", limit.allowed)
            .with("attempted", limit.attempted)
    }

    /// No fault of the server's and none of the call's: the same call may well succeed a little later.
    fn overloaded(met: Overload) -> Self {
        let who = if met == Overload::Service { "The server" } else { "The session" };
        Self::new(
            Code::Overloaded,
            format!(
                "{who} is overloaded: too many updates wait in line. Nothing was written; try the same call again in a \
                 few seconds, and send fewer calls at a time."
            ),
        )
    }

    fn stopping() -> Self {
        Self::new(Code::ShuttingDown, "The server is shutting down. Nothing was written; try again in a moment.")
    }

    /// Says which part of the arguments a refusal is about.
    pub(super) fn at(mut self, path: &str) -> Self {
        self.message = format!("{path}: {}", self.message);
        self.with("argument", path)
    }

    /// The result as MCP has it. The JSON is a second text and not `structuredContent`, since there are clients that
    /// check that against the tool's output schema in errors too.
    pub(super) fn into_result(self) -> CallToolResult {
        let mut error = self.details;
        error.insert("code".to_owned(), self.code.text().into());
        error.insert("message".to_owned(), self.message.clone().into());
        let json = json!({ "error": error }).to_string();
        CallToolResult::error(vec![ContentBlock::text(self.message), ContentBlock::text(json)])
    }
}
