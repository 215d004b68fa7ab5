//! Arguments from outside: read into a type, checked once, refused with what is allowed.

use garde::Validate;
use rmcp::model::{JsonObject, Tool};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;

/// The most characters of what others wrote that are passed on; messages repeat what was sent.
const MAX_MESSAGE: usize = 200;

/// Reads and checks the arguments of a tool.
pub(super) fn parse<T>(tool: &Tool, arguments: JsonObject) -> Result<T, Failure>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    let parsed: T = serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        refused(tool, &path, &error.into_inner().to_string())
    })?;
    parsed.validate().map_err(|report| match report.iter().next() {
        Some((path, error)) => refused(tool, &path.to_string(), error.message()),
        None => Failure::argument(".", "refused"),
    })?;
    Ok(parsed)
}

fn refused(tool: &Tool, path: &str, problem: &str) -> Failure {
    let problem = short(problem);
    match at(&tool.input_schema, path).and_then(allowed) {
        Some(allowed) => Failure::argument(path, format!("{problem}; allowed is {allowed}")),
        // A field that is missing or unknown: the message names it, the path at most what it should be in.
        None => {
            let place = if path == "." { "arguments" } else { &short(path) };
            Failure::argument(place, problem)
        }
    }
}

/// What others wrote, bounded.
pub(super) fn short(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

/// The schema at a path such as `set[2].key`.
fn at<'a>(root: &'a JsonObject, path: &str) -> Option<&'a JsonObject> {
    let mut parts = path.split('.');
    let mut schema = member(root, parts.next()?)?;
    for part in parts {
        schema = member(schema, part)?;
    }
    Some(schema)
}

fn member<'a>(schema: &'a JsonObject, part: &str) -> Option<&'a JsonObject> {
    let (name, indices) = part.split_once('[').unwrap_or((part, ""));
    let mut schema = schema.get("properties")?.get(name)?;
    for _ in indices.matches(']') {
        schema = schema.get("items")?;
    }
    schema.as_object()
}

/// What a schema allows, in words; nothing where the problem itself has to say it.
fn allowed(schema: &JsonObject) -> Option<String> {
    let figure = |name: &str| schema.get(name).and_then(Value::as_u64);
    let kind = match schema.get("type")? {
        Value::String(kind) => kind.as_str(),
        _ => return Some("any JSON value".to_owned()),
    };
    Some(match (kind, figure("minimum"), figure("maximum")) {
        ("integer", Some(least), Some(most)) => format!("an integer from {least} to {most}"),
        ("integer", Some(least), None) => format!("an integer of at least {least}"),
        ("integer", ..) => "a 64-bit integer".to_owned(),
        ("string", ..) => match (figure("minLength"), figure("maxLength")) {
            (Some(least), Some(most)) => format!("text of {least} to {most} bytes"),
            (_, Some(most)) => format!("text of at most {most} bytes"),
            _ => "text".to_owned(),
        },
        ("array", ..) => match figure("maxItems") {
            Some(most) => format!("an array of at most {most} items"),
            None => "an array".to_owned(),
        },
        ("boolean", ..) => "true or false".to_owned(),
        _ => "an object".to_owned(),
    })
}
