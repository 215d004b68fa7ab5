//! Writes with an `idempotency_key`: applied once, however often the call is repeated.

use std::collections::BTreeMap;

use rmcp::model::{JsonObject, Tool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sessile::{Draft, IdempotencyKey, Once, Revision, Session, UpdateError};

use super::arguments::short;
use super::failure::Failure;

const NAME: &str = "idempotency_key";

/// The argument.
pub(super) fn argument() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": sessile::defaults::MAX_IDEMPOTENCY_KEY_BYTES,
        "description": "Your own name for this one call, such as a UUID, without spaces. If no answer came, repeat the \
            same call with the same key: it is written once, and the answer says what became of it. A new call takes a \
            new key.",
    })
}

/// The field of the answer.
pub(super) fn repeated() -> Value {
    super::schema::flag(
        "True when a call with this `idempotency_key` had been applied before: this is its answer, and nothing was \
         written now. Missing otherwise.",
    )
}

/// Takes the key out of the arguments of a tool that writes, and ties it to the rest of them.
pub(super) fn take(tool: &Tool, arguments: &mut JsonObject) -> Result<Option<IdempotencyKey>, Failure> {
    let writes = tool.input_schema.get("properties").is_some_and(|properties| properties.get(NAME).is_some());
    if !writes {
        return Ok(None);
    }
    let text = match arguments.remove(NAME) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(other) => {
            let problem = format!("a text is needed, not {}", short(&other.to_string()));
            return Err(Failure::argument(NAME, problem));
        }
    };
    let key = IdempotencyKey::new(&text).map_err(|error| Failure::argument(NAME, error))?;
    // The session is where the key is kept; an argument of null is one that is left out.
    let told = arguments.iter().filter(|(name, value)| *name != "session" && !value.is_null());
    let told: BTreeMap<_, _> = told.map(|(name, value)| (name.as_str(), sorted(value))).collect();
    Ok(Some(key.of_request(format!("{} {}", tool.name, json!(told)))))
}

/// The same value, with the members of objects in order: who sends a call again may spell them in another one.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        other => other.clone(),
    }
}

/// What a write came to.
pub(super) struct Done<R> {
    /// What it returned; nothing for a repeat whose first answer was too large to be remembered.
    pub(super) value: Option<R>,
    pub(super) revision: u64,
    pub(super) repeated: bool,
}

/// Runs a write: once for its key where it has one, at one revision where it names one.
pub(super) async fn update<R, E, F>(
    session: &Session,
    key: Option<IdempotencyKey>,
    if_revision: Option<u64>,
    change: F,
) -> Result<Done<R>, UpdateError<E>>
where
    R: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
{
    let once = match (key, if_revision.map(Revision::new)) {
        (None, None) => Once::Applied(session.update(change).await?),
        (None, Some(revision)) => Once::Applied(session.update_if(revision, change).await?),
        (Some(key), None) => session.update_once(key, change).await?,
        (Some(key), Some(revision)) => session.update_once_if(key, revision, change).await?,
    };
    let (revision, repeated) = (once.revision().get(), once.is_repeated());
    Ok(Done { value: once.into_value(), revision, repeated })
}
