//! `read_state`.

use std::time::Duration;

use serde_json::{Value, json};
use sessile::{Principal, Ttl};

use super::{Client, World};

async fn fill(client: &Client<'_>, keys: &[&str]) {
    let set: Vec<Value> = keys.iter().map(|key| json!({ "key": key, "value": { "is": key } })).collect();
    client.ok("write_state", json!({ "set": set })).await;
}

fn keys(page: &Value) -> Vec<&str> {
    page["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn reads_all_some_or_a_prefix_sorted_by_key() {
    let world = World::new().await;
    let alice = world.client("alice");
    fill(&alice, &["b/2", "a", "b/1", "c"]).await;
    let all = alice.ok("read_state", json!({})).await;
    assert_eq!(keys(&all), ["a", "b/1", "b/2", "c"]);
    assert_eq!(all["entries"][0], json!({ "key": "a", "value": { "is": "a" }, "revision": 1 }));
    assert_eq!((&all["revision"], &all["missing"]), (&json!(1), &json!([])));
    assert_eq!(keys(&alice.ok("read_state", json!({ "prefix": "b/" })).await), ["b/1", "b/2"]);
    let some = alice.ok("read_state", json!({ "keys": ["z", "c", "a", "c"] })).await;
    assert_eq!((keys(&some), &some["missing"]), (vec!["a", "c"], &json!(["z"])));
    let bare = alice.ok("read_state", json!({ "keys_only": true, "prefix": "" })).await;
    assert_eq!(bare["entries"][1], json!({ "key": "b/1", "revision": 1 }));
    assert_eq!(keys(&alice.ok("read_state", json!({ "keys": [] })).await), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn pages_go_on_after_deletions() {
    let world = World::new().await;
    let alice = world.client("alice");
    fill(&alice, &["a", "b", "c", "d", "e"]).await;
    let first = alice.ok("read_state", json!({ "limit": 2 })).await;
    assert_eq!(keys(&first), ["a", "b"]);
    alice.ok("write_state", json!({ "delete": ["b", "c"] })).await;
    let second = alice.ok("read_state", json!({ "limit": 2, "cursor": first["cursor"] })).await;
    assert_eq!((keys(&second), second.get("cursor")), (vec!["d", "e"], None));
    let asked = json!({ "keys": ["a", "aa", "d", "dd", "e", "f"], "limit": 2 });
    let first = alice.ok("read_state", asked.clone()).await;
    assert_eq!((keys(&first), &first["missing"]), (vec!["a", "d"], &json!(["aa"])));
    let mut asked = asked;
    asked["cursor"] = first["cursor"].clone();
    let second = alice.ok("read_state", asked).await;
    assert_eq!((keys(&second), &second["missing"]), (vec!["e"], &json!(["dd", "f"])));
    assert_eq!(second.get("cursor"), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_bounded_in_bytes_and_holds_at_least_one_entry() {
    let world = World::new().await;
    let alice = world.client("alice");
    let large = "x".repeat(200 << 10);
    for key in ["a", "b", "c"] {
        alice.ok("write_state", json!({ "set": [{ "key": key, "value": large }] })).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = alice.ok("read_state", json!({ "cursor": cursor })).await;
        assert_eq!(keys(&page).len(), 1);
        seen.push(keys(&page)[0].to_owned());
        match page.get("cursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
    assert_eq!(keys(&alice.ok("read_state", json!({ "keys_only": true })).await).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_entries_when_no_limit_is_given() {
    let world = World::new().await;
    let alice = world.client("alice");
    let names: Vec<String> = (0..150).map(|index| format!("{index:03}")).collect();
    fill(&alice, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(keys(&alice.ok("read_state", json!({})).await).len(), 100);
    assert_eq!(keys(&alice.ok("read_state", json!({ "limit": 1_000 })).await).len(), 150);
}

#[tokio::test(start_paused = true)]
async fn reading_a_key_is_a_use_of_its_entry_and_listing_is_none() {
    let world = World::new().await;
    let bucket = world.service.owner(&Principal::new("test", "alice")).bucket().await.unwrap();
    let alice = world.client("alice");
    let ttl = Duration::from_secs(10);
    bucket.set_with("read", &1, Ttl::Sliding(ttl)).await.unwrap();
    bucket.set_with("listed", &1, Ttl::Sliding(ttl)).await.unwrap();
    bucket.set_with("named", &1, Ttl::Sliding(ttl)).await.unwrap();
    tokio::time::advance(ttl / 2).await;
    alice.ok("read_state", json!({ "keys": ["read"] })).await;
    alice.ok("read_state", json!({})).await;
    alice.ok("read_state", json!({ "keys": ["named"], "keys_only": true })).await;
    tokio::time::advance(ttl / 2 + Duration::from_secs(1)).await;
    let read = alice.ok("read_state", json!({})).await;
    assert_eq!(keys(&read), ["read"]);
    humantime::parse_rfc3339(read["entries"][0]["expires_at"].as_str().unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_arguments_are_named() {
    let world = World::new().await;
    let alice = world.client("alice");
    let many: Vec<String> = (0..1_001).map(|index| index.to_string()).collect();
    for (arguments, argument) in [
        (json!({ "keys": ["a"], "prefix": "a" }), "prefix"),
        (json!({ "limit": 0 }), "limit"),
        (json!({ "limit": 1_001 }), "limit"),
        (json!({ "limit": 1.5 }), "limit"),
        (json!({ "cursor": "nonsense" }), "cursor"),
        (json!({ "cursor": "" }), "cursor"),
        (json!({ "keys": ["a", ""] }), "keys[1]"),
        (json!({ "keys": ["a", 1] }), "keys[1]"),
        (json!({ "keys": many }), "keys"),
        (json!({ "keys": "a" }), "keys"),
        (json!({ "prefix": "x".repeat(257) }), "prefix"),
        (json!({ "session": "" }), "session"),
        (json!({ "keys_only": "yes" }), "keys_only"),
    ] {
        let refusal = alice.refused("read_state", arguments.clone()).await;
        assert_eq!(refusal.code, "invalid_argument", "{arguments}");
        assert_eq!(refusal.error["argument"], argument, "{}", refusal.message);
    }
}

#[tokio::test(start_paused = true)]
async fn large_integers_come_back_as_they_went() {
    let world = World::new().await;
    let alice = world.client("alice");
    let value = json!([9_007_199_254_740_993_i64, u64::MAX, i64::MIN, 0.1]);
    alice.ok("write_state", json!({ "set": [{ "key": "a", "value": value }] })).await;
    assert_eq!(alice.ok("read_state", json!({})).await["entries"][0]["value"], value);
}
