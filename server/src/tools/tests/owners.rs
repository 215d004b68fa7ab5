//! Whose a session is, how it ended, and who is told.

use std::time::Duration;

use serde_json::{Value, json};
use sessile::mcp::Era;
use sessile::{AtCapacity, Caller};

use super::{IDLE, World};

/// A call of every tool that takes a session.
pub(super) fn with_session(session: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("close_session", json!({ "session": session })),
        ("read_state", json!({ "session": session })),
        ("read_state", json!({ "session": session, "keys": ["a"] })),
        ("write_state", json!({ "session": session, "set": [{ "key": "a", "value": 1 }] })),
        ("write_state", json!({ "session": session, "delete": ["a"], "if_revision": 1 })),
        ("increment_state", json!({ "session": session, "key": "a" })),
        ("append_state", json!({ "session": session, "key": "a", "value": 1 })),
        ("merge_state", json!({ "session": session, "patch": { "a": 1 } })),
    ]
}

/// A handle that is well formed and of no session of this world.
async fn never() -> String {
    World::new().await.client("nobody").session().await
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_session_answers_byte_for_byte_as_one_that_never_was() {
    let world = World::new().await;
    let (alice, never) = (world.client("alice"), never().await);
    let open = alice.session().await;
    let closed = alice.session().await;
    alice.ok("close_session", json!({ "session": closed })).await;
    let secret = world.anonymous().session().await;
    let bob = Caller::Principal(sessile::Principal::new("test", "bob"));
    for (caller, era) in
        [(&bob, Era::Modern), (&bob, Era::Legacy), (&Caller::Anonymous, Era::Modern), (&Caller::Anonymous, Era::Legacy)]
    {
        let stranger = world.caller(caller, era, None);
        let foreign = [&open, &closed, &secret].into_iter().take(if *caller == bob { 3 } else { 2 });
        for session in foreign {
            for ((tool, theirs), (_, nothing)) in with_session(session).into_iter().zip(with_session(&never)) {
                let theirs = serde_json::to_string(&stranger.result(tool, theirs).await).unwrap();
                let nothing = serde_json::to_string(&stranger.result(tool, nothing).await).unwrap();
                assert_eq!(theirs, nothing, "{tool}");
                assert!(theirs.contains("unknown_session"), "{theirs}");
            }
        }
    }
    alice.ok("read_state", json!({ "session": open })).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_session_tells_its_owner_when_and_what_to_do_and_others_nothing() {
    let world = World::new().await;
    let (alice, bob, never) = (world.client("alice"), world.client("bob"), never().await);
    let session = alice.session().await;
    tokio::time::advance(IDLE + Duration::from_secs(12 * 60 + 34)).await;
    for (tool, arguments) in with_session(&session) {
        let refusal = alice.refused(tool, arguments.clone()).await;
        assert_eq!(refusal.code, "expired", "{tool}");
        let at = refusal.error["ended_at"].as_str().unwrap();
        humantime::parse_rfc3339(at).unwrap();
        assert!(
            refusal.message.contains(&format!("expired 12 minutes ago ({at}) because nobody used it")),
            "{}",
            refusal.message
        );
        assert!(refusal.message.contains("Call create_session"));
        assert_eq!(bob.refused(tool, arguments).await, bob.refused(tool, json_with(tool, &never)).await);
    }
    assert!(alice.ok("list_sessions", json!({})).await["sessions"].as_array().unwrap().is_empty());
}

fn json_with(tool: &str, session: &str) -> Value {
    with_session(session).into_iter().find(|(name, _)| *name == tool).unwrap().1
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_lifetime_and_an_eviction_have_words_of_their_own() {
    let world = World::with(|builder| builder.max_sessions_per_owner(1_u64).at_capacity(AtCapacity::Evict)).await;
    let alice = world.client("alice");
    let short = alice.ok("create_session", json!({ "max_lifetime_seconds": 10 })).await;
    tokio::time::advance(Duration::from_secs(11)).await;
    let refusal = alice.refused("read_state", json!({ "session": short["session"] })).await;
    assert_eq!(refusal.code, "expired");
    assert!(
        refusal.message.contains("expired 1 second ago") && refusal.message.contains("at the end of its max lifetime"),
        "{}",
        refusal.message
    );
    let evicted = alice.session().await;
    alice.session().await;
    let refusal = alice.refused("read_state", json!({ "session": evicted })).await;
    assert_eq!(refusal.code, "evicted");
    assert!(
        refusal.message.contains("was evicted just now") && refusal.message.contains("to make room"),
        "{}",
        refusal.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_mistyped_handle_is_not_called_unknown() {
    let world = World::new().await;
    let alice = world.client("alice");
    let mut session = alice.session().await;
    let last = if session.pop() == Some('0') { '1' } else { '0' };
    session.push(last);
    for (tool, arguments) in with_session(&session) {
        assert_eq!(alice.refused(tool, arguments).await.code, "mistyped_session", "{tool}");
    }
    for text in ["with space", "\u{e4}"] {
        let refusal = alice.refused("read_state", json!({ "session": text })).await;
        assert_eq!((refusal.code.as_str(), &refusal.error["argument"]), ("invalid_argument", &json!("session")));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_handle_both_eras_of_one_caller_share_a_bucket_that_does_not_expire() {
    let world = World::new().await;
    let alice = Caller::Principal(sessile::Principal::new("test", "alice"));
    let (older, newer) = (world.caller(&alice, Era::Legacy, None), world.caller(&alice, Era::Modern, None));
    older.ok("write_state", json!({ "set": [{ "key": "a", "value": 1 }] })).await;
    tokio::time::advance(super::MAX * 100).await;
    let read = newer.ok("read_state", json!({ "session": null })).await;
    assert_eq!(read["entries"][0]["value"], 1);
    let bob = world.client("bob").ok("read_state", json!({})).await;
    assert_eq!((&bob["entries"], &bob["revision"]), (&json!([]), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn an_anonymous_caller_has_its_protocol_session_or_has_to_create_one() {
    let world = World::new().await;
    let newer = world.anonymous();
    let protocol = world.service.anonymous().create(sessile::NewSession::default()).await.unwrap();
    let older = world.caller(&Caller::Anonymous, Era::Legacy, Some(protocol.clone()));
    older.ok("write_state", json!({ "set": [{ "key": "a", "value": 1 }] })).await;
    assert_eq!(protocol.get::<u8>("a").unwrap(), Some(1));
    // A modern request has no protocol session, whatever an adapter may say.
    let confused = world.caller(&Caller::Anonymous, Era::Modern, Some(protocol));
    let bare = world.caller(&Caller::Anonymous, Era::Legacy, None);
    for client in [&newer, &confused, &bare] {
        for (tool, arguments) in with_session("x").into_iter().skip(1) {
            let Value::Object(mut arguments) = arguments else { unreachable!() };
            arguments.remove("session");
            let refusal = client.refused(tool, Value::Object(arguments)).await;
            assert_eq!(refusal.code, "needs_session", "{tool}");
            assert!(refusal.message.contains("call create_session"), "{}", refusal.message);
        }
    }
    let session = newer.session().await;
    newer.ok("write_state", json!({ "session": session, "set": [{ "key": "a", "value": 2 }] })).await;
    assert_eq!(
        older.ok("read_state", json!({ "session": session })).await["entries"][0]["value"],
        2,
        "a bearer secret"
    );
    tokio::time::advance(IDLE).await;
    assert_eq!(newer.refused("read_state", json!({ "session": session })).await.code, "expired");
}

#[tokio::test(start_paused = true)]
async fn an_anonymous_caller_has_no_list_and_gives_no_names() {
    let world = World::new().await;
    let refusal = world.anonymous().refused("list_sessions", json!({})).await;
    assert_eq!(refusal.code, "needs_identity");
    assert!(refusal.message.contains("cannot be listed") && refusal.message.contains("create_session"));
    let refusal = world.anonymous().refused("create_session", json!({ "name": "mine" })).await;
    assert_eq!(refusal.code, "needs_identity");
    assert!(refusal.message.contains("leave `name` out"), "{}", refusal.message);
    let refusal = world.anonymous().refused("read_state", json!({ "session": never().await })).await;
    assert!(!refusal.message.contains("list_sessions"), "{}", refusal.message);
}

#[tokio::test(start_paused = true)]
async fn while_it_drains_the_server_says_so() {
    let world = World::new().await;
    let alice = world.client("alice");
    let session = alice.session().await;
    world.service.drain().await.unwrap();
    for (tool, arguments) in [
        ("create_session", json!({})),
        ("close_session", json!({ "session": session })),
        ("increment_state", json!({ "session": session, "key": "a" })),
    ] {
        assert_eq!(alice.refused(tool, arguments).await.code, "shutting_down", "{tool}");
    }
}
