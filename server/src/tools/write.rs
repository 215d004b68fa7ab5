//! `write_state`.

use std::collections::BTreeSet;
use std::time::Duration;

use garde::Validate;
use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::{Draft, DraftError, IdempotencyKey, Json, Ttl, UpdateError};

use super::call::Call;
use super::conflict;
use super::failure::Failure;
use super::once::{self, Done};
use super::schema::{self, Effect, MAX_HANDLE_BYTES, MAX_KEY_BYTES, MAX_KEYS, MAX_SECONDS};

pub(super) const NAME: &str = "write_state";

pub(super) fn tool() -> Tool {
    let description = format!(
        "Sets and deletes entries in one step: all of it or nothing. A value replaces the whole old value and its ttl. At \
         least one key, at most {MAX_KEYS}, none of them twice. Deleting a key that is not there is fine. Use `if_revision` when \
         the new values depend on what you read; for counters and lists increment_state and append_state are safer."
    );
    let item = json!({
        "key": schema::key("The key."),
        "value": schema::any("The value, any JSON."),
        "ttl_seconds": schema::range(1, MAX_SECONDS, "The entry disappears after so many seconds. Leave it out to keep it."),
    });
    let input = json!({
        "session": schema::session(),
        "set": {
            "type": "array", "maxItems": MAX_KEYS, "items": schema::object(item, &["key", "value"]),
            "description": "Entries to set.",
        },
        "delete": schema::keys("Keys to delete."),
        "if_revision": schema::if_revision(),
        "idempotency_key": once::argument(),
    });
    let output = json!({
        "revision": schema::count("The session's revision with this in it."),
        "deleted": schema::count("How many entries were there and are deleted."),
        "repeated": once::repeated(),
    });
    schema::tool(NAME, "Write state", description, Effect::Overwrites, (input, &[]), (output, &["revision", "deleted"]))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(length(bytes, min = 1, max = MAX_HANDLE_BYTES))]
    session: Option<String>,
    #[garde(length(max = MAX_KEYS), dive)]
    set: Option<Vec<Item>>,
    #[garde(length(max = MAX_KEYS), inner(inner(length(bytes, min = 1, max = MAX_KEY_BYTES))))]
    delete: Option<Vec<String>>,
    #[garde(skip)]
    if_revision: Option<u64>,
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Item {
    #[garde(length(bytes, min = 1, max = MAX_KEY_BYTES))]
    key: String,
    #[garde(skip)]
    value: Value,
    #[garde(inner(custom(seconds)))]
    ttl_seconds: Option<u64>,
}

fn seconds(seconds: &u64, _: &()) -> garde::Result {
    match seconds {
        0 => Err(garde::Error::new("a ttl of zero is refused, leave it out for an entry that does not expire")),
        1..=MAX_SECONDS => Ok(()),
        _ => Err(garde::Error::new("too long")),
    }
}

#[derive(Serialize)]
pub(super) struct Answer {
    revision: u64,
    deleted: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

/// What to do, checked, ready to be run more than once.
struct Plan {
    set: Vec<(String, Json, Ttl)>,
    delete: Vec<String>,
}

pub(super) async fn run(call: &Call, key: Option<IdempotencyKey>, arguments: Arguments) -> Result<Answer, Failure> {
    let plan = Plan::of(arguments.set.unwrap_or_default(), arguments.delete.unwrap_or_default())?;
    let session = call.session(arguments.session.as_deref()).await?;
    let named: Vec<String> = plan.set.iter().map(|(key, ..)| key).chain(&plan.delete).cloned().collect();
    let change = move |draft: &mut Draft| plan.apply(draft);
    match once::update(&session, key, arguments.if_revision, change).await {
        Ok(Done { value, revision, repeated }) => Ok(Answer { revision, deleted: value.unwrap_or_default(), repeated }),
        Err(UpdateError::Rejected((path, error))) => Err(Failure::draft(error).at(&path)),
        Err(other) => Err(conflict::or_update(&session, other.map_rejected(|(_, error)| error), &named, call.now)),
    }
}

impl Plan {
    fn of(set: Vec<Item>, delete: Vec<String>) -> Result<Self, Failure> {
        let count = set.len() + delete.len();
        if count == 0 {
            return Err(Failure::argument("set", "give at least one entry in `set` or one key in `delete`"));
        }
        if count > MAX_KEYS {
            let problem = format!("{count} keys in `set` and `delete`, at most {MAX_KEYS} are allowed in one call");
            return Err(Failure::argument("set", problem));
        }
        let mut seen = BTreeSet::new();
        let sets = set.iter().enumerate().map(|(index, item)| (format!("set[{index}].key"), &item.key));
        let deletes = delete.iter().enumerate().map(|(index, key)| (format!("delete[{index}]"), key));
        for (path, key) in sets.chain(deletes) {
            if !seen.insert(key) {
                return Err(Failure::argument(
                    &path,
                    "this key is named twice; name each key once in `set` or `delete`",
                ));
            }
        }
        let set = set.into_iter().enumerate().map(|(index, item)| {
            let value =
                Json::of(&item.value).map_err(|error| Failure::draft(error).at(&format!("set[{index}].value")))?;
            let ttl = item.ttl_seconds.map_or(Ttl::Never, |seconds| Ttl::Absolute(Duration::from_secs(seconds)));
            Ok((item.key, value, ttl))
        });
        Ok(Self { set: set.collect::<Result<_, Failure>>()?, delete })
    }

    /// Gives the number of entries that were deleted, or what is refused and why.
    fn apply(&self, draft: &mut Draft) -> Result<u64, (String, DraftError)> {
        let deleted = self.delete.iter().filter(|key| draft.remove(key)).count() as u64;
        for (index, (key, value, ttl)) in self.set.iter().enumerate() {
            draft.set_json_with(key, value.clone(), *ttl).map_err(|error| (format!("set[{index}]"), error))?;
        }
        Ok(deleted)
    }
}
