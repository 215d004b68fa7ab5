//! `kill -9` after a snapshot: every official client goes on with its state, as the same client object.

use serde_json::{Value, json};

use crate::harness::{Caller, Official, Server, with};

/// What a client keeps, and where.
struct Kept {
    client: Official,
    /// A handle, null for the caller's own state or the protocol session.
    places: Vec<(&'static str, Value)>,
}

impl Kept {
    fn new(mut client: Official, server: &Server, has_identity: bool) -> Self {
        client.connect(server, None);
        let created = client.done("create_session", json!({"kind": "cart", "label": client.name()}));
        assert_eq!(created["created"], true);
        let mut places = vec![("handle", created["session"].clone())];
        if has_identity {
            places.push(("bucket", Value::Null));
        } else if client.is_legacy() {
            places.push(("protocol session", Value::Null));
        } else {
            assert_eq!(client.refused("read_state", json!({}))["code"], "needs_session");
        }
        Self { client, places }
    }

    /// Each client has keys of its own, since the bucket is shared by all of them.
    fn key(&self, what: &str) -> String {
        format!("{}-{what}", self.client.name())
    }

    fn write(&mut self) {
        let (value, count) = (self.key("value"), self.key("count"));
        for (_, place) in &self.places {
            self.client.set(place, &value, json!({"nested": [1, null, "zwölf", {"deep": true}]}));
            for _ in 0..3 {
                self.client.done("increment_state", with(place, json!({"key": count})));
            }
        }
    }

    fn check(&mut self, expected: i64, after: &str) {
        let (value, count) = (self.key("value"), self.key("count"));
        for (name, place) in &self.places {
            let context = format!("{} of {} after {after}", name, self.client.name());
            assert_eq!(
                self.client.value(place, &value),
                json!({"nested": [1, null, "zwölf", {"deep": true}]}),
                "{context}"
            );
            assert_eq!(self.client.value(place, &count), expected, "{context}");
            let more = self.client.done("increment_state", with(place, json!({"key": count})));
            assert_eq!(more["value"], expected + 1, "{context}");
        }
    }
}

fn survives(format: &str, auth: &str, clients: Vec<Official>) -> Vec<Official> {
    let mut server = Server::start(&["--format", format, "--auth", auth]);
    let mut kept: Vec<Kept> = clients.into_iter().map(|client| Kept::new(client, &server, auth == "local")).collect();
    kept.iter_mut().for_each(Kept::write);
    server.snapshot();
    server.kill();
    server.start_again();
    assert!(server.announced("restored").contains("session"), "{}", server.announced("restored"));
    kept.iter_mut().for_each(|kept| kept.check(3, "kill -9"));
    let connected = server.metrics().value("sessile_sessions_created_total{kind=\"mcp\"}");
    assert_eq!(connected, 0.0, "some client had to connect anew");
    server.stop();
    server.start_again();
    kept.iter_mut().for_each(|kept| kept.check(4, "SIGTERM"));
    kept.into_iter().map(|kept| kept.client).collect()
}

#[test]
fn handles_buckets_and_protocol_sessions_survive_kill_9_and_sigterm_for_every_client_in_both_formats() {
    let mut clients = Official::all();
    for format in ["bincode", "json"] {
        for auth in ["local", "anonymous"] {
            clients = survives(format, auth, clients);
        }
    }
}
