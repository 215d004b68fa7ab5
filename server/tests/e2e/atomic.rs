//! Many clients, one session: no update is lost, none is counted twice.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::clients::ClientKind;
use crate::harness::{Caller, Era, Official, Raw, Server, with};

const CLIENTS: usize = 64;
const EACH: usize = 50;

#[test]
fn increments_of_64_clients_at_once_come_to_exactly_3200_on_a_bucket_and_on_a_session() {
    let server = Server::start(&[]);
    let mut reader = Raw::connect(&server, Era::Modern, None);
    let handle = reader.done("create_session", json!({}))["session"].clone();
    for session in [Value::Null, handle] {
        reader.set(&session, "before", json!(1));
        let before = reader.revision(&session);
        let workers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let mut raw = Raw::connect(&server, Era::BOTH[number % 2], None);
                let arguments = with(&session, json!({"key": "counter"}));
                thread::spawn(move || {
                    let one = |_| raw.done("increment_state", arguments.clone())["value"].as_u64().unwrap();
                    (0..EACH).map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        let seen: Vec<u64> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        let all = (CLIENTS * EACH) as u64;
        assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), (1..=all).collect(), "each sum is given out once");
        assert_eq!(reader.value(&session, "counter"), all);
        assert_eq!(reader.revision(&session), before + all);
    }
}

#[test]
fn parallel_calls_of_one_official_client_lose_nothing() {
    let server = Server::start(&[]);
    for (kind, era) in [(ClientKind::TsV2, "modern"), (ClientKind::PyV1, "legacy")] {
        let Some(mut client) = Official::of(kind, era) else { continue };
        client.connect(&server, None);
        let session = client.done("create_session", json!({}))["session"].clone();
        let arguments = vec![json!({"session": session, "key": "counter"}); 200];
        let command = json!({"op": "calls", "name": "increment_state", "arguments": arguments, "parallel": 16});
        let answer = client.request(command);
        let results = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let sums: BTreeSet<_> = results.iter().filter_map(|result| result["structured"]["value"].as_u64()).collect();
        assert_eq!(sums, (1..=200).collect(), "{}", client.name());
        assert_eq!(client.revision(&session), 200, "{}", client.name());
    }
}

#[test]
fn a_write_that_depends_on_what_was_read_is_refused_once_somebody_else_wrote() {
    let server = Server::start(&[]);
    let mut callers = Era::BOTH.map(|era| Raw::connect(&server, era, None));
    let session = callers[0].done("create_session", json!({}))["session"].clone();
    let read = callers[0].set(&session, "plan", json!("a"))["revision"].clone();
    callers[1].set(&session, "plan", json!("b"));
    for tool in ["write_state", "merge_state"] {
        let mut arguments = json!({"session": session, "if_revision": read});
        match tool {
            "write_state" => arguments["set"] = json!([{"key": "plan", "value": "c"}, {"key": "new", "value": 1}]),
            _ => arguments["patch"] = json!({"plan": "c", "new": 1}),
        }
        let error = callers[0].refused(tool, arguments);
        assert_eq!((&error["code"], &error["revision"]), (&json!("conflict"), &json!(2)), "{error}");
        assert_eq!(error["current"], json!({"plan": "b"}), "{error}");
    }
    assert_eq!(callers[0].value(&session, "plan"), "b");
    assert_eq!(callers[0].value(&session, "new"), Value::Null, "all or nothing");
}
