//! Ten times the load that the server takes: each request gets a typed answer, memory stays where it was, and afterwards
//! everything is served. `SESSILE_FLOOD_SECONDS` makes it long.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Reply, Server, skip};

const PLACES: usize = 8;
/// Requests of each client, at least.
const ROUNDS: usize = 150;
const BODY: usize = 128 << 10;
/// What one connection may make the server hold: its request as it came in, as JSON, as the value that is written and as
/// the state, and as much for buffers.
const HELD: u64 = 5 * BODY as u64;

/// How requests were answered.
#[derive(Default)]
struct Told {
    asked: AtomicU64,
    done: AtomicU64,
    overloaded: AtomicU64,
    shed: AtomicU64,
}

/// Ten clients for each place, all at once, on one session, each on one connection all the time.
fn flood(server: &Server, long: Duration, told: &Told) {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..10 * PLACES {
            scope.spawn(move || {
                let mut client = Raw::connect(server, Era::Modern, None);
                for round in (0..).take_while(|round| *round < ROUNDS || begun.elapsed() < long) {
                    told.asked.fetch_add(1, Ordering::Relaxed);
                    let key = format!("k{}", (number + round) % 4);
                    let value = "x".repeat(BODY - 1_024);
                    let answer = client.answer("write_state", json!({"set": [{"key": key, "value": value}]})).unwrap();
                    let kind = if answer.status == 503 {
                        assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                        let body: Value = serde_json::from_str(&answer.body).unwrap();
                        assert_eq!(body["error"]["code"], -32000, "{answer:?}");
                        &told.shed
                    } else {
                        let reply = Reply::of(&client.result(&answer).unwrap());
                        if reply.is_error {
                            assert_eq!(reply.error()["code"], "overloaded");
                            &told.overloaded
                        } else {
                            &told.done
                        }
                    };
                    kind.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
}

#[test]
fn ten_times_what_the_server_takes_is_answered_each_and_holds_no_memory() {
    let flags = ["--max-requests", "8", "--request-wait", "20ms", "--max-body-bytes", "131072"];
    let server = Server::start(&flags);
    let seconds = std::env::var("SESSILE_FLOOD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let long = Duration::from_secs(seconds.unwrap_or(0));
    let told = Told::default();
    let idle = server.memory();
    flood(&server, long, &told);
    let (last, all) = (server.memory(), told.asked.load(Ordering::SeqCst));
    let [done, overloaded, shed] = [&told.done, &told.overloaded, &told.shed].map(|count| count.load(Ordering::SeqCst));
    eprintln!("{all} requests: {done} done, {overloaded} overloaded, {shed} shed; memory {idle:?}, then {last:?}");
    assert_eq!(done + overloaded + shed, all);
    assert!(done > 0 && shed > 0, "no flood: {done} done, {shed} shed");
    let metrics = server.metrics();
    assert_eq!(metrics.value("sessile_requests_shed_total") as u64, shed);
    match (idle, last) {
        (Some((idle, _)), Some((last, _))) => {
            let most = idle + HELD * (10 * PLACES) as u64;
            assert!(last * 10 <= most * 11, "{idle} bytes became {last}, at most {most} and a tenth are held");
        }
        _ => skip("this system does not tell a process's memory, so that it stays bounded is not checked"),
    }
    // The flood is over, and nothing of it is left in the way.
    let mut caller = Raw::connect(&server, Era::Legacy, None);
    for round in 0..50 {
        caller.set(&Value::Null, "after", json!(round));
        assert_eq!(caller.value(&Value::Null, "after"), round);
    }
}

#[test]
fn a_body_that_is_too_long_or_too_slow_is_refused_with_a_sentence() {
    let server = Server::start(&["--max-body-bytes", "100000"]);
    let mut client = Raw::connect(&server, Era::Modern, None);
    for bytes in [100_001, 3_000_000] {
        let long = client.send("POST", &[], Some(&"x".repeat(bytes))).unwrap();
        assert_eq!(long.status, 413, "{long:?}");
        assert!(long.body.contains("at most 100000 bytes; split it"), "{long:?}");
    }
    let mut slow = TcpStream::connect(server.addr()).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{{",
        server.addr()
    );
    slow.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("the body was not there within 10s"), "{answer}");
}
