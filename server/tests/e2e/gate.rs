//! Right after a restart all requests of one protocol session come at once, and each is answered.

use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Server};

/// At once, of each protocol session.
const REQUESTS: usize = 16;
const SESSIONS: usize = 8;
const RESTARTS: usize = 5;

#[test]
fn sixteen_requests_at_once_right_after_a_restart_are_all_served() {
    let mut server = Server::start(&["--auth", "anonymous"]);
    let mut sessions: Vec<Raw> = (0..SESSIONS).map(|_| Raw::connect(&server, Era::Legacy, None)).collect();
    for session in &mut sessions {
        session.set(&Value::Null, "here", json!("still"));
    }
    for restart in 1..=RESTARTS {
        server.snapshot();
        server.kill();
        server.start_again();
        let barrier = Arc::new(Barrier::new(REQUESTS * SESSIONS));
        let requests: Vec<_> = (0..REQUESTS * SESSIONS)
            .map(|number| {
                let session = sessions[number % SESSIONS].session.as_ref().unwrap();
                let mut raw = Raw::resume(&server, None, session);
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    barrier.wait();
                    match number / SESSIONS % 2 {
                        0 => raw.try_call("increment_state", json!({"key": "count"})),
                        _ => raw.try_call("read_state", json!({"keys": ["here"]})),
                    }
                })
            })
            .collect();
        let replies: Vec<_> = requests.into_iter().map(|request| request.join().unwrap()).collect();
        let failed: Vec<_> =
            replies.iter().filter(|reply| reply.as_ref().map_or(true, |reply| reply.is_error)).collect();
        assert!(failed.is_empty(), "{} of {}, restart {restart}: {:?}", failed.len(), replies.len(), failed[0]);
        for session in &mut sessions {
            assert_eq!(session.value(&Value::Null, "count"), restart * REQUESTS / 2);
        }
    }
}
