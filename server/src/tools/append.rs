//! `append_state`.

use garde::Validate;
use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::{IdempotencyKey, Json};

use super::call::Call;
use super::failure::Failure;
use super::once::{self, Done};
use super::schema::{self, Effect, MAX_HANDLE_BYTES, MAX_KEY_BYTES};

pub(super) const NAME: &str = "append_state";

pub(super) fn tool() -> Tool {
    let description = "Appends one value to an array and returns its new length; a key that is not there counts as an \
        empty array. Nothing is lost when several agents do it at once, so use it for logs, notes and queues."
        .to_owned();
    let input = json!({
        "session": schema::session(),
        "key": schema::key("The key of the array."),
        "value": schema::any("The value to append, any JSON. An array is appended as one value."),
        "idempotency_key": once::argument(),
    });
    let output = json!({
        "length": schema::count("Values in the array now."),
        "revision": schema::count("The session's revision with this in it."),
        "repeated": once::repeated(),
    });
    let answer = ["length", "revision"];
    schema::tool(NAME, "Append to array", description, Effect::Adds, (input, &["key", "value"]), (output, &answer))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(length(bytes, min = 1, max = MAX_HANDLE_BYTES))]
    session: Option<String>,
    #[garde(length(bytes, min = 1, max = MAX_KEY_BYTES))]
    key: String,
    #[garde(skip)]
    value: Value,
}

#[derive(Serialize)]
pub(super) struct Answer {
    length: u64,
    revision: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

pub(super) async fn run(call: &Call, key: Option<IdempotencyKey>, arguments: Arguments) -> Result<Answer, Failure> {
    let session = call.session(arguments.session.as_deref()).await?;
    let (name, value) = (arguments.key, Json::of(&arguments.value).map_err(Failure::draft)?);
    let done = once::update(&session, key, None, move |draft| draft.append(&name, &value)).await;
    let Done { value, revision, repeated } = done.map_err(|error| Failure::update(error, call.now))?;
    Ok(Answer { length: value.unwrap_or_default(), revision, repeated })
}
