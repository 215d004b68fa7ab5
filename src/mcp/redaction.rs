//! What of arguments and results is not kept: the values of members that are named like credentials, or as the author says.

use std::sync::Arc;

use serde_json::Value;

use crate::error::IdError;
use crate::id::{ParsedId, SessionId};

/// What stands in place of a value.
const REDACTED: &str = "[redacted]";
/// Names, and ends of names, whose values are never kept; without `_` and `-`, in lower case.
const NEVER: [&str; 9] =
    ["password", "passphrase", "secret", "token", "authorization", "cookie", "apikey", "privatekey", "credentials"];

/// The names of one author, beside those that are never kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Redaction(Arc<[String]>);

impl Redaction {
    pub(super) fn add(&mut self, names: impl Iterator<Item = String>) {
        self.0 = self.0.iter().cloned().chain(names.map(|name| plain(&name))).collect();
    }

    /// Takes the values out, at any depth.
    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if self.names(name) {
                        *value = REDACTED.into();
                    } else {
                        self.apply(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            // An id of a session is a credential where its holder has no identity.
            Value::String(text) if is_session(text) => *value = REDACTED.into(),
            _ => {}
        }
    }

    fn names(&self, name: &str) -> bool {
        let name = plain(name);
        NEVER.iter().any(|never| name.ends_with(never)) || self.0.contains(&name)
    }
}

/// Whether a text is the id of a session of ours, or one with a typing error.
fn is_session(text: &str) -> bool {
    matches!(SessionId::parse(text), Ok(ParsedId::Generated(_)) | Err(IdError::Mistyped))
}

/// A name in one spelling: `API-Key` is `api_key` is `apiKey`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_telling_names_go_at_any_depth_and_others_stay() {
        let mut redaction = Redaction::default();
        redaction.add(["IBAN".to_owned()].into_iter());
        let mut value = json!({
            "user": "alice", "password": "p", "nested": [{"API-Key": 1, "accessToken": "t", "tokens": 3}],
            "iban": ["a"], "ibans": "stay", "X-Authorization": {"deep": "s"},
        });
        redaction.apply(&mut value);
        let gone = REDACTED;
        let expected = json!({
            "user": "alice", "password": gone, "nested": [{"API-Key": gone, "accessToken": gone, "tokens": 3}],
            "iban": gone, "ibans": "stay", "X-Authorization": gone,
        });
        assert_eq!(value, expected);
    }
}
