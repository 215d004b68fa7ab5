//! What callers are told of tasks that they cannot have, and tasks of how they ended.

use std::fmt::Display;

use rmcp::ErrorData;
use serde_json::json;

use crate::error::UpdateError;

/// Bytes of an error's text that a task is sure to have room for.
const MAX_REASON_BYTES: usize = 256;

/// The one answer for what never was, what is somebody else's, and what is over.
pub(super) fn unknown() -> ErrorData {
    ErrorData::invalid_params("unknown task: it never was, belongs to somebody else, or its time is over", None)
}

/// No more tasks can run.
pub(super) fn full(owner: bool) -> ErrorData {
    let whose = if owner { "of yours " } else { "" };
    ErrorData::internal_error(
        format!("too many tasks {whose}are running; wait until one has ended or cancel one, then try again"),
        None,
    )
}

/// The server drains.
pub(super) fn stopping() -> ErrorData {
    ErrorData::internal_error("the server is shutting down and starts no more tasks; call again in a moment", None)
}

/// A session said no; its words hold neither keys nor values.
pub(super) fn refused(error: impl Display) -> ErrorData {
    ErrorData::internal_error(format!("the task could not be kept: {error}"), None)
}

/// The session of a task said no; where it has ended, nothing else is told.
pub(super) fn not_updated(error: UpdateError) -> ErrorData {
    match error {
        UpdateError::Ended(_) => unknown(),
        error => refused(error),
    }
}

/// What became of a task that a restart cut off.
pub(super) fn interrupted() -> ErrorData {
    ErrorData::internal_error(
        "interrupted by a restart of the server; call the tool again",
        Some(json!({"interrupted": true})),
    )
}

/// What became of a task that did not end in time when the server was told to stop.
pub(super) fn stopped() -> ErrorData {
    ErrorData::internal_error(
        "interrupted by a stop of the server; call the tool again",
        Some(json!({"interrupted": true})),
    )
}

/// What became of a task whose work panicked.
pub(super) fn panicked() -> ErrorData {
    ErrorData::internal_error("the tool panicked; its result is lost", None)
}

/// What became of a task whose result a session has no room for.
pub(super) fn does_not_fit(error: impl Display) -> ErrorData {
    let mut reason = error.to_string();
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    ErrorData::internal_error(format!("the task has ended, but its result cannot be kept: {reason}"), None)
}
