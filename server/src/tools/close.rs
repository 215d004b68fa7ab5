//! `close_session`.

use garde::Validate;
use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::failure::Failure;
use super::schema::{self, Effect, MAX_HANDLE_BYTES};

pub(super) const NAME: &str = "close_session";

pub(super) fn tool() -> Tool {
    let description = "Ends a session and deletes its state, for good: the handle stays dead. Use it when a piece of \
        work is done. To delete keys and keep the session, use write_state with `delete`."
        .to_owned();
    let input = json!({
        "session": {
            "type": "string", "minLength": 1, "maxLength": MAX_HANDLE_BYTES,
            "description": "Handle that create_session returned.",
        },
    });
    let output = json!({ "closed": schema::flag("True when this call ended it, false when another was faster.") });
    schema::tool(NAME, "Close session", description, Effect::Overwrites, (input, &["session"]), (output, &["closed"]))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(length(bytes, min = 1, max = MAX_HANDLE_BYTES))]
    session: String,
}

#[derive(Serialize)]
pub(super) struct Answer {
    closed: bool,
}

pub(super) async fn run(call: &Call, arguments: Arguments) -> Result<Answer, Failure> {
    let session = call.open(&arguments.session).await?;
    let closed = session.close().await.map_err(|error| Failure::create(error, call.now))?;
    Ok(Answer { closed })
}
