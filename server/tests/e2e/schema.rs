//! `tools/list` as clients take it, in both eras: one schema that is too clever costs a client the whole list.

use serde_json::{Value, json};

use crate::harness::{Era, Official, Raw, Server};

const TOOLS: [&str; 8] = [
    "create_session",
    "list_sessions",
    "close_session",
    "read_state",
    "write_state",
    "increment_state",
    "append_state",
    "merge_state",
];

/// Keywords of JSON Schema under which there is one schema.
const ONE: [&str; 7] = ["items", "additionalProperties", "not", "if", "then", "else", "propertyNames"];
/// Keywords that some client does not follow.
const FORBIDDEN: [&str; 5] = ["$ref", "$defs", "definitions", "$dynamicRef", "patternProperties"];

#[test]
fn every_client_takes_every_tool_in_both_eras() {
    let server = Server::start(&[]);
    for mut client in Official::all() {
        client.connect(&server, None);
        check(&client.tools(), &client.name());
    }
    let [legacy, modern] = Era::BOTH.map(|era| {
        let mut raw = Raw::connect(&server, era, None);
        let answer = raw.ask("tools/list", json!({})).unwrap();
        raw.result(&answer).unwrap()["tools"].clone()
    });
    check(&legacy, "raw");
    assert_eq!(legacy, modern, "one list for both eras");
}

fn check(tools: &Value, client: &str) {
    let tools = tools.as_array().unwrap();
    let mut names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let mut expected = TOOLS;
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected, "{client}");
    for tool in tools {
        let context = format!("{} with {client}", tool["name"]);
        for text in ["title", "description"] {
            assert!(tool[text].as_str().is_some_and(|text| !text.is_empty()), "{text} of {context}");
        }
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{hint} of {context}");
        }
        for schema in ["inputSchema", "outputSchema"] {
            let root = &tool[schema];
            let context = format!("{schema} of {context}");
            assert_eq!(root["type"], "object", "{context}");
            for combination in ["oneOf", "anyOf", "allOf"] {
                assert!(root.get(combination).is_none(), "{combination} at the root: {context}");
            }
            walk(root, &context);
        }
    }
}

fn walk(schema: &Value, context: &str) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{schema} is no schema: {context}"));
    for word in FORBIDDEN {
        assert!(!schema.contains_key(word), "{word}: {context}");
    }
    assert!(schema.get("format").is_none_or(|format| format == "date-time"), "{schema:?}: {context}");
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let context = format!("`{name}` in {context}");
        let kind = &property["type"];
        let types = kind.as_array().map_or(usize::from(kind.is_string()), Vec::len);
        assert!(types > 0, "no type: {context}");
        walk(property, &context);
    }
    for word in ONE {
        schema.get(word).into_iter().for_each(|inner| walk(inner, context));
    }
    for word in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        schema.get(word).and_then(Value::as_array).into_iter().flatten().for_each(|inner| walk(inner, context));
    }
}
