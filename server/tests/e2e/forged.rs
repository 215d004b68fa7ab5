//! A request of 2026-07-28 has no protocol session, whatever its headers say.

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Server, tokens};

#[test]
fn a_modern_request_with_the_session_id_of_a_live_connection_reaches_nothing_of_it() {
    let server = Server::start(&["--auth", "anonymous"]);
    let mut victim = Raw::connect(&server, Era::Legacy, None);
    victim.set(&Value::Null, "secret", json!("victim's"));
    let tools = [
        ("read_state", json!({})),
        ("write_state", json!({"set": [{"key": "secret", "value": "forged"}]})),
        ("increment_state", json!({"key": "n"})),
    ];
    for (tool, arguments) in tools {
        let mut plain = Raw::connect(&server, Era::Modern, None);
        let without = plain.answer(tool, arguments.clone()).unwrap();
        let mut forger = Raw::connect(&server, Era::Modern, None);
        forger.session = victim.session.clone();
        let with = forger.answer(tool, arguments.clone()).unwrap();
        assert_eq!(with, without, "the header changes nothing of {tool}");
        assert_eq!(forger.refused(tool, arguments)["code"], "needs_session");
    }
    let mut forger = Raw::connect(&server, Era::Modern, None);
    forger.session = victim.session.clone();
    for method in ["GET", "DELETE"] {
        assert_eq!(forger.send(method, &[], None).unwrap().status, 405, "{method}");
    }
    assert_eq!(victim.value(&Value::Null, "secret"), "victim's");
}

#[test]
fn a_modern_request_with_somebody_elses_session_id_sees_its_own_callers_state() {
    let home = tempfile::tempdir().unwrap();
    let (alice, bob) = (tokens::add(home.path(), "alice"), tokens::add(home.path(), "bob"));
    let server = Server::start_in(home, &tokens::FLAGS).unwrap();
    let mut alice = Raw::connect(&server, Era::Legacy, Some(&alice));
    alice.set(&Value::Null, "who", json!("alice"));
    let mut bob = Raw::connect(&server, Era::Modern, Some(&bob));
    bob.session = alice.session.clone();
    assert_eq!(bob.value(&Value::Null, "who"), Value::Null);
    bob.set(&Value::Null, "who", json!("bob"));
    assert_eq!(alice.value(&Value::Null, "who"), "alice");
}

#[test]
fn an_anonymous_caller_reaches_a_session_by_its_handle_and_by_nothing_else() {
    let server = Server::start(&["--auth", "anonymous"]);
    let mut one = Raw::connect(&server, Era::Legacy, None);
    let handle = one.done("create_session", json!({}))["session"].clone();
    one.set(&handle, "a", json!(1));
    one.set(&Value::Null, "a", json!(2));
    for era in Era::BOTH {
        let mut other = Raw::connect(&server, era, None);
        assert_eq!(other.value(&handle, "a"), 1, "whoever has the handle has the session");
        assert_eq!(other.refused("list_sessions", json!({}))["code"], "needs_identity");
        assert_eq!(other.refused("create_session", json!({"name": "mine"}))["code"], "needs_identity");
    }
    let mut second = Raw::connect(&server, Era::Legacy, None);
    assert_eq!(second.value(&Value::Null, "a"), Value::Null, "each connection has its own state");
}
