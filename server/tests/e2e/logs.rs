//! The log at its loudest holds no token and no session id.

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Server, state_files, tokens};

#[test]
fn neither_tokens_nor_session_ids_reach_the_log_even_at_trace() {
    let home = tempfile::tempdir().unwrap();
    let tokens = ["alice", "bob"].map(|name| tokens::add(home.path(), name));
    let flags = [&tokens::FLAGS[..], &["--log", "trace,sessile=trace"]].concat();
    let mut server = Server::start_in(home, &flags).unwrap();
    let mut logs = String::new();
    let mut alice = Raw::connect(&server, Era::Legacy, Some(&tokens[0]));
    let session = alice.done("create_session", json!({"kind": "cart"}))["session"].clone();
    for restarted in [false, true] {
        for era in Era::BOTH {
            for token in &tokens {
                let mut caller = Raw::connect(&server, era, Some(token));
                caller.set(&Value::Null, "key", json!(1));
                let _ = caller.try_call("read_state", json!({"session": session})).unwrap();
                caller.session = alice.session.clone();
                let _ = caller.answer("read_state", json!({})).unwrap();
            }
            let mut wrong = Raw::resume(&server, Some("a-wrong-token"), alice.session.as_ref().unwrap());
            assert_eq!(wrong.answer("read_state", json!({})).unwrap().status, 401);
        }
        // The first ends the connection, the second finds it ended.
        assert_eq!(alice.send("DELETE", &[], None).unwrap().status == 404, restarted);
        server.stop();
        logs += &server.log().text();
        if !restarted {
            server.start_again();
        }
    }
    assert!(logs.contains("TRACE") && logs.contains("snapshot written"), "the log is not at its loudest:\n{logs}");
    for token in tokens.iter().map(String::as_str).chain(["a-wrong-token"]) {
        assert!(!logs.contains(token), "a token is in the log");
    }
    state_files::no_ids("the log", &logs);
}
