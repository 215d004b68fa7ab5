//! `increment_state`, `append_state`, `merge_state`.

use std::sync::Arc;

use serde_json::json;

use super::World;

#[tokio::test(start_paused = true)]
async fn increments_by_one_or_by_what_is_asked() {
    let world = World::new().await;
    let alice = world.client("alice");
    assert_eq!(alice.ok("increment_state", json!({ "key": "n" })).await, json!({ "value": 1, "revision": 1 }));
    assert_eq!(
        alice.ok("increment_state", json!({ "key": "n", "by": -5 })).await,
        json!({ "value": -4, "revision": 2 })
    );
    assert_eq!(
        alice.ok("increment_state", json!({ "key": "n", "by": 0 })).await,
        json!({ "value": -4, "revision": 2 })
    );
    assert_eq!(alice.ok("increment_state", json!({ "key": "n", "by": null })).await["value"], -3);
}

#[tokio::test(start_paused = true)]
async fn only_an_integer_is_incremented_and_only_in_range() {
    let world = World::new().await;
    let alice = world.client("alice");
    let set =
        json!([{ "key": "text", "value": "1" }, { "key": "half", "value": 0.5 }, { "key": "most", "value": i64::MAX }]);
    alice.ok("write_state", json!({ "set": set })).await;
    for (key, code) in [("text", "not_an_integer"), ("half", "not_an_integer"), ("most", "out_of_range")] {
        let refusal = alice.refused("increment_state", json!({ "key": key })).await;
        assert_eq!(refusal.code, code);
        assert!(refusal.message.contains("write_state"), "{}", refusal.message);
    }
    for (arguments, argument) in [
        (json!({}), "arguments"),
        (json!({ "key": "" }), "key"),
        (json!({ "key": "n", "by": 0.5 }), "by"),
        (json!({ "key": "n", "by": 1e30 }), "by"),
    ] {
        let refusal = alice.refused("increment_state", arguments.clone()).await;
        assert_eq!(
            (refusal.code.as_str(), &refusal.error["argument"]),
            ("invalid_argument", &json!(argument)),
            "{arguments}"
        );
    }
    assert_eq!(alice.ok("read_state", json!({})).await["revision"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_of_64_tasks_is_lost() {
    let world = Arc::new(World::new().await);
    let session = world.client("alice").session().await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (world, session) = (Arc::clone(&world), session.clone());
            tokio::spawn(async move {
                let alice = world.client("alice");
                for _ in 0..50 {
                    alice.ok("increment_state", json!({ "session": session, "key": "n" })).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let read = world.client("alice").ok("read_state", json!({ "session": session })).await;
    assert_eq!((&read["entries"][0]["value"], &read["revision"]), (&json!(3_200), &json!(3_200)));
}

#[tokio::test(start_paused = true)]
async fn appends_any_value_to_an_array_alone() {
    let world = World::new().await;
    let alice = world.client("alice");
    assert_eq!(
        alice.ok("append_state", json!({ "key": "log", "value": null })).await,
        json!({ "length": 1, "revision": 1 })
    );
    assert_eq!(alice.ok("append_state", json!({ "key": "log", "value": [1, 2] })).await["length"], 2);
    let read = alice.ok("read_state", json!({})).await;
    assert_eq!(read["entries"][0]["value"], json!([null, [1, 2]]));
    alice.ok("write_state", json!({ "set": [{ "key": "n", "value": 1 }] })).await;
    let refusal = alice.refused("append_state", json!({ "key": "n", "value": 1 })).await;
    assert_eq!(refusal.code, "not_an_array");
    assert!(refusal.message.contains("a number"), "{}", refusal.message);
    assert_eq!(alice.refused("append_state", json!({ "key": "log" })).await.code, "invalid_argument");
}

#[tokio::test(start_paused = true)]
async fn merges_as_rfc_7396_says() {
    let world = World::new().await;
    let alice = world.client("alice");
    let set = json!([{ "key": "plan", "value": { "status": "open", "draft": 1, "deep": { "a": 1 } } }, { "key": "old", "value": 1 }]);
    alice.ok("write_state", json!({ "set": set })).await;
    let patch =
        json!({ "plan": { "status": "done", "draft": null, "deep": { "b": 2 } }, "old": null, "new": { "x": null } });
    let merged = alice.ok("merge_state", json!({ "patch": patch, "if_revision": 1 })).await;
    assert_eq!(merged, json!({ "revision": 2, "changed": ["new", "old", "plan"] }));
    let read = alice.ok("read_state", json!({})).await;
    assert_eq!(read["entries"][0]["value"], json!({}));
    assert_eq!(read["entries"][1]["value"], json!({ "status": "done", "deep": { "a": 1, "b": 2 } }));
    let nothing = alice.ok("merge_state", json!({ "patch": { "gone": null } })).await;
    assert_eq!(nothing, json!({ "revision": 2, "changed": [] }));
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_an_object_of_one_to_a_thousand_keys() {
    let world = World::new().await;
    let alice = world.client("alice");
    let many: serde_json::Map<_, _> = (0..1_001).map(|index| (index.to_string(), json!(1))).collect();
    for patch in [json!({}), json!(many), json!([]), json!("x"), json!(null)] {
        let refusal = alice.refused("merge_state", json!({ "patch": patch })).await;
        assert_eq!((refusal.code.as_str(), &refusal.error["argument"]), ("invalid_argument", &json!("patch")));
    }
    assert_eq!(alice.refused("merge_state", json!({ "patch": { "": 1 } })).await.code, "invalid_argument");
}
