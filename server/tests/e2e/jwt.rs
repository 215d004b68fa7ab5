//! Callers by the tokens of an authorization server: sessions stay with their subject over refreshes and restarts, and
//! whoever has none is told where to get one.

use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Era, Raw, Server};
use crate::issuer::{HERE, Signer, but, claims, set};

const ISSUER: &str = "https://id.example";
const FLAGS: [&str; 8] = ["--auth", "jwt", "--jwt-issuer", ISSUER, "--jwt-audience", HERE, "--jwks", "jwks.json"];
/// Everything of the log but what rmcp writes.
const LOUD: [&str; 2] = ["--log", "debug,rmcp=off"];

/// What a good token says, for as long as the test takes; each is another text.
fn good(subject: &str, number: u64) -> Value {
    but(but(claims(ISSUER, subject), "exp", json!(4_000_000_000_u64)), "jti", json!(number))
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.header("www-authenticate").unwrap_or_default())
}

#[test]
fn a_subject_keeps_its_sessions_over_refreshed_tokens_and_a_kill_and_a_namesake_gets_none() {
    let (ours, stranger) = (Signer::p256("2026"), Signer::p256("2026"));
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("jwks.json"), set(&[&ours])).unwrap();
    let flags: Vec<_> = FLAGS.into_iter().chain(LOUD).chain(["--durability", "commit"]).collect();
    let mut server = Server::start_in(home, &flags).unwrap();
    assert_eq!(server.announced("callers"), format!("jwt: tokens of {ISSUER}, for {HERE}"));
    let token = |subject, number| ours.sign(&good(subject, number));
    let first = token("alice", 1);
    let mut alice = Raw::connect(&server, Era::Legacy, Some(&first));
    let hers = alice.done("create_session", json!({"kind": "cart"}))["session"].clone();
    alice.set(&hers, "count", json!(1));
    let connection = alice.session.clone().unwrap();

    server.kill();
    server.start_again();
    let mut refreshed = Raw::resume(&server, Some(&token("alice", 2)), &connection);
    assert_eq!(refreshed.value(&hers, "count"), json!(1));
    let mut bob = Raw::resume(&server, Some(&token("bob", 3)), &connection);
    assert_eq!(bob.answer("read_state", json!({"session": hers})).unwrap().status, 404);
    let mut bob = Raw::connect(&server, Era::Modern, Some(&token("bob", 4)));
    bob.refused("read_state", json!({"session": hers}));

    let bad = [
        stranger.sign(&good("alice", 5)),
        Signer::ed25519("2026").sign(&good("alice", 5)),
        ours.sign(&but(good("alice", 6), "exp", json!(1_000))),
        ours.sign(&but(good("alice", 7), "aud", json!("https://else.example"))),
        ours.sign(&but(good("alice", 8), "iss", json!("https://else.example"))),
    ];
    let at = r#"resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp""#;
    let (missing, invalid) =
        (format!(r#"Bearer realm="sessile", {at}"#), format!(r#"Bearer realm="sessile", error="invalid_token", {at}"#));
    let mut bodies = Vec::new();
    for token in &bad {
        let answer = Raw::resume(&server, Some(token), &connection).send("POST", &[], Some("{}")).unwrap();
        assert_eq!(told(&answer), (401, &*invalid));
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let nobody = Raw::resume(&server, None, &connection).send("POST", &[], Some("{}")).unwrap();
    assert_eq!(told(&nobody), (401, &*missing));

    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let answer = server.get(path);
        let metadata: Value = serde_json::from_str(&answer.body).unwrap();
        let expected =
            json!({"resource": HERE, "authorization_servers": [ISSUER], "bearer_methods_supported": ["header"]});
        assert_eq!((answer.status, metadata), (200, expected), "{path}");
    }

    server.stop();
    let log = server.log().to_end();
    // Why is told, the token not.
    for why in ["it has expired", "it is for another audience", "it is of another issuer", "its signature is wrong"] {
        assert!(log.contains(why), "{why}\n{log}");
    }
    for token in bad.iter().chain([&first]) {
        let parts: Vec<_> = token.split('.').collect();
        assert!(!log.contains(parts[1]) && !log.contains(parts[2]), "{log}");
    }
}

#[test]
fn a_file_without_keys_is_no_start() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("jwks.json"), r#"{"keys": []}"#).unwrap();
    let Err(refused) = Server::start_in(home, &FLAGS) else { panic!("it started") };
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.log.contains("the keys of jwks.json (--jwks) cannot be used"), "{refused:?}");
    assert!(refused.log.contains("each needs a `kid`"), "{refused:?}");
}
