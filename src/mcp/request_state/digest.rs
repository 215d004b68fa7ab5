//! What a state is bound to: a request by its method, its name and its arguments.

use rmcp::model::{CallToolRequestParams, GetPromptRequestParams, JsonObject, ReadResourceRequestParams};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A request as its repeat has to be: the same method, name and arguments. What the client answers and the state itself
/// are no part of it.
#[derive(Clone, Copy, Debug)]
pub struct StatedRequest<'a> {
    method: &'a str,
    name: &'a str,
    arguments: Option<&'a JsonObject>,
}

impl<'a> StatedRequest<'a> {
    /// A request of this method: the tool's or prompt's name or the resource's address, and the arguments.
    #[must_use]
    pub fn new(method: &'a str, name: &'a str, arguments: Option<&'a JsonObject>) -> Self {
        Self { method, name, arguments }
    }

    /// Its digest: objects by their members in order of names, everything with its length before it, so that no two requests
    /// share an encoding.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"sessile request v1\0");
        text(&mut hash, self.method);
        text(&mut hash, self.name);
        // Left out or empty, there are none.
        match self.arguments {
            Some(arguments) => object(&mut hash, arguments),
            None => object(&mut hash, &JsonObject::new()),
        }
        hash.finalize().into()
    }
}

impl<'a> From<&'a CallToolRequestParams> for StatedRequest<'a> {
    fn from(call: &'a CallToolRequestParams) -> Self {
        Self::new("tools/call", &call.name, call.arguments.as_ref())
    }
}

impl<'a> From<&'a GetPromptRequestParams> for StatedRequest<'a> {
    fn from(prompt: &'a GetPromptRequestParams) -> Self {
        Self::new("prompts/get", &prompt.name, prompt.arguments.as_ref())
    }
}

impl<'a> From<&'a ReadResourceRequestParams> for StatedRequest<'a> {
    fn from(resource: &'a ReadResourceRequestParams) -> Self {
        Self::new("resources/read", &resource.uri, None)
    }
}

fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

fn object(hash: &mut Sha256, object: &JsonObject) {
    // Whatever order this build of serde_json keeps.
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    hash.update([b'{']);
    hash.update((members.len() as u64).to_le_bytes());
    for (name, member) in members {
        text(hash, name);
        value(hash, member);
    }
}

/// As deep as a request can be that was read: serde_json stops at 128 levels.
fn value(hash: &mut Sha256, of: &Value) {
    match of {
        Value::Null => hash.update([b'0']),
        Value::Bool(is) => hash.update([b'b', u8::from(*is)]),
        Value::Number(number) => {
            hash.update([b'n']);
            text(hash, &number.to_string());
        }
        Value::String(string) => {
            hash.update([b's']);
            text(hash, string);
        }
        Value::Array(elements) => {
            hash.update([b'[']);
            hash.update((elements.len() as u64).to_le_bytes());
            for element in elements {
                value(hash, element);
            }
        }
        Value::Object(members) => object(hash, members),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(name: &str, arguments: &Value) -> [u8; 32] {
        StatedRequest::new("tools/call", name, arguments.as_object()).digest()
    }

    #[test]
    fn a_request_is_the_same_whatever_the_order_of_its_members() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":{"c":[1,2],"d":null}}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{ "b": {"d":null, "c":[1,2]}, "a":1 }"#).unwrap();
        assert_eq!(digest("pay", &one), digest("pay", &other));
        assert_eq!(digest("pay", &Value::Null), digest("pay", &json!({})));
    }

    #[test]
    fn whatever_else_differs_tells_requests_apart() {
        let all = [
            ("pay", json!({})),
            ("pa", json!({"y": 1})),
            ("pay", json!({"a": 1})),
            ("pay", json!({"a": "1"})),
            ("pay", json!({"a": [1]})),
            ("pay", json!({"a": [1, null]})),
            ("pay", json!({"a": [[1], null]})),
            ("pay", json!({"a": {"b": 1}})),
            ("pay", json!({"a": true})),
            ("pay", json!({"a": false})),
            ("pay", json!({"a": null})),
            ("pay", json!({"a": 1, "b": 1})),
        ];
        let mut digests: Vec<_> = all.iter().map(|(name, arguments)| digest(name, arguments)).collect();
        digests.push(StatedRequest::new("prompts/get", "pay", None).digest());
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all.len() + 1);
    }
}
