//! `write_state`.

use std::time::Duration;

use serde_json::{Value, json};

use super::World;

#[tokio::test(start_paused = true)]
async fn sets_and_deletes_in_one_revision() {
    let world = World::new().await;
    let alice = world.client("alice");
    let set = json!([{ "key": "a", "value": null }, { "key": "b", "value": [1] }]);
    assert_eq!(alice.ok("write_state", json!({ "set": set })).await, json!({ "revision": 1, "deleted": 0 }));
    let both = json!({ "set": [{ "key": "c", "value": "x" }], "delete": ["b", "gone"] });
    assert_eq!(alice.ok("write_state", both).await, json!({ "revision": 2, "deleted": 1 }));
    let read = alice.ok("read_state", json!({})).await;
    let expected = json!([{ "key": "a", "value": null, "revision": 1 }, { "key": "c", "value": "x", "revision": 2 }]);
    assert_eq!(read["entries"], expected, "a null is a value");
    // What changes nothing commits nothing.
    assert_eq!(alice.ok("write_state", json!({ "delete": ["gone"] })).await["revision"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_part_refuses_the_whole() {
    let world = World::with(|builder| builder.max_value_bytes(16).max_bucket_entries(2_u64)).await;
    let alice = world.client("alice");
    let part = json!({ "set": [{ "key": "a", "value": 1 }, { "key": "b", "value": "x".repeat(20) }] });
    let refusal = alice.refused("write_state", part).await;
    assert_eq!((refusal.code.as_str(), &refusal.error["argument"]), ("limit_exceeded", &json!("set[1]")));
    assert_eq!((&refusal.error["allowed"], &refusal.error["attempted"]), (&json!(16), &json!(22)));
    let bad = json!({ "set": [{ "key": "a", "value": 1 }, { "key": "b\n", "value": 1 }] });
    let refusal = alice.refused("write_state", bad).await;
    assert_eq!((refusal.code.as_str(), &refusal.error["argument"]), ("invalid_argument", &json!("set[1]")));
    let many: Vec<Value> = ["a", "b", "c"].iter().map(|key| json!({ "key": key, "value": 1 })).collect();
    assert_eq!(alice.refused("write_state", json!({ "set": many })).await.code, "limit_exceeded");
    let deep = (0..101).fold(json!(1), |value, _| json!([value]));
    let refusal = alice.refused("write_state", json!({ "set": [{ "key": "a", "value": deep }] })).await;
    assert_eq!((refusal.code.as_str(), &refusal.error["argument"]), ("limit_exceeded", &json!("set[0].value")));
    assert_eq!(alice.ok("read_state", json!({})).await["revision"], 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_with_a_ttl_disappears() {
    let world = World::new().await;
    let alice = world.client("alice");
    alice.ok("write_state", json!({ "set": [{ "key": "a", "value": 1, "ttl_seconds": 60 }] })).await;
    tokio::time::advance(Duration::from_secs(59)).await;
    let read = alice.ok("read_state", json!({ "keys": ["a"] })).await;
    assert!(read["entries"][0]["expires_at"].is_string());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(alice.ok("read_state", json!({ "keys": ["a"] })).await["missing"], json!(["a"]));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_writes_nothing_and_shows_what_is_there() {
    let world = World::new().await;
    let alice = world.client("alice");
    alice
        .ok("write_state", json!({ "set": [{ "key": "a", "value": { "n": 1 } }, { "key": "other", "value": 1 }] }))
        .await;
    alice.ok("write_state", json!({ "set": [{ "key": "a", "value": { "n": 2 } }], "if_revision": 1 })).await;
    let late = json!({ "set": [{ "key": "a", "value": { "n": 3 } }], "delete": ["gone"], "if_revision": 1 });
    let refusal = alice.refused("write_state", late).await;
    assert_eq!(refusal.code, "conflict");
    assert_eq!(refusal.error["revision"], 2);
    assert_eq!(refusal.error["current"], json!({ "a": { "n": 2 } }));
    assert_eq!(refusal.error["missing"], json!(["gone"]));
    assert!(refusal.message.contains("at revision 2, not 1") && refusal.message.contains("if_revision 2"));
    let again = json!({ "set": [{ "key": "a", "value": { "n": 3 } }], "if_revision": refusal.error["revision"] });
    assert_eq!(alice.ok("write_state", again).await["revision"], 3);
    let refusal = alice.refused("merge_state", json!({ "patch": { "a": { "n": 9 } }, "if_revision": 2 })).await;
    assert_eq!((refusal.code.as_str(), &refusal.error["current"]), ("conflict", &json!({ "a": { "n": 3 } })));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_bounded_too() {
    let world = World::new().await;
    let alice = world.client("alice");
    for key in ["a", "b"] {
        alice.ok("write_state", json!({ "set": [{ "key": key, "value": "x".repeat(200 << 10) }] })).await;
    }
    let refusal = alice.refused("write_state", json!({ "delete": ["a", "b"], "if_revision": 0 })).await;
    assert_eq!(refusal.error["left_out"], json!(["b"]));
    assert_eq!(refusal.error["current"].as_object().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_arguments_are_named() {
    let world = World::new().await;
    let alice = world.client("alice");
    let many: Vec<String> = (0..600).map(|index| index.to_string()).collect();
    let sets: Vec<Value> = (600..1_001).map(|index| json!({ "key": index.to_string(), "value": 1 })).collect();
    for (arguments, argument) in [
        (json!({}), "set"),
        (json!({ "set": [], "delete": [] }), "set"),
        (json!({ "set": sets, "delete": many }), "set"),
        (json!({ "set": [{ "key": "a", "value": 1 }, { "key": "a", "value": 2 }] }), "set[1].key"),
        (json!({ "set": [{ "key": "a", "value": 1 }], "delete": ["a"] }), "delete[0]"),
        (json!({ "delete": ["a", "a"] }), "delete[1]"),
        (json!({ "set": [{ "key": "", "value": 1 }] }), "set[0].key"),
        (json!({ "set": [{ "key": "x".repeat(257), "value": 1 }] }), "set[0].key"),
        (json!({ "set": [{ "key": "a", "value": 1, "ttl_seconds": 0 }] }), "set[0].ttl_seconds"),
        (json!({ "set": [{ "key": "a", "value": 1, "ttl_seconds": -1 }] }), "set[0].ttl_seconds"),
        (json!({ "set": [{ "key": "a" }] }), "set[0]"),
        (json!({ "set": [{ "key": "a", "value": 1, "ttl": 1 }] }), "set[0].ttl"),
        (json!({ "set": { "a": 1 } }), "set"),
        (json!({ "delete": ["a"], "if_revision": "1" }), "if_revision"),
        (json!({ "delete": ["a"], "if_revision": -1 }), "if_revision"),
    ] {
        let refusal = alice.refused("write_state", arguments.clone()).await;
        assert_eq!(refusal.code, "invalid_argument", "{arguments}");
        assert_eq!(refusal.error["argument"], argument, "{}", refusal.message);
    }
    let zero = json!({ "set": [{ "key": "a", "value": 1, "ttl_seconds": 0 }] });
    assert!(alice.refused("write_state", zero).await.message.contains("leave it out"));
    assert_eq!(alice.ok("read_state", json!({})).await["revision"], 0);
}
