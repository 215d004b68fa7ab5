//! `create_session`, `list_sessions`, `close_session`.

use serde_json::{Value, json};

use super::World;

fn handles(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["session"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_session_says_what_it_is_and_how_long_it_lives() {
    let world = World::new().await;
    let made = world.client("alice").ok("create_session", json!({ "kind": "cart", "label": "groceries" })).await;
    assert!(made["session"].as_str().unwrap().starts_with("cart_"));
    assert_eq!(made["created"], true);
    assert_eq!((&made["kind"], &made["label"], &made["name"]), (&json!("cart"), &json!("groceries"), &Value::Null));
    let lifetime =
        "ends after 30 minutes without use, and 1 day after its creation at the latest; then its state is gone";
    assert_eq!(made["lifetime"], lifetime);
    let time = |name: &str| humantime::parse_rfc3339(made[name].as_str().unwrap()).unwrap();
    assert_eq!(time("expires_at").duration_since(time("created_at")).unwrap(), super::IDLE);
    let second = world.client("alice").ok("create_session", json!({})).await;
    assert!(second["session"].as_str().unwrap().starts_with("session_"));
}

#[tokio::test(start_paused = true)]
async fn a_name_leads_back_to_its_session() {
    let world = World::new().await;
    let (alice, bob) = (world.client("alice"), world.client("bob"));
    let made = alice.ok("create_session", json!({ "name": "groceries", "idle_timeout_seconds": 60 })).await;
    assert_eq!((&made["created"], &made["name"]), (&json!(true), &json!("groceries")));
    assert!(made["lifetime"].as_str().unwrap().starts_with("ends after 1 minute without use"));
    let again = alice.ok("create_session", json!({ "name": "groceries" })).await;
    assert_eq!(again["created"], false);
    assert_eq!(again["session"], made["session"]);
    assert_eq!(again["created_at"], made["created_at"]);
    assert!(again["lifetime"].as_str().unwrap().contains(again["expires_at"].as_str().unwrap()));
    let other = bob.ok("create_session", json!({ "name": "groceries" })).await;
    assert_eq!(other["created"], true);
    assert_ne!(other["session"], made["session"]);
    alice.ok("close_session", json!({ "session": made["session"] })).await;
    assert_eq!(alice.ok("create_session", json!({ "name": "groceries" })).await["created"], true);
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_the_services_or_shorter() {
    let world = World::new().await;
    let alice = world.client("alice");
    for (name, most) in [("idle_timeout_seconds", 1_800), ("max_lifetime_seconds", 86_400)] {
        alice.ok("create_session", json!({ name: most })).await;
        let refusal = alice.refused("create_session", json!({ name: most + 1 })).await;
        assert_eq!((refusal.code.as_str(), &refusal.error["argument"]), ("invalid_argument", &json!(name)));
        assert_eq!(refusal.error["max"], most);
        let refusal = alice.refused("create_session", json!({ name: 0 })).await;
        assert!(refusal.message.contains(&format!("allowed is an integer from 1 to {most}")), "{}", refusal.message);
    }
}

#[tokio::test(start_paused = true)]
async fn kinds_names_and_labels_are_checked() {
    let world = World::new().await;
    let alice = world.client("alice");
    let long = "x".repeat(257);
    for (arguments, argument) in [
        (json!({ "kind": "Cart" }), "kind"),
        (json!({ "kind": "" }), "kind"),
        (json!({ "kind": "mcp" }), "kind"),
        (json!({ "kind": "bucket" }), "kind"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a\nb" }), "name"),
        (json!({ "name": long }), "name"),
        (json!({ "label": long }), "label"),
    ] {
        let refusal = alice.refused("create_session", arguments.clone()).await;
        assert_eq!(refusal.code, "invalid_argument", "{arguments}");
        assert_eq!(refusal.error["argument"], argument, "{arguments}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cap_on_sessions_says_what_to_do() {
    let world = World::with(|builder| builder.max_sessions_per_owner(1_u64)).await;
    let alice = world.client("alice");
    alice.session().await;
    let refusal = alice.refused("create_session", json!({})).await;
    assert_eq!(refusal.code, "limit_exceeded");
    assert_eq!((&refusal.error["allowed"], &refusal.error["attempted"]), (&json!(1), &json!(2)));
    assert!(refusal.message.contains("close_session"));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_newest_first_and_goes_on_after_deletions() {
    let world = World::new().await;
    let alice = world.client("alice");
    alice.ok("write_state", json!({ "set": [{ "key": "a", "value": 1 }] })).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(alice.session().await);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    made.reverse();
    let all = alice.ok("list_sessions", json!({})).await;
    assert_eq!(handles(&all), made, "the bucket is not among them");
    assert_eq!(all.get("cursor"), None);
    let first = alice.ok("list_sessions", json!({ "limit": 2 })).await;
    assert_eq!(handles(&first), made[..2]);
    alice.ok("close_session", json!({ "session": made[1] })).await;
    alice.ok("close_session", json!({ "session": made[2] })).await;
    let second = alice.ok("list_sessions", json!({ "limit": 2, "cursor": first["cursor"] })).await;
    assert_eq!(handles(&second), made[3..]);
    assert_eq!(second.get("cursor"), None);
    assert_eq!(handles(&world.client("bob").ok("list_sessions", json!({})).await), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_what_is_in_each_session() {
    let world = World::new().await;
    let alice = world.client("alice");
    let cart = alice.ok("create_session", json!({ "kind": "cart", "name": "c", "label": "l" })).await;
    alice.session().await;
    alice.ok("write_state", json!({ "session": cart["session"], "set": [{ "key": "ab", "value": 12 }] })).await;
    let page = alice.ok("list_sessions", json!({ "kind": "cart" })).await;
    let [listed] = page["sessions"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!(listed["session"], cart["session"]);
    assert_eq!((&listed["name"], &listed["label"], &listed["kind"]), (&json!("c"), &json!("l"), &json!("cart")));
    assert_eq!((&listed["entries"], &listed["revision"]), (&json!(1), &json!(1)));
    assert!(listed["bytes"].as_u64().unwrap() >= 4);
    assert_eq!(listed["created_at"], cart["created_at"]);
    assert!(alice.ok("list_sessions", json!({ "kind": "plan" })).await["sessions"].as_array().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn wrong_list_arguments_are_named() {
    let world = World::new().await;
    let alice = world.client("alice");
    for (arguments, argument) in [
        (json!({ "limit": 0 }), "limit"),
        (json!({ "limit": 1_001 }), "limit"),
        (json!({ "cursor": "x" }), "cursor"),
        (json!({ "kind": "A" }), "kind"),
    ] {
        let refusal = alice.refused("list_sessions", arguments.clone()).await;
        assert_eq!(refusal.code, "invalid_argument", "{arguments}");
        assert_eq!(refusal.error["argument"], argument, "{arguments}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_stays_closed() {
    let world = World::new().await;
    let alice = world.client("alice");
    let session = alice.session().await;
    assert_eq!(alice.ok("close_session", json!({ "session": session })).await, json!({ "closed": true }));
    tokio::time::advance(std::time::Duration::from_secs(120)).await;
    for (tool, arguments) in super::owners::with_session(&session) {
        let refusal = alice.refused(tool, arguments).await;
        assert_eq!(refusal.code, "closed", "{tool}");
        assert!(refusal.message.contains("was closed 2 minutes ago"), "{}", refusal.message);
        assert!(refusal.message.contains("Call create_session"));
    }
}
