//! The session that every bench works on: 10 keys, 919 bytes of nested JSON.

use serde_json::{Map, Value, json};

/// Keys of one session, the counter among them.
pub(crate) const KEYS: usize = 10;
/// Bytes of one session as one compact JSON object, with the counter at zero.
pub(crate) const BYTES: usize = 919;
/// The key that updates count in, so that the sum over all sessions tells whether one was lost.
pub(crate) const COUNTER: &str = "n";
/// The key that reads ask for.
pub(crate) const READ: &str = "key-5";

/// The state of one session.
pub(crate) fn state() -> Map<String, Value> {
    let mut state: Map<String, Value> =
        (1..KEYS).map(|index| (format!("key-{index}"), value(index, "some text"))).collect();
    state.insert(COUNTER.to_owned(), 0.into());
    let missing = BYTES.saturating_sub(text(&state).len());
    let last = format!("some text{}", ".".repeat(missing));
    state.insert(format!("key-{}", KEYS - 1), value(KEYS - 1, &last));
    assert_eq!((state.len(), text(&state).len()), (KEYS, BYTES), "the session of the benches has another size");
    state
}

fn value(index: usize, text: &str) -> Value {
    json!({"title": text, "done": index.is_multiple_of(2), "line": index, "tags": ["first", "second"]})
}

fn text(state: &Map<String, Value>) -> String {
    Value::Object(state.clone()).to_string()
}
