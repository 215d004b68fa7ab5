//! The log at its loudest holds no token and no session id; neither do metrics, and errors tell none.

mod scene;

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Server, state_files, tokens};
use scene::{Told, told};

/// Callers of one server, each with a token of its own.
const CALLERS: usize = 1_000;

/// Everything of ours; what other crates write is left out at any level unless the filter names them.
const LOUDEST: &str = "trace,sessile=trace";

#[test]
fn of_a_thousand_tokens_and_more_ids_keys_and_values_none_is_told_to_anybody() {
    // Without tokens the ids are the credentials.
    for (callers, log, tokens) in [(CALLERS, "info", true), (CALLERS, LOUDEST, true), (CALLERS / 2, LOUDEST, false)] {
        let told = told(callers, log, tokens);
        let errors = told.errors.iter().map(|(_, text)| text.len()).sum();
        let sizes = [told.stderr.len(), told.stdout.len(), told.metrics.len(), errors];
        let planted = (told.credentials.len(), told.contents.len());
        eprintln!(
            "{log}, tokens {tokens}: {planted:?} secrets in {sizes:?} bytes of stderr, stdout, metrics and errors"
        );
        assert_eq!(told.stderr.contains("TRACE"), log == LOUDEST, "the log is not as loud as it was told to be");
        assert!(planted.0 >= 2 * callers && planted.1 >= callers / 2, "{planted:?}");
        assert!(sizes.iter().all(|size| *size > 100), "next to nothing was told: {sizes:?}");
        assert_eq!(told.leak(), None, "{log}, tokens {tokens}");
    }
}

#[test]
fn what_is_logged_on_purpose_is_found() {
    // rmcp writes session ids where it is asked by name.
    let loud = told(20, "trace,rmcp=trace", true);
    let leak = loud.leak().expect("the search sees no id that rmcp wrote into the log");
    assert!(leak.starts_with("stderr holds a protocol session"), "{leak}");
    let mut quiet = told(20, LOUDEST, true);
    assert_eq!(quiet.leak(), None);
    // Caller 0 has tokens, ids and keys of its own; what it is told is the first of the errors.
    assert_eq!(quiet.errors[0].0, 0);
    let places: [fn(&mut Told) -> &mut String; 4] =
        [|told| &mut told.stdout, |told| &mut told.stderr, |told| &mut told.metrics, |told| &mut told.errors[0].1];
    for (whose, own) in [(7, false), (0, true)] {
        let [token, key] = [quiet.credentials.secret("a token", whose), quiet.contents.secret("a key", whose)];
        for (number, place) in places.into_iter().enumerate() {
            for secret in [&token, &key, &token[..16].to_owned(), &key[16..].to_uppercase()] {
                let before = place(&mut quiet).clone();
                place(&mut quiet).insert_str(before.len() / 2, &format!(" caller={secret} "));
                // An error may repeat a key or a value to whoever they belong to, and no token to anybody.
                let may = own && number == 3 && !token.contains(secret.as_str());
                assert_eq!(quiet.leak().is_some(), !may, "{secret} in place {number}");
                *place(&mut quiet) = before;
            }
        }
    }
    assert_eq!(quiet.leak(), None);
}

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
