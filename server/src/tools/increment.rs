//! `increment_state`.

use garde::Validate;
use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sessile::IdempotencyKey;

use super::call::Call;
use super::failure::Failure;
use super::once::{self, Done};
use super::schema::{self, Effect, MAX_HANDLE_BYTES, MAX_KEY_BYTES};

pub(super) const NAME: &str = "increment_state";

pub(super) fn tool() -> Tool {
    let description =
        "Adds to an integer and returns the sum; a key that is not there counts as 0. Exact when several \
        agents do it at once, so use it for every counter."
            .to_owned();
    let input = json!({
        "session": schema::session(),
        "key": schema::key("The key of the integer."),
        "by": { "type": "integer", "description": "What to add, negative to subtract; 1 when left out." },
        "idempotency_key": once::argument(),
    });
    let output = json!({
        "value": { "type": "integer", "description": "The sum." },
        "revision": schema::count("The session's revision with this in it."),
        "repeated": once::repeated(),
    });
    schema::tool(NAME, "Increment", description, Effect::Adds, (input, &["key"]), (output, &["value", "revision"]))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(length(bytes, min = 1, max = MAX_HANDLE_BYTES))]
    session: Option<String>,
    #[garde(length(bytes, min = 1, max = MAX_KEY_BYTES))]
    key: String,
    #[garde(skip)]
    by: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    value: i64,
    revision: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

pub(super) async fn run(call: &Call, key: Option<IdempotencyKey>, arguments: Arguments) -> Result<Answer, Failure> {
    let session = call.session(arguments.session.as_deref()).await?;
    let (name, by) = (arguments.key, arguments.by.unwrap_or(1));
    let done = once::update(&session, key, None, move |draft| draft.increment(&name, by)).await;
    let Done { value, revision, repeated } = done.map_err(|error| Failure::update(error, call.now))?;
    Ok(Answer { value: value.unwrap_or_default(), revision, repeated })
}
