//! `merge_state`.

use garde::Validate;
use rmcp::model::{JsonObject, Tool};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::{Draft, IdempotencyKey};

use super::call::Call;
use super::conflict;
use super::failure::Failure;
use super::once::{self, Done};
use super::schema::{self, Effect, MAX_HANDLE_BYTES, MAX_KEYS};

pub(super) const NAME: &str = "merge_state";

pub(super) fn tool() -> Tool {
    let description = format!(
        "Changes parts of values by a JSON merge patch (RFC 7396), all of it or nothing. The patch is an object of keys and \
         what to merge into their values: objects merge member by member, null deletes a member or, at the top, a key; anything \
         else replaces. Example: {{\"plan\": {{\"status\": \"done\", \"draft\": null}}}}. At most {MAX_KEYS} keys. What is not \
         named stays. Use write_state to store a null or to replace a whole object."
    );
    let input = json!({
        "session": schema::session(),
        "patch": { "type": "object", "maxProperties": MAX_KEYS, "description": "Keys and what to merge into their values." },
        "if_revision": schema::if_revision(),
        "idempotency_key": once::argument(),
    });
    let output = json!({
        "revision": schema::count("The session's revision with this in it."),
        "changed": { "type": "array", "items": schema::text("A key."), "description": "Keys whose values changed, sorted. Empty in a repeat if there were too many to be remembered." },
        "repeated": once::repeated(),
    });
    let answer = ["revision", "changed"];
    schema::tool(NAME, "Merge into state", description, Effect::Overwrites, (input, &["patch"]), (output, &answer))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(length(bytes, min = 1, max = MAX_HANDLE_BYTES))]
    session: Option<String>,
    #[garde(skip)]
    patch: JsonObject,
    #[garde(skip)]
    if_revision: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    revision: u64,
    changed: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

pub(super) async fn run(call: &Call, key: Option<IdempotencyKey>, arguments: Arguments) -> Result<Answer, Failure> {
    let count = arguments.patch.len();
    if !(1..=MAX_KEYS).contains(&count) {
        return Err(Failure::argument("patch", format!("{count} keys, from 1 to {MAX_KEYS} are allowed in one call")));
    }
    let session = call.session(arguments.session.as_deref()).await?;
    let named: Vec<String> = arguments.patch.keys().cloned().collect();
    let patch = Value::Object(arguments.patch);
    let change = move |draft: &mut Draft| draft.merge_patch(&patch);
    let done = once::update(&session, key, arguments.if_revision, change).await;
    let Done { value, revision, repeated } =
        done.map_err(|error| conflict::or_update(&session, error, &named, call.now))?;
    Ok(Answer { revision, changed: value.unwrap_or_default(), repeated })
}
