//! With the defaults alone, what one connection wrote the next one reads, in both eras, and after a `kill -9`.

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Official, Raw, Server};

/// The caller's own state.
const OWN: Value = Value::Null;

#[test]
fn state_written_without_a_session_is_read_by_other_connections_of_both_eras_and_survives_kill_9() {
    let mut server = Server::start(&[]);
    assert_eq!(server.announced("mcp"), server.url());
    let mut writer = Raw::connect(&server, Era::Legacy, None);
    writer.set(&OWN, "greeting", json!({"text": "hello", "to": ["you"]}));
    let mark = server.log().mark();
    let mut readers = [Raw::connect(&server, Era::Legacy, None), Raw::connect(&server, Era::Modern, None)];
    for reader in &mut readers {
        assert_eq!(reader.value(&OWN, "greeting")["text"], "hello");
    }

    // Nobody asks for it: what the readers' sessions are written with holds all that came before them.
    server.log().wait(mark, |line| line.contains("journal written"));
    server.kill();
    server.start_again();

    for reader in &mut readers {
        assert_eq!(reader.value(&OWN, "greeting"), json!({"text": "hello", "to": ["you"]}));
    }
    assert_eq!(writer.value(&OWN, "greeting")["to"][0], "you", "the old protocol session still answers");
    let mut fresh = Raw::connect(&server, Era::Legacy, None);
    assert_eq!(fresh.value(&OWN, "greeting")["text"], "hello");
    assert_eq!(fresh.set(&OWN, "greeting", json!("bye"))["revision"], 2);
}

#[test]
fn every_official_client_reads_what_another_one_wrote() {
    let server = Server::start(&[]);
    let mut clients = Official::all();
    for client in &mut clients {
        let hello = client.connect(&server, None);
        assert!(hello["instructions"].as_str().unwrap().contains("create_session"), "{hello}");
        assert_eq!(hello["server"]["name"], "sessile");
        assert_eq!(hello["session_id"].is_string(), client.is_legacy(), "{hello}");
        let name = client.name();
        client.set(&OWN, &name, json!({"by": name}));
    }
    let names: Vec<String> = clients.iter().map(Official::name).collect();
    for reader in &mut clients {
        for name in &names {
            assert_eq!(reader.value(&OWN, name)["by"], json!(name), "read by {}", reader.name());
        }
    }
}
