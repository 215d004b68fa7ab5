//! What is said about arguments that are wrong, whatever the tool.

use serde_json::json;

use super::World;

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_argument_and_what_is_allowed() {
    let world = World::new().await;
    let alice = world.client("alice");
    for (tool, arguments, words) in [
        ("read_state", json!({ "limit": 5_000 }), "`limit`: greater than 1000; allowed is an integer from 1 to 1000"),
        ("read_state", json!({ "limit": "5" }), "allowed is an integer from 1 to 1000"),
        ("read_state", json!({ "keys": [""] }), "allowed is text of 1 to 256 bytes"),
        ("read_state", json!({ "key": "a" }), "unknown field `key`, expected one of `session`, `keys`"),
        ("increment_state", json!({}), "missing field `key`"),
        ("increment_state", json!({ "key": "a", "by": "1" }), "allowed is a 64-bit integer"),
        ("append_state", json!({ "key": "a" }), "missing field `value`"),
        ("close_session", json!({}), "missing field `session`"),
        ("write_state", json!({ "delete": ["a"], "if_revision": -1 }), "allowed is an integer of at least 0"),
    ] {
        let refusal = alice.refused(tool, arguments.clone()).await;
        assert_eq!(refusal.code, "invalid_argument", "{tool} {arguments}");
        assert!(refusal.message.contains(words), "{tool} {arguments}: {}", refusal.message);
    }
}

#[tokio::test(start_paused = true)]
async fn every_tool_refuses_an_argument_that_it_does_not_know() {
    let world = World::new().await;
    let alice = world.client("alice");
    for tool in &world.server.shared.tools {
        let refusal = alice.refused(&tool.name, json!({ "surprise": true })).await;
        assert_eq!(refusal.code, "invalid_argument", "{}", tool.name);
        assert!(refusal.message.contains("surprise"), "{}: {}", tool.name, refusal.message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_not_sent_back_at_length() {
    let world = World::new().await;
    let refusal = world.client("alice").refused("read_state", json!({ "limit": "x".repeat(100_000) })).await;
    assert!(refusal.message.len() < 1_000, "{} bytes", refusal.message.len());
    let long = "y".repeat(100_000);
    let refusal = world.client("alice").refused("read_state", json!({ long: 1 })).await;
    assert!(refusal.message.len() < 1_000, "{} bytes", refusal.message.len());
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_is_not_there_is_no_tool_error() {
    let world = World::new().await;
    assert!(world.server.run("drop_tables", None, &world.client("alice").call()).await.is_none());
}
