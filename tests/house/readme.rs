//! README.md against the code it speaks of. The server's tables are compared in `server/tests`.

use std::sync::Arc;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sessile::defaults::*;
use sessile::{AtCapacity, SessionService, SharedRecorder};

use super::{assert_table, root, text};

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(number: u64) -> String {
    match number {
        number if number >= 1 << 30 && number % (1 << 30) == 0 => format!("{} GiB", number >> 30),
        number if number >= 1 << 20 && number % (1 << 20) == 0 => format!("{} MiB", number >> 20),
        number if number >= 1 << 10 && number % (1 << 10) == 0 => format!("{} KiB", number >> 10),
        number => format!("{number} bytes"),
    }
}

fn time(duration: Duration) -> String {
    if duration.subsec_millis() > 0 {
        return format!("{} milliseconds", duration.as_millis());
    }
    let seconds = duration.as_secs();
    let (unit, of) = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")]
        .into_iter()
        .find(|(unit, _)| seconds > *unit && seconds.is_multiple_of(*unit))
        .unwrap();
    if seconds >= 100 * 365 * 86_400 { "100 years".to_owned() } else { format!("{} {of}", seconds / unit) }
}

fn policy(policy: AtCapacity) -> String {
    format!("{policy:?}").to_lowercase()
}

#[test]
fn limits_are_the_defaults() {
    let option = |name: &str| format!("`{name}`");
    let fixed = || "fixed".to_owned();
    let rows = [
        ("idle timeout of a session", time(DEFAULT_IDLE_TIMEOUT), option("idle_timeout")),
        ("max lifetime of a session", time(DEFAULT_MAX_LIFETIME), option("max_lifetime")),
        ("idle timeout of buckets", "none".to_owned(), option("bucket_idle_timeout")),
        ("time between two sweeps", time(DEFAULT_SWEEP_EVERY), option("sweep_every")),
        ("sessions in all", grouped(DEFAULT_MAX_SESSIONS), option("max_sessions")),
        ("sessions of one owner", grouped(DEFAULT_MAX_SESSIONS_PER_OWNER), option("max_sessions_per_owner")),
        ("entries of a session", grouped(DEFAULT_MAX_ENTRIES), option("max_entries")),
        ("what an update does at that cap", policy(AtCapacity::default()), option("at_entry_cap")),
        ("state of a session", bytes(DEFAULT_MAX_SESSION_BYTES), option("max_session_bytes")),
        ("entries of a bucket", grouped(DEFAULT_MAX_BUCKET_ENTRIES), option("max_bucket_entries")),
        ("what an update does at that cap, in a bucket", policy(AtCapacity::default()), option("at_bucket_entry_cap")),
        ("state of a bucket", bytes(DEFAULT_MAX_BUCKET_BYTES), option("max_bucket_bytes")),
        ("one value, as compact JSON", bytes(DEFAULT_MAX_VALUE_BYTES), option("max_value_bytes")),
        ("one key", bytes(DEFAULT_MAX_KEY_BYTES), option("max_key_bytes")),
        ("state of one owner", bytes(DEFAULT_MAX_OWNER_BYTES), option("max_owner_bytes")),
        ("state in all", bytes(DEFAULT_MAX_TOTAL_BYTES), option("max_total_bytes")),
        (
            "what is done at a cap on sessions, or on bytes of an owner or in all",
            policy(AtCapacity::default()),
            option("at_capacity"),
        ),
        ("events that a session's log keeps", grouped(DEFAULT_MAX_EVENTS), option("max_events")),
        (
            "bytes of them, counted to the owner's and to those in all",
            bytes(DEFAULT_MAX_EVENTS_BYTES),
            option("max_events_bytes"),
        ),
        ("keyed updates that a session remembers", grouped(DEFAULT_IDEMPOTENCY_KEYS), option("idempotency_keys")),
        ("time for which it remembers them", time(DEFAULT_IDEMPOTENCY_WINDOW), option("idempotency_window")),
        ("updates that wait for one session", grouped(DEFAULT_MAILBOX_TURNS as u64), option("mailbox_turns")),
        ("time that an update waits in line", time(DEFAULT_UPDATE_TIMEOUT), option("update_timeout")),
        ("callers in line for a place among them", grouped(DEFAULT_MAILBOX_LINE.into()), option("mailbox_line")),
        ("updates and creates in flight in all", grouped(DEFAULT_MAX_IN_FLIGHT), option("max_in_flight")),
        ("time after which an update counts as an overrun", time(DEFAULT_OVERRUN_AFTER), option("overrun_after")),
        ("remembered ends in all", grouped(DEFAULT_MAX_TOMBSTONES as u64), option("max_tombstones")),
        (
            "remembered ends of one owner",
            grouped(DEFAULT_MAX_TOMBSTONES_PER_OWNER as u64),
            option("max_tombstones_per_owner"),
        ),
        ("time between two snapshots", time(DEFAULT_SNAPSHOT_EVERY), option("snapshot_every")),
        ("snapshots kept", grouped(DEFAULT_GENERATIONS as u64), option("generations")),
        ("time that snapshots are kept beyond those", "none".to_owned(), option("keep_for")),
        ("custom metadata of a session", bytes(MAX_CUSTOM_BYTES), fixed()),
        ("a name, label, user agent, origin or tag", bytes(MAX_TEXT_BYTES), fixed()),
        ("tags of a session", grouped(MAX_TAGS), fixed()),
        ("levels of nesting in a value", grouped(MAX_DEPTH), fixed()),
        ("an idempotency key", bytes(MAX_IDEMPOTENCY_KEY_BYTES as u64), fixed()),
        ("what a keyed update returned, to be remembered with it", bytes(MAX_REMEMBERED_BYTES as u64), fixed()),
        ("the longest timeout", time(MAX_TIMEOUT), fixed()),
    ];
    let expected: Vec<_> = rows.into_iter().map(|(what, value, how)| vec![what.to_owned(), value, how]).collect();
    assert_table(&text("README.md"), "## Limits", &expected);
}

#[test]
fn every_option_of_the_builder_is_told() {
    let builder = text("src/service/builder.rs");
    let readme = text("README.md");
    // Options that bound something, by their types; the others are told where they belong.
    let numbers = builder.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(": ")?;
        ["u32 =>", "u64 =>", "usize =>", "Duration =>", "Option<Duration> =>"]
            .iter()
            .any(|of| rest.starts_with(of))
            .then_some(name)
    });
    let missing: Vec<_> = numbers.filter(|name| !readme.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn metrics_are_the_registered_ones() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let recorder: SharedRecorder = Arc::new(recorder);
    let service = SessionService::builder().recorder(recorder).start().await.unwrap();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (key, _, description, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let labels: Vec<_> = key.labels().map(|label| format!("`{}`", label.key())).collect();
        let kind = match value {
            DebugValue::Counter(_) => "counter",
            DebugValue::Gauge(_) => "gauge",
            DebugValue::Histogram(_) => "histogram",
        };
        let description = description.unwrap_or_else(|| panic!("{} is not described", key.name()));
        let told = format!("{kind}. {}", description.trim_end_matches('.'));
        rows.push(vec![format!("`{}`", key.name()), labels.join(", "), told]);
    }
    rows.sort();
    rows.dedup();
    assert_table(&text("README.md"), "## Metrics", &rows);
    service.drain().await.unwrap();
}

#[test]
fn figures_are_the_measured_ones() {
    let results = text("benches/peers/results.md");
    let (_, measured) = results.split_once("\n## 100,000 sessions, 64 callers\n\n").unwrap();
    assert!(measured.starts_with("| store |"), "{measured}");
    assert!(text("README.md").contains(measured), "README.md has to show\n{measured}");
}

#[test]
fn the_code_is_the_examples() {
    let example = text("examples/embed.rs");
    let start = example.find("use std::error::Error;").unwrap();
    let end = example.find("\n#[tokio::main").unwrap();
    let shown = example[start..end].trim_end();
    assert!(text("README.md").contains(&format!("```rust\n{shown}\n```")), "README.md has to show\n{shown}");
}

#[test]
fn links_lead_somewhere() {
    for paper in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = text(paper);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target)) {
            match target.split_once('#') {
                Some(("", anchor)) => {
                    let slug = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                    let found = text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
                    assert!(found, "{paper}: #{anchor}");
                }
                _ if target.starts_with("https://") => {}
                _ => assert!(root().join(target).exists(), "{paper}: {target}"),
            }
        }
    }
}
