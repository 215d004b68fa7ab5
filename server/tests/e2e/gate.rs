//! Right after a restart all requests of one protocol session come at once, and each is answered.

use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Server};

const REQUESTS: usize = 16;
const RESTARTS: u64 = 5;

#[test]
fn sixteen_requests_at_once_right_after_a_restart_are_all_served() {
    let mut server = Server::start(&["--auth", "anonymous"]);
    let mut first = Raw::connect(&server, Era::Legacy, None);
    first.set(&Value::Null, "here", json!("still"));
    let session = first.session.clone().unwrap();
    for restart in 1..=RESTARTS {
        server.snapshot();
        server.kill();
        server.start_again();
        let barrier = Arc::new(Barrier::new(REQUESTS));
        let requests: Vec<_> = (0..REQUESTS)
            .map(|number| {
                let mut raw = Raw::resume(&server, None, &session);
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    barrier.wait();
                    match number % 2 {
                        0 => raw.try_call("increment_state", json!({"key": "count"})),
                        _ => raw.try_call("read_state", json!({"keys": ["here"]})),
                    }
                })
            })
            .collect();
        for request in requests {
            let reply = request.join().unwrap().unwrap_or_else(|error| panic!("restart {restart}: {error}"));
            assert!(!reply.is_error, "restart {restart}: {reply:?}");
        }
        assert_eq!(first.value(&Value::Null, "count"), restart * REQUESTS as u64 / 2);
    }
}
