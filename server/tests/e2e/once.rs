//! A write with an `idempotency_key` is written once, though its caller got no answer and the server was killed since.

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Server, with};

#[test]
fn a_write_that_is_repeated_after_kill_9_was_written_once_in_both_formats() {
    for format in ["bincode", "json"] {
        let mut server = Server::start(&["--format", format]);
        let mut first = Raw::connect(&server, Era::Modern, None);
        let session = first.done("create_session", json!({}))["session"].clone();
        let calls = [
            ("increment_state", json!({"key": "paid", "by": 5, "idempotency_key": "pay-1"})),
            ("append_state", json!({"key": "log", "value": {"a": [1]}, "idempotency_key": "log-1"})),
            ("write_state", json!({"set": [{"key": "a", "value": 1}], "if_revision": 2, "idempotency_key": "set-1"})),
            ("merge_state", json!({"patch": {"a": 2}, "idempotency_key": "merge-1"})),
        ];
        let places = [session, Value::Null];
        let mut answers = Vec::new();
        for place in &places {
            for (tool, arguments) in &calls {
                answers.push(first.done(tool, with(place, arguments.clone())));
            }
        }
        server.snapshot();
        for end in ["kill -9", "SIGTERM"] {
            if end == "SIGTERM" {
                server.stop()
            } else {
                server.kill()
            }
            server.start_again();
            for era in Era::BOTH {
                let mut again = Raw::connect(&server, era, None);
                let mut told = answers.iter();
                for place in &places {
                    for (tool, arguments) in &calls {
                        let mut repeat = again.done(tool, with(place, arguments.clone()));
                        let context = format!("{tool}, {format}, after {end}");
                        assert_eq!(repeat.as_object_mut().unwrap().remove("repeated"), Some(json!(true)), "{context}");
                        assert_eq!(Some(&repeat), told.next(), "{context}");
                    }
                    assert_eq!(again.value(place, "paid"), 5, "{format}, after {end}");
                    assert_eq!(again.value(place, "log"), json!([{"a": [1]}]), "{format}, after {end}");
                    let other = with(place, json!({"key": "paid", "by": 6, "idempotency_key": "pay-1"}));
                    assert_eq!(again.refused("increment_state", other)["code"], "idempotency_key_reused");
                }
            }
        }
    }
}
