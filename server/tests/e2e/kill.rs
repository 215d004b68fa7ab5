//! `kill -9` with nothing written on request: what was acknowledged is there, as far as the level of durability says.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Server, rounds, with};

const CLIENTS: usize = 64;
/// Kills, unless more are asked for.
const ROUNDS: u32 = 10;

/// Counts up a key of its own, in a session of its own or in the bucket that it shares.
struct Counter {
    raw: Raw,
    session: Value,
    key: String,
    /// The last sum that was acknowledged.
    acknowledged: u64,
}

impl Counter {
    fn connect(server: &Server, number: usize) -> Self {
        let mut raw = Raw::connect(server, Era::BOTH[number % 2], None);
        let session = match number % 4 {
            0 | 1 => raw.done("create_session", json!({}))["session"].clone(),
            _ => Value::Null,
        };
        Self { raw, session, key: format!("counter-{number}"), acknowledged: 0 }
    }

    /// Counts until no answer comes back.
    fn run(&mut self, told: &Sender<()>) {
        let arguments = with(&self.session, json!({"key": self.key}));
        while let Ok(reply) = self.raw.try_call("increment_state", arguments.clone()) {
            assert!(!reply.is_error, "{reply:?}");
            self.acknowledged = reply.structured["value"].as_u64().unwrap();
            // Nobody listens any more once it is killed.
            let _ = told.send(());
        }
    }

    /// What is there: all that was acknowledged, and at most the one increment whose answer was cut off.
    fn check(&mut self, round: u32) {
        let there = self.raw.value(&self.session, &self.key).as_u64().unwrap_or(0);
        let (told, key) = (self.acknowledged, &self.key);
        assert!((told..=told + 1).contains(&there), "{key} in round {round}: {told} acknowledged, {there} there");
        self.acknowledged = there;
    }
}

#[test]
fn kill_9_under_64_clients_loses_no_acknowledged_increment_at_the_level_commit() {
    let mut server = Server::start(&["--durability", "commit"]);
    let mut counters: Vec<_> = (0..CLIENTS).map(|number| Counter::connect(&server, number)).collect();
    for round in 0..rounds(ROUNDS) {
        let (told, listen) = channel();
        let handles: Vec<_> = counters
            .into_iter()
            .map(|mut counter| {
                let told = told.clone();
                thread::spawn(move || {
                    counter.run(&told);
                    counter
                })
            })
            .collect();
        drop(told);
        // The kill comes after so many acknowledged increments, another number each round.
        listen.iter().take(500 + 37 * round as usize).for_each(drop);
        server.kill();
        counters = handles.into_iter().map(|counter| counter.join().unwrap()).collect();
        server.start_again();
        counters.iter_mut().for_each(|counter| counter.check(round));
    }
    assert!(counters.iter().all(|counter| counter.acknowledged > 0), "somebody never counted");
}

#[test]
fn an_acknowledged_end_takes_all_that_was_acknowledged_before_it_to_disk() {
    let mut server = Server::start(&[]);
    let mut counters: Vec<_> = (0..4).map(|number| Counter::connect(&server, number)).collect();
    for round in 0..rounds(ROUNDS) {
        for counter in &mut counters {
            let sum = counter.raw.done("increment_state", with(&counter.session, json!({"key": counter.key})));
            counter.acknowledged = sum["value"].as_u64().unwrap();
        }
        // An end by either road; the journal is written once a second, so that hardly ever anything else has written it.
        let mut other = Raw::connect(&server, Era::Legacy, None);
        let handle = other.done("create_session", json!({}))["session"].clone();
        if round % 2 == 0 {
            assert_eq!(other.done("close_session", json!({"session": handle})), json!({"closed": true}));
        } else {
            assert_eq!(other.send("DELETE", &[], None).unwrap().status / 100, 2);
        }
        server.kill();
        server.start_again();
        for counter in &mut counters {
            let there = counter.raw.value(&counter.session, &counter.key);
            assert_eq!(there, counter.acknowledged, "{} in round {round}", counter.key);
        }
        match round % 2 {
            0 => assert_eq!(other.refused("read_state", json!({"session": handle}))["code"], "closed"),
            _ => assert_eq!(other.send("DELETE", &[], None).unwrap().status, 404),
        }
    }
}
