//! Somebody else's session and one that never was give the same answer, to the last byte.

use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Era, Raw, Server, tokens, with};

/// Every tool that takes a session, with arguments that would do something.
fn tools() -> [(&'static str, Value); 6] {
    [
        ("read_state", json!({})),
        ("write_state", json!({"set": [{"key": "secret", "value": "stolen"}], "delete": ["other"]})),
        ("increment_state", json!({"key": "count"})),
        ("append_state", json!({"key": "list", "value": 1})),
        ("merge_state", json!({"patch": {"secret": null}})),
        ("close_session", json!({})),
    ]
}

/// Tools that take no session: what they show and make is the caller's own, which a test below compares.
const OWN: [&str; 2] = ["create_session", "list_sessions"];

#[test]
fn every_tool_is_asked_by_strangers_or_takes_no_session() {
    let scene = scene();
    for era in Era::BOTH {
        let mut bob = Raw::connect(&scene.server, era, Some(&scene.bob_token));
        let answer = bob.ask("tools/list", json!({})).unwrap();
        let listed = bob.result(&answer).unwrap()["tools"].as_array().unwrap().clone();
        let mut names: Vec<_> = listed.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
        let mut classified: Vec<_> = tools().iter().map(|(tool, _)| *tool).chain(OWN).map(str::to_owned).collect();
        names.sort();
        classified.sort();
        assert_eq!(names, classified, "{era:?}: classify the tool, and have strangers ask it if it takes a session");
        for tool in listed {
            let takes = tool["inputSchema"]["properties"].get("session").is_some();
            let own = OWN.contains(&tool["name"].as_str().unwrap());
            assert_ne!(takes, own, "{era:?}: {tool}");
        }
    }
}

struct Scene {
    server: Server,
    alice: Raw,
    alice_token: String,
    bob_token: String,
    /// Alice's, with a secret in it.
    hers: Value,
    /// Minted by another server.
    never: Value,
    never_connected: String,
}

fn scene() -> Scene {
    let home = tempfile::tempdir().unwrap();
    let (alice_token, bob_token) = (tokens::add(home.path(), "alice"), tokens::add(home.path(), "bob"));
    let server = Server::start_in(home, &tokens::FLAGS).unwrap();
    let mut alice = Raw::connect(&server, Era::Legacy, Some(&alice_token));
    let hers = alice.done("create_session", json!({"name": "shared name", "kind": "cart"}))["session"].clone();
    alice.set(&hers, "secret", json!("hers"));
    let elsewhere = Server::start(&[]);
    let mut other = Raw::connect(&elsewhere, Era::Legacy, None);
    let never = other.done("create_session", json!({"kind": "cart"}))["session"].clone();
    let never_connected = other.session.clone().unwrap();
    Scene { server, alice, alice_token, bob_token, hers, never, never_connected }
}

fn mismatches(server: &Server) -> f64 {
    server.metrics().value("sessile_owner_mismatch_total")
}

#[test]
fn a_handle_of_somebody_else_is_unknown_in_every_tool_and_both_eras_byte_for_byte() {
    let mut scene = scene();
    for era in Era::BOTH {
        for (tool, arguments) in tools() {
            // Two connections at the same point of their life, so that only the handle differs.
            let ask = |session: &Value| {
                let mut bob = Raw::connect(&scene.server, era, Some(&scene.bob_token));
                let answer = bob.answer(tool, with(session, arguments.clone())).unwrap();
                let reply = crate::harness::Reply::of(&bob.result(&answer).unwrap());
                assert!(reply.is_error);
                assert_eq!(reply.error()["code"], "unknown_session");
                without_session(answer)
            };
            let before = mismatches(&scene.server);
            let never = ask(&scene.never);
            assert_eq!(mismatches(&scene.server), before, "an id that never was is nobody's");
            let hers = ask(&scene.hers);
            assert_eq!(mismatches(&scene.server), before + 1.0, "{tool} in {era:?}");
            assert_eq!(hers, never, "{tool} in {era:?}");
        }
    }
    assert_eq!(scene.alice.value(&scene.hers, "secret"), "hers");
    assert_eq!(scene.alice.revision(&scene.hers), 1, "nobody changed it");
}

/// The answer without the asker's own protocol session, where the server repeats it.
fn without_session(mut answer: Answer) -> Answer {
    answer.headers.retain(|(name, _)| name != "mcp-session-id");
    answer
}

#[test]
fn a_protocol_session_of_somebody_else_is_unknown_byte_for_byte_to_post_get_and_delete() {
    let mut scene = scene();
    let hers = scene.alice.session.clone().unwrap();
    for method in ["POST", "GET", "DELETE"] {
        let ask = |session: &str| {
            let mut bob = Raw::resume(&scene.server, Some(&scene.bob_token), session);
            match method {
                "POST" => bob.answer("read_state", json!({})).unwrap(),
                _ => bob.send(method, &[], None).unwrap(),
            }
        };
        let never = ask(&scene.never_connected);
        let before = mismatches(&scene.server);
        let answer = ask(&hers);
        assert_eq!(answer.status, 404, "{method}: {answer:?}");
        assert_eq!(answer, never, "{method}");
        assert!(mismatches(&scene.server) > before, "{method}");
    }
    // As a handle it is unknown too, in both eras.
    for era in Era::BOTH {
        let mut bob = Raw::connect(&scene.server, era, Some(&scene.bob_token));
        assert_eq!(bob.refused("read_state", json!({"session": hers}))["code"], "unknown_session");
    }
    assert_eq!(scene.alice.value(&scene.hers, "secret"), "hers", "her connection lives");
    assert_eq!(scene.alice.send("DELETE", &[], None).unwrap().status / 100, 2, "she may end it");
    assert_eq!(scene.alice.answer("read_state", json!({})).unwrap().status, 404);
}

#[test]
fn names_lists_and_buckets_are_each_callers_own() {
    let mut scene = scene();
    scene.alice.set(&Value::Null, "mine", json!("alice"));
    for era in Era::BOTH {
        let mut bob = Raw::connect(&scene.server, era, Some(&scene.bob_token));
        assert_eq!(bob.value(&Value::Null, "mine"), Value::Null);
        let list = bob.done("list_sessions", json!({"kind": "cart"}));
        assert!(!list.to_string().contains(scene.hers.as_str().unwrap()), "{list}");
        let named = bob.done("create_session", json!({"name": "shared name", "kind": "cart"}));
        assert_ne!(named["session"], scene.hers);
        assert_eq!(named["created"], era == Era::Legacy, "the first of the two made it");
        let mut alice = Raw::connect(&scene.server, era, Some(&scene.alice_token));
        let again = alice.done("create_session", json!({"name": "shared name"}));
        assert_eq!((&again["session"], &again["created"]), (&scene.hers, &json!(false)));
    }
}

#[test]
fn a_401_names_the_header_and_starts_no_oauth_flow() {
    let scene = scene();
    for token in [None, Some("wrong")] {
        let mut stranger = Raw::resume(&scene.server, token, &scene.never_connected);
        for method in ["POST", "GET", "DELETE"] {
            let answer = stranger.send(method, &[], (method == "POST").then_some("{}")).unwrap();
            assert_eq!(answer.status, 401);
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
            assert!(answer.body.contains("`Authorization"), "{answer:?}");
            assert!(!format!("{answer:?}").contains("resource_metadata"), "{answer:?}");
        }
    }
    assert_eq!(scene.server.get("/.well-known/oauth-protected-resource").status, 404);
}
