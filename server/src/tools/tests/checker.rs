//! The part of JSON Schema that the tools' schemas use, which is all that a checker here has to know.

use serde_json::Value;

const KNOWN: [&str; 14] = [
    "type",
    "properties",
    "required",
    "items",
    "description",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "maxProperties",
    "pattern",
    "title",
    "default",
];

/// Every place where `value` is not as `schema` says. A property that the schema does not know is one.
pub(super) fn check(schema: &Value, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    walk(schema, value, "$", &mut problems);
    problems
}

fn walk(schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    let schema = schema.as_object().expect("a schema is an object");
    for word in schema.keys() {
        assert!(KNOWN.contains(&word.as_str()), "{path}: this checker does not know {word}");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap()).collect(),
        other => panic!("{path}: {other} is no type"),
    };
    if !types.iter().any(|name| is(name, value)) {
        problems.push(format!("{path}: {value} is not {types:?}"));
        return;
    }
    let figure = |name: &str| schema.get(name).and_then(Value::as_f64);
    let mut within = |what: f64, least: &str, most: &str| {
        if figure(least).is_some_and(|least| what < least) || figure(most).is_some_and(|most| what > most) {
            problems.push(format!("{path}: {what} is out of range"));
        }
    };
    match value {
        Value::Number(number) => within(number.as_f64().unwrap(), "minimum", "maximum"),
        Value::String(text) => within(text.chars().count() as f64, "minLength", "maxLength"),
        Value::Array(items) => within(items.len() as f64, "minItems", "maxItems"),
        _ => {}
    }
    if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            walk(schema, item, &format!("{path}[{index}]"), problems);
        }
    }
    if let (Value::Object(members), Some(Value::Object(properties))) = (value, schema.get("properties")) {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                problems.push(format!("{path}: {name} is missing"));
            }
        }
        for (name, member) in members {
            match properties.get(name) {
                Some(schema) => walk(schema, member, &format!("{path}.{name}"), problems),
                None => problems.push(format!("{path}.{name} is not in the schema")),
            }
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"],
        "properties": { "a": { "type": "integer", "minimum": 1 }, "b": { "type": "array", "items": { "type": ["string", "null"] } } },
    });
    assert_eq!(check(&schema, &serde_json::json!({ "a": 1, "b": ["x", null] })), Vec::<String>::new());
    for wrong in [
        serde_json::json!([]),
        serde_json::json!({}),
        serde_json::json!({ "a": 0 }),
        serde_json::json!({ "a": 1.5 }),
        serde_json::json!({ "a": 1, "b": [1] }),
        serde_json::json!({ "a": 1, "c": 1 }),
    ] {
        assert_eq!(check(&schema, &wrong).len(), 1, "{wrong}");
    }
}
