//! SIGTERM at any moment: whatever a client was told is written is there after the next start.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Official, Raw, Server, rounds};

/// A caller that counts up a key of its own until the server refuses or is gone.
struct Writer {
    caller: Box<dyn Caller + Send>,
    key: String,
    /// The last sum that was acknowledged.
    acknowledged: i64,
}

impl Writer {
    fn new(caller: Box<dyn Caller + Send>, key: String) -> Self {
        Self { caller, key, acknowledged: 0 }
    }

    /// Writes until something other than a success comes back.
    fn run(&mut self, told: &Sender<()>) {
        while let Ok(reply) = self.caller.try_call("increment_state", json!({"key": self.key})) {
            if reply.is_error {
                assert_eq!(reply.error()["code"], "shutting_down");
                return;
            }
            self.acknowledged = reply.structured["value"].as_i64().unwrap();
            // Nobody listens any more once the signal is out.
            let _ = told.send(());
        }
    }

    /// What is there now: all that was acknowledged, and at most the one write whose answer was cut off.
    fn check(&mut self, round: u32) {
        let there = self.caller.value(&Value::Null, &self.key);
        let there = there.as_i64().unwrap_or(0);
        let context = format!("{} in round {round}", self.key);
        assert!(there >= self.acknowledged, "{context}: {} acknowledged, {there} there", self.acknowledged);
        assert!(there <= self.acknowledged + 1, "{context}: {} acknowledged, {there} there", self.acknowledged);
        self.acknowledged = there;
    }
}

#[test]
fn sigterm_under_load_loses_no_acknowledged_write_of_any_client() {
    let mut server = Server::start(&[]);
    let mut writers = Vec::new();
    for mut client in Official::all() {
        client.connect(&server, None);
        let name = client.name();
        writers.push(Writer::new(Box::new(client), name));
    }
    for era in Era::BOTH {
        for number in 0..2 {
            let raw = Raw::connect(&server, era, None);
            writers.push(Writer::new(Box::new(raw), format!("raw-{era:?}-{number}")));
        }
    }
    for round in 0..rounds(10) {
        let (told, listen) = channel();
        let handles: Vec<_> = writers
            .into_iter()
            .map(|mut writer| {
                let told = told.clone();
                thread::spawn(move || {
                    writer.run(&told);
                    writer
                })
            })
            .collect();
        drop(told);
        // The signal comes after so many acknowledged writes, another number each round.
        listen.iter().take(50 + 37 * round as usize).for_each(drop);
        server.stop();
        writers = handles.into_iter().map(|writer| writer.join().unwrap()).collect();
        // The formats take turns, so that each is read where the other was written before.
        server.start_again_with(&["--format", if round % 2 == 0 { "json" } else { "bincode" }]);
        writers.iter_mut().for_each(|writer| writer.check(round));
    }
    assert!(writers.iter().all(|writer| writer.acknowledged > 0), "somebody never wrote");
}
