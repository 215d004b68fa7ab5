//! Schemas and descriptions that every client takes.

use std::time::Duration;

use rmcp::ServerHandler as _;
use rmcp::model::Tool;
use serde_json::{Value, json};
use sessile::Clock;

use super::super::{Lifetimes, StateServer};

const NAMES: [&str; 8] = [
    "create_session",
    "list_sessions",
    "close_session",
    "read_state",
    "write_state",
    "increment_state",
    "append_state",
    "merge_state",
];
const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

fn server(idle_timeout: Option<Duration>, max_lifetime: Option<Duration>) -> StateServer {
    StateServer::new(Lifetimes { idle_timeout, max_lifetime }, Clock::system())
}

/// As clients get it.
fn listed(tool: &Tool) -> Value {
    serde_json::to_value(tool).unwrap()
}

fn walk(schema: &Value, path: &str) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{path}: a subschema is an object, not {schema}"));
    for word in
        ["$ref", "$defs", "oneOf", "anyOf", "allOf", "not", "additionalProperties", "format", "const", "nullable"]
    {
        assert!(!object.contains_key(word), "{path}: {word}");
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        other => panic!("{path}: no type but {other}"),
    };
    assert!(!types.is_empty() && types.iter().all(|name| TYPES.contains(&name.as_str())), "{path}: {types:?}");
    if path.contains('.') {
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(!description.is_empty() || types == ["object"], "{path}: no description");
    }
    if types == ["array"] {
        walk(&schema["items"], &format!("{path}[]"));
    }
    let properties = object.get("properties").map(|properties| properties.as_object().unwrap());
    for (name, property) in properties.into_iter().flatten() {
        walk(property, &format!("{path}.{name}"));
    }
    for name in object.get("required").and_then(Value::as_array).into_iter().flatten() {
        assert!(properties.unwrap().contains_key(name.as_str().unwrap()), "{path}: requires {name}");
    }
}

#[tokio::test]
async fn every_schema_keeps_to_what_every_client_takes() {
    let server = server(Some(Duration::from_secs(60)), None);
    for name in NAMES {
        let tool = listed(&server.get_tool(name).unwrap());
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{name}");
            walk(&tool[schema], name);
        }
    }
}

#[tokio::test]
async fn every_tool_has_a_title_a_description_and_hints() {
    let server = server(None, None);
    assert_eq!(server.shared.tools.iter().map(|tool| tool.name.as_ref()).collect::<Vec<_>>(), NAMES);
    let hints = |name: &str| {
        let tool = listed(&server.get_tool(name).unwrap());
        assert!(tool["title"].as_str().unwrap().len() > 3, "{name}");
        assert!(tool["description"].as_str().unwrap().len() > 80, "{name}");
        let hints = &tool["annotations"];
        assert_eq!(hints["openWorldHint"], false, "{name}");
        json!([hints["readOnlyHint"], hints["destructiveHint"], hints["idempotentHint"]])
    };
    for name in ["list_sessions", "read_state"] {
        assert_eq!(hints(name), json!([true, false, true]), "{name}");
    }
    for name in ["close_session", "write_state", "merge_state"] {
        assert_eq!(hints(name), json!([false, true, true]), "{name}");
    }
    for name in ["create_session", "increment_state", "append_state"] {
        assert_eq!(hints(name), json!([false, false, false]), "{name}");
    }
}

#[tokio::test]
async fn create_session_says_how_long_a_session_lives() {
    let says = |idle: Option<u64>, max: Option<u64>| {
        let server = server(idle.map(Duration::from_secs), max.map(Duration::from_secs));
        server.get_tool("create_session").unwrap().description.unwrap().into_owned()
    };
    assert!(says(Some(7 * 86_400), None).contains("A session ends after 7 days without use;"));
    assert!(
        says(Some(1_800), Some(86_400))
            .contains("ends after 30 minutes without use, and 1 day after its creation at the latest")
    );
    assert!(says(None, None).contains("A session does not end by itself"));
}

#[tokio::test]
async fn the_server_names_itself_and_says_in_five_lines_when_to_use_what() {
    let info = server(None, None).get_info();
    assert_eq!(info.server_info.name, "sessile");
    let instructions = info.instructions.unwrap();
    assert_eq!(instructions.lines().count(), 5);
    for name in NAMES {
        assert!(instructions.contains(name), "{name}");
    }
}
