//! `idempotency_key`: a write that is repeated is written once.

use serde_json::{Value, json};

use super::World;

/// Every tool that writes, with arguments.
fn writes() -> [(&'static str, Value); 4] {
    [
        ("write_state", json!({ "set": [{ "key": "a", "value": { "x": 1, "y": [2] } }], "delete": ["b"] })),
        ("increment_state", json!({ "key": "n", "by": 3 })),
        ("append_state", json!({ "key": "list", "value": null })),
        ("merge_state", json!({ "patch": { "a": { "z": 3 } } })),
    ]
}

fn with(arguments: &Value, key: impl Into<Value>) -> Value {
    let mut arguments = arguments.clone();
    arguments["idempotency_key"] = key.into();
    arguments
}

#[tokio::test(start_paused = true)]
async fn a_repeat_gets_the_first_answer_and_says_so() {
    let world = World::new().await;
    let alice = world.client("alice");
    for (revision, (tool, arguments)) in (1..).zip(writes()) {
        let keyed = with(&arguments, format!("key-of-{tool}"));
        let first = alice.ok(tool, keyed.clone()).await;
        assert_eq!((&first["revision"], first.get("repeated")), (&json!(revision), None), "{tool}");
        for _ in 0..2 {
            let mut repeat = alice.ok(tool, keyed.clone()).await;
            assert_eq!(repeat.as_object_mut().unwrap().remove("repeated"), Some(json!(true)), "{tool}");
            assert_eq!(repeat, first, "{tool}");
        }
    }
    let read = alice.ok("read_state", json!({})).await;
    assert_eq!(read["revision"], 4);
    assert_eq!(read["entries"][1]["value"], json!([null]));
    assert_eq!(read["entries"][2]["value"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_for_one_call() {
    let world = World::new().await;
    let alice = world.client("alice");
    alice.ok("increment_state", json!({ "key": "n", "idempotency_key": "k" })).await;
    for (tool, arguments) in writes() {
        let refusal = alice.refused(tool, with(&arguments, "k")).await;
        assert_eq!(
            (refusal.code.as_str(), &refusal.error["revision"]),
            ("idempotency_key_reused", &json!(1)),
            "{tool}"
        );
        assert!(refusal.message.contains("Nothing was written"), "{}", refusal.message);
    }
    // Left out and null are the same, and so is the order of members.
    let same = json!({ "by": null, "idempotency_key": "k", "key": "n", "session": null });
    assert_eq!(alice.ok("increment_state", same).await["repeated"], true);
    // Keys are a session's own, and a caller's.
    let session = alice.session().await;
    let elsewhere = json!({ "session": session, "key": "n", "idempotency_key": "k" });
    assert_eq!(alice.ok("increment_state", elsewhere).await, json!({ "value": 1, "revision": 1 }));
    let bob = world.client("bob");
    let other = json!({ "key": "n", "idempotency_key": "k" });
    assert_eq!(bob.ok("increment_state", other).await, json!({ "value": 1, "revision": 1 }));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_at_an_old_revision_is_no_conflict() {
    let world = World::new().await;
    let alice = world.client("alice");
    for (tool, revision, arguments) in [
        ("write_state", 0, json!({ "set": [{ "key": "a", "value": 1 }], "if_revision": 0 })),
        ("merge_state", 1, json!({ "patch": { "a": 2 }, "if_revision": 1 })),
    ] {
        assert_eq!(alice.ok(tool, with(&arguments, tool)).await["revision"], revision + 1);
        assert_eq!(alice.ok(tool, with(&arguments, tool)).await["repeated"], true);
        assert_eq!(alice.refused(tool, arguments).await.code, "conflict");
    }
    // A conflict is not remembered: the same key writes later.
    let late = |revision: u64| json!({ "patch": { "a": 3 }, "if_revision": revision, "idempotency_key": "late" });
    assert_eq!(alice.refused("merge_state", late(0)).await.code, "conflict");
    assert_eq!(alice.ok("merge_state", late(2)).await["revision"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_none_is_refused_and_readers_take_none() {
    let world = World::new().await;
    let alice = world.client("alice");
    for (tool, arguments) in writes() {
        for key in [json!(""), json!("a b"), json!("größe"), json!("x".repeat(129)), json!(7), json!({})] {
            let refusal = alice.refused(tool, with(&arguments, key.clone())).await;
            let told = (refusal.code.as_str(), &refusal.error["argument"]);
            assert_eq!(told, ("invalid_argument", &json!("idempotency_key")), "{tool} {key}");
        }
        assert_eq!(alice.ok(tool, with(&arguments, Value::Null)).await.get("repeated"), None);
    }
    for tool in ["read_state", "list_sessions", "create_session"] {
        assert_eq!(alice.refused(tool, json!({ "idempotency_key": "k" })).await.code, "invalid_argument", "{tool}");
    }
}
