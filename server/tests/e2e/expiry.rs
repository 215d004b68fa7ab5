//! An expired session says so to its owner, is unknown to others, and stays dead; a bucket does not expire.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Era, Raw, Server, state_files, tokens, with};

/// Long enough to use a session before it ends, on a busy machine too.
const IDLE_SECONDS: u64 = 2;

/// Who asks for what, after it has expired.
struct Scene {
    alice_token: String,
    bob_token: String,
    expired: Value,
    never: Value,
    /// Alice's connection, which nobody used either.
    connection: String,
}

impl Scene {
    fn check(&self, server: &Server, when: &str) {
        for era in Era::BOTH {
            let mut alice = Raw::connect(server, era, Some(&self.alice_token));
            for tool in ["read_state", "increment_state", "close_session"] {
                let arguments = if tool == "increment_state" { json!({"key": "n"}) } else { json!({}) };
                let error = alice.refused(tool, with(&self.expired, arguments));
                let message = error["message"].as_str().unwrap();
                assert_eq!(error["code"], "expired", "{tool} {when}: {error}");
                assert!(message.contains("expired") && message.contains("Call create_session"), "{when}: {message}");
                assert!(message.contains(error["ended_at"].as_str().unwrap()), "{when}: {error}");
            }
            assert_eq!(alice.value(&Value::Null, "mine"), "kept", "a bucket does not expire ({when})");
            let ask = |session| {
                let mut bob = Raw::connect(server, era, Some(&self.bob_token));
                let answer = bob.answer("read_state", with(session, json!({}))).unwrap();
                Answer { headers: Vec::new(), ..answer }
            };
            let answer = ask(&self.expired);
            assert!(answer.body.contains("unknown_session"), "{when}: {answer:?}");
            assert_eq!(answer, ask(&self.never), "{when}: others must not learn that it was there");
        }
        let mut old = Raw::resume(server, Some(&self.alice_token), &self.connection);
        assert_eq!(old.answer("read_state", json!({})).unwrap().status, 404, "the old connection, {when}");
    }
}

#[test]
fn an_expired_session_tells_its_owner_alone_and_nothing_brings_it_back() {
    let home = tempfile::tempdir().unwrap();
    let (alice_token, bob_token) = (tokens::add(home.path(), "alice"), tokens::add(home.path(), "bob"));
    let timeout = format!("{IDLE_SECONDS}s");
    let flags = [&tokens::FLAGS[..], &["--idle-timeout", &timeout, "--sweep-every", "1s"]].concat();
    let mut server = Server::start_in(home, &flags).unwrap();
    let mut alice = Raw::connect(&server, Era::Legacy, Some(&alice_token));
    alice.set(&Value::Null, "mine", json!("kept"));
    let mark = server.log().mark();
    let created = alice.done("create_session", json!({"kind": "cart", "idle_timeout_seconds": IDLE_SECONDS}));
    assert!(created["lifetime"].as_str().unwrap().contains("2 seconds"), "{created}");
    server.snapshot();
    // Files in which the session is alive, for a server that starts after its time.
    let home = state_files::copy(&server.snapshots());
    fs::copy(server.home().join("tokens.toml"), home.path().join("tokens.toml")).unwrap();
    let elsewhere = Server::start(&[]);
    let never = Raw::connect(&elsewhere, Era::Modern, None).done("create_session", json!({"kind": "cart"}));

    // Their time is over when a sweep has taken both.
    for kind in ["cart", "mcp"] {
        server.log().wait(mark, |line| line.contains("session ended") && line.contains(&format!("kind=\"{kind}\"")));
    }
    let (expired, never) = (created["session"].clone(), never["session"].clone());
    let scene = Scene { alice_token, bob_token, expired, never, connection: alice.session.clone().unwrap() };
    scene.check(&server, "in the same run");
    server.snapshot();
    server.kill();
    server.start_again();
    scene.check(&server, "after kill -9");
    server.stop();
    server.start_again();
    scene.check(&server, "after SIGTERM");
    let late = Server::start_in(home, &flags).unwrap();
    scene.check(&late, "after a restore of a file in which it was alive");
}

#[test]
fn a_closed_session_says_closed_to_its_owner_before_and_after_a_restart() {
    let mut server = Server::start(&[]);
    let mut owner = Raw::connect(&server, Era::Modern, None);
    let session = owner.done("create_session", json!({}))["session"].clone();
    owner.set(&session, "a", json!(1));
    server.snapshot();
    assert_eq!(owner.done("close_session", json!({"session": session})), json!({"closed": true}));
    for _ in 0..2 {
        let error = owner.refused("read_state", json!({"session": session}));
        assert_eq!(error["code"], "closed", "{error}");
        server.stop();
        server.start_again();
    }
}
