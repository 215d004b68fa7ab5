//! A write that came too late: what is there now.

use serde_json::{Map, Value};
use sessile::{Conflict, Session, Timestamp, UpdateError};

use super::failure::{Code, Failure};
use super::read::{BYTE_BUDGET, value};

/// The failure of an update, where a conflict shows the current revision and the values of the keys that the call named.
pub(super) fn or_update(session: &Session, error: UpdateError, keys: &[String], now: Timestamp) -> Failure {
    match error {
        UpdateError::Conflict(conflict) => {
            shown(session, conflict, keys).unwrap_or_else(|ended| Failure::ended(ended, now))
        }
        other => Failure::update(other, now),
    }
}

fn shown(session: &Session, conflict: Conflict, keys: &[String]) -> Result<Failure, sessile::Ended> {
    // Read after the conflict was found, so it may be newer than what the conflict named, and never older.
    let view = session.read()?;
    let revision = view.revision().get();
    let (mut values, mut missing, mut left_out, mut bytes) = (Map::new(), Vec::new(), Vec::new(), 0);
    for key in keys {
        // Looked at as a list does, which is no use of the entry: nobody asked to read it.
        match view.entries_from(key, None).next().filter(|entry| entry.key == key) {
            None => missing.push(key.as_str()),
            Some(entry) if bytes > 0 && bytes + entry.value.len() > BYTE_BUDGET => left_out.push(key.as_str()),
            Some(entry) => {
                bytes += entry.value.len();
                values.insert(key.clone(), value(entry.value));
            }
        }
    }
    let rest = if left_out.is_empty() { "" } else { " Some were too large to be shown; read_state reads them." };
    let message = format!(
        "Conflict: the session is at revision {revision}, not {}, because somebody wrote in between. Nothing was written. \
         `current` has the values of your keys now.{rest} Decide anew, then call again with if_revision {revision}.",
        conflict.expected,
    );
    let failure = Failure::new(Code::Conflict, message)
        .with("revision", revision)
        .with("current", Value::Object(values))
        .with("missing", missing);
    Ok(if left_out.is_empty() { failure } else { failure.with("left_out", left_out) })
}
