//! What a tool answered, whoever called it.

use serde_json::{Value, json};

/// The result of one call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) is_error: bool,
    pub(crate) structured: Value,
    pub(crate) content: Value,
}

/// Whoever can call a tool: an official client or a raw connection.
pub(crate) trait Caller {
    /// Calls a tool; the error is whatever kept a result from coming back.
    fn try_call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String>;

    /// The structured answer of a call that has to succeed.
    #[track_caller]
    fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let reply = self.try_call(tool, arguments.clone());
        match reply {
            Ok(reply) if !reply.is_error => reply.structured,
            other => panic!("{tool} {arguments}: {other:?}"),
        }
    }

    /// The error of a call that has to be refused by the tool.
    #[track_caller]
    fn refused(&mut self, tool: &str, arguments: Value) -> Value {
        let reply = self.try_call(tool, arguments.clone());
        match reply {
            Ok(reply) if reply.is_error => reply.error(),
            other => panic!("{tool} {arguments}: {other:?}"),
        }
    }

    /// Sets one key of `session`, or of the caller's own where that is null.
    #[track_caller]
    fn set(&mut self, session: &Value, key: &str, value: Value) -> Value {
        self.done("write_state", with(session, json!({"set": [{"key": key, "value": value}]})))
    }

    /// The value of one key; null where it is not there.
    #[track_caller]
    fn value(&mut self, session: &Value, key: &str) -> Value {
        self.done("read_state", with(session, json!({"keys": [key]})))["entries"][0]["value"].clone()
    }

    /// The revision of a session.
    #[track_caller]
    fn revision(&mut self, session: &Value) -> u64 {
        self.done("read_state", with(session, json!({"limit": 1})))["revision"].as_u64().unwrap()
    }
}

/// Arguments with `session`, unless that is null.
pub(crate) fn with(session: &Value, mut arguments: Value) -> Value {
    if !session.is_null() {
        arguments["session"] = session.clone();
    }
    arguments
}

impl Reply {
    /// From the result of `tools/call`.
    pub(crate) fn of(result: &Value) -> Self {
        Self {
            is_error: result["isError"].as_bool().unwrap_or(false),
            structured: result["structuredContent"].clone(),
            content: result["content"].clone(),
        }
    }

    /// The error as JSON, which follows the sentence.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let texts: Vec<&str> =
            self.content.as_array().unwrap().iter().filter_map(|part| part["text"].as_str()).collect();
        let json: Value = serde_json::from_str(texts.last().unwrap()).unwrap_or_else(|_| panic!("{texts:?}"));
        assert_eq!(json["error"]["message"], texts[0], "sentence and JSON differ");
        json["error"].clone()
    }
}
