//! `/metrics`: every promised metric is there and moves, promtool has nothing to say, and nobody's data is in it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Raw, Scrape, Server, skip, tokens};

/// Each with its type.
const PROMISED: [(&str, &str); 24] = [
    ("sessile_sessions_active", "gauge"),
    ("sessile_sessions_created_total", "counter"),
    ("sessile_sessions_ended_total", "counter"),
    ("sessile_operations_total", "counter"),
    ("sessile_operation_duration_seconds", "histogram"),
    ("sessile_mailbox_rejected_total", "counter"),
    ("sessile_in_flight_rejected_total", "counter"),
    ("sessile_update_overruns_total", "counter"),
    ("sessile_requests_shed_total", "counter"),
    ("sessile_activations", "gauge"),
    ("sessile_state_bytes", "gauge"),
    ("sessile_sweep_duration_seconds", "histogram"),
    ("sessile_snapshot_duration_seconds", "histogram"),
    ("sessile_snapshot_size_bytes", "gauge"),
    ("sessile_snapshot_last_success_timestamp_seconds", "gauge"),
    ("sessile_snapshot_failures_total", "counter"),
    ("sessile_snapshots_quarantined_total", "counter"),
    ("sessile_journal_write_duration_seconds", "histogram"),
    ("sessile_journal_size_bytes", "gauge"),
    ("sessile_journal_failures_total", "counter"),
    ("sessile_durable", "gauge"),
    ("sessile_restore_degraded", "gauge"),
    ("sessile_owner_mismatch_total", "counter"),
    ("sessile_build_info", "gauge"),
];

/// What one round of work has to move, by at least so much. `sessile_restore_degraded` moves where files are damaged;
/// a full mailbox and a lent actor cannot be had through eight quick tools.
const MOVED: [(&str, f64); 20] = [
    ("sessile_sessions_active", 1.0),
    ("sessile_sessions_created_total{kind=\"bucket\"}", 1.0),
    ("sessile_sessions_created_total{kind=\"mcp\"}", 1.0),
    ("sessile_sessions_created_total{kind=\"session\"}", 1.0),
    ("sessile_sessions_created_total{kind=\"other\"}", 1.0),
    ("sessile_sessions_ended_total{reason=\"closed\"}", 1.0),
    ("sessile_sessions_ended_total{reason=\"idle\"}", 1.0),
    ("sessile_operations_total{operation=\"create\",outcome=\"ok\"}", 3.0),
    ("sessile_operations_total{operation=\"read\",outcome=\"ok\"}", 1.0),
    ("sessile_operations_total{operation=\"update\",outcome=\"ok\"}", 1.0),
    ("sessile_operations_total{operation=\"update\",outcome=\"conflict\"}", 1.0),
    ("sessile_operations_total{operation=\"list\",outcome=\"ok\"}", 1.0),
    ("sessile_operations_total{operation=\"close\",outcome=\"ok\"}", 1.0),
    ("sessile_operation_duration_seconds_count{operation=\"update\"}", 1.0),
    ("sessile_state_bytes", 10.0),
    ("sessile_sweep_duration_seconds_count", 1.0),
    ("sessile_snapshot_duration_seconds_count", 1.0),
    ("sessile_snapshot_size_bytes", 100.0),
    ("sessile_journal_write_duration_seconds_bucket{le=\"+Inf\"}", 1.0),
    ("sessile_owner_mismatch_total", 1.0),
];

/// Words that stand for what belongs to callers.
const THEIRS: [&str; 5] = ["zebra-owner", "zebra-key", "zebra-value", "zebra-label", "zebra-kind"];

#[test]
fn every_promised_metric_is_there_and_moves_and_tells_nothing_of_callers() {
    let home = tempfile::tempdir().unwrap();
    let owner = tokens::add(home.path(), "zebra-owner");
    let stranger = tokens::add(home.path(), "zebra-stranger");
    let server = Server::start_in(home, &[&tokens::FLAGS[..], &["--sweep-every", "1s"]].concat()).unwrap();
    let before = server.metrics();
    for (name, kind) in PROMISED {
        assert!(before.text.contains(&format!("# TYPE {name} {kind}\n")), "no {kind} {name} in:\n{}", before.text);
        assert!(before.text.contains(&format!("# HELP {name} ")), "{name} says nothing of itself");
        let sample = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
        // A histogram shows itself with its first value.
        assert!(before.find(&sample).is_some() || kind == "histogram", "{sample}");
    }
    assert_eq!(before.value("sessile_build_info"), 1.0);

    work(&server, &owner, &stranger);
    server.snapshot();
    let after = server.metrics();
    for (name, by) in MOVED {
        let moved = after.value(name) - before.find(name).unwrap_or(0.0);
        assert!(moved >= by, "{name} moved by {moved}");
    }
    // Registered as methods and tools are met.
    for tool in ["write_state", "create_session", "list_sessions"] {
        let labels = format!("mcp_method_name=\"tools/call\",gen_ai_tool_name=\"{tool}\",error_type=\"\"");
        let count = format!("mcp_server_operation_duration_seconds_count{{{labels}}}");
        assert!(after.text.contains(&count), "no {count} in:\n{}", after.text);
    }
    assert!(after.text.contains("# TYPE mcp_server_operation_duration_seconds histogram\n"), "no buckets of its own");
    for theirs in THEIRS {
        assert!(!after.text.contains(theirs), "{theirs} is in the metrics");
    }
    crate::harness::state_files::no_ids("the metrics", &after.text);
    for (operation, fewest) in [("0.000001", 1), ("+Inf", 1)] {
        assert!(after.text.matches(&format!("le=\"{operation}\"")).count() >= fewest, "no bucket of {operation} s");
    }
    promtool(&after);

    // The folder is gone: the next snapshot fails, and is told of.
    fs::remove_dir_all(server.snapshots()).unwrap();
    let mark = server.log().mark();
    server.signal("-USR1");
    server.log().wait(mark, |line| line.contains("ERROR") && line.contains("snapshot"));
    assert!(server.metrics().value("sessile_snapshot_failures_total{reason=\"other\"}") >= 1.0);
}

/// Does something of everything.
fn work(server: &Server, owner: &str, stranger: &str) {
    let mark = server.log().mark();
    let mut caller = Raw::connect(server, Era::Legacy, Some(owner));
    let read = caller.set(&Value::Null, "zebra-key", json!("zebra-value"))["revision"].clone();
    caller.set(&Value::Null, "zebra-key", json!("zebra-value again"));
    let late = json!({"set": [{"key": "zebra-key", "value": 1}], "if_revision": read});
    assert_eq!(caller.refused("write_state", late)["code"], "conflict");
    let named = json!({"kind": "zebra-kind", "label": "zebra-label", "name": "zebra-key"});
    let session = caller.done("create_session", named)["session"].clone();
    caller.done("create_session", json!({"idle_timeout_seconds": 1}));
    let mut other = Raw::connect(server, Era::Modern, Some(stranger));
    assert_eq!(other.refused("read_state", json!({"session": session}))["code"], "unknown_session");
    caller.done("list_sessions", json!({}));
    caller.done("close_session", json!({"session": session}));
    server.log().wait(mark, |line| line.contains("session ended") && line.contains("reason=\"idle\""));
    let mark = server.log().mark();
    server.log().wait(mark, |line| line.contains("swept"));
}

fn promtool(scrape: &Scrape) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = match promtool.stderr(Stdio::piped()).spawn() {
        Ok(running) => running,
        Err(_) => return skip("promtool is missing, so the format of /metrics is not checked"),
    };
    running.stdin.take().unwrap().write_all(scrape.text.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
