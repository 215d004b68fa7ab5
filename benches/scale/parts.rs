//! The parts, each with its rows.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sessile::{Session, SessionService};

use super::load::{self, BYTES};
use super::machine::{self, Watch, plain, row};
use super::probe::{self, Probe};
use super::processor::Lateness;
use super::raw;

/// How long other tasks are watched while nothing runs.
const CALM: Duration = Duration::from_secs(2);
const SWEEPS: u32 = 20;
/// The most values in a plain map to compare with.
const RAW_SESSIONS: u64 = 1_000_000;
/// Updates of each session; its size goes up and down, and is what it was after the last.
const ROUNDS: u64 = 4;

/// Creates the sessions: memory and the time of a create, while the map grows. With `updates` each is then updated: the
/// baseline comes last, since what it lets go of stays with the allocator.
pub(crate) async fn fill(service: &SessionService, sessions: u64, updates: bool) -> Vec<Session> {
    let (before, watch) = (machine::resident(), Watch::start());
    let (held, times) = load::create(service, sessions).await;
    let each = watch.cpu().as_secs_f64() / sessions as f64;
    let resident = (machine::resident() - before) as f64 / sessions as f64;
    if updates {
        rewrite(service, sessions, before, resident).await;
    }
    let before = machine::resident();
    // Beside many sessions there is no room for as many again.
    let raw_sessions = sessions.min(RAW_SESSIONS);
    let (map, raw_times) = raw::Map::fill(raw_sessions, BYTES as usize);
    let raw_resident = machine::resident().saturating_sub(before) as f64 / raw_sessions as f64;
    row("resident, a session", resident, raw_resident, "B", "DashMap of Arc<[u8]>");
    plain("create and fill, processor", each * 1e6, "us");
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.99", 0.9999), ("max", 1.0)] {
        let micros = |times: &Histogram<u64>| times.value_at_quantile(quantile) as f64 / 1e3;
        row(&format!("create {name}"), micros(&times), micros(&raw_times), "us", "insert into a plain DashMap");
    }
    drop(map);
    held
}

/// Updates of every session, in an order that no cache foresees: their time, and what memory they leave scattered.
async fn rewrite(service: &SessionService, sessions: u64, empty: u64, before: f64) {
    let watch = Watch::start();
    for round in 0..ROUNDS {
        load::rewrite(service, sessions, round).await;
    }
    let each = watch.cpu().as_secs_f64() / (sessions * ROUNDS) as f64;
    plain("list a page, open and update any, processor", each * 1e6, "us");
    let after = (machine::resident() - empty) as f64 / sessions as f64;
    row("resident, a session, after its updates", after, before, "B", "before them");
    load::check(service, sessions).await;
}

/// A snapshot alone, and what it does to others.
pub(crate) async fn snapshot(service: &SessionService, held: &[Session], folder: &Path) {
    let sessions = service.operator().stats().sessions;
    let before = load::counted(held);
    machine::forget_peak();
    let (resident, watch) = (machine::resident(), Watch::start());
    let report = service.snapshot().await.expect("writes");
    let (wall, cpu) = (watch.wall(), watch.cpu());
    assert_eq!(report.sessions, sessions);
    let raw = raw::write(&folder.with_extension("raw"), report.bytes);
    row("snapshot", seconds(wall), seconds(raw), "s", "write and fsync of as many bytes");
    plain("snapshot, processor", seconds(cpu), "s");
    plain("snapshot, millions of sessions a second", sessions as f64 / seconds(wall) / 1e6, "M/s");
    row("snapshot, most resident", machine::peak() as f64 / 1e6, resident as f64 / 1e6, "MB", "before it");
    let calm = watched(held);
    let probe = Probe::start(held);
    let started = Instant::now();
    while started.elapsed() < CALM {
        service.snapshot().await.expect("writes");
    }
    let during = probe.stop();
    probe::rows("beside a snapshot", &during, &calm);
    // What was added while files were written is all there.
    assert_eq!(load::counted(held) - before, calm.all.len() + during.all.len());
    load::check(service, sessions).await;
}

/// Sweeps that find nothing to do, and what they do to others.
pub(crate) async fn sweep(service: &SessionService, held: &[Session]) {
    let sessions = service.operator().stats().sessions;
    let (operator, watch) = (service.operator(), Watch::start());
    for _ in 0..SWEEPS {
        assert_eq!(operator.sweep().await.expect("sweeps").expired, 0);
    }
    let (wall, cpu) = (watch.wall() / SWEEPS, watch.cpu() / SWEEPS);
    let (map, _) = raw::Map::fill(sessions, 8);
    row("sweep, processor", millis(cpu), millis(map.scan()), "ms", "scan of a plain DashMap");
    plain("sweep", millis(wall), "ms");
    drop(map);
    let calm = watched(held);
    let probe = Probe::start(held);
    let started = Instant::now();
    while started.elapsed() < CALM {
        operator.sweep().await.expect("sweeps");
    }
    probe::rows("beside a sweep", &probe.stop(), &calm);
    load::check(service, sessions).await;
}

/// Reads of one key of sessions at hand while a snapshot is written.
pub(crate) async fn reads(service: &SessionService, held: &[Session]) {
    let read_for = |held: &[Session], most: Duration| {
        let (started, mut reads, mut at) = (Instant::now(), 0_u64, 0);
        while started.elapsed() < most {
            for _ in 0..1_000 {
                at = (at + 7_919) % held.len();
                let view = held[at].read().expect("reads");
                black_box(view.json("key-5").map(str::len));
            }
            reads += 1_000;
        }
        started.elapsed().as_nanos() as f64 / reads as f64
    };
    let calm = read_for(held, CALM / 2);
    let all = held.to_vec();
    let reader = std::thread::spawn(move || read_for(&all, CALM / 2));
    let started = Instant::now();
    while started.elapsed() < CALM / 2 {
        service.snapshot().await.expect("writes");
    }
    let beside = reader.join().expect("reads go on");
    row("read of one key beside a snapshot", beside, calm, "ns", "the same, nothing running");
}

/// Restores in a process of its own.
pub(crate) fn restore(sessions: u64, folder: &Path) {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--part", "restored", "--sessions", &sessions.to_string(), "--folder"]).arg(folder);
    assert!(child.status().expect("starts").success(), "the restore went wrong");
}

/// The newest snapshot.
fn newest(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    files.filter(|path| path.extension().is_some()).max().expect("a snapshot")
}

/// What a restore is measured by: a file in memory, read and summed, and as many bytes put into a plain map on every core,
/// by a process to which all memory is new. Tells the seconds.
pub(crate) fn refilled(sessions: u64, folder: &Path) {
    let started = Instant::now();
    raw::read(&newest(folder));
    let cores = machine::cores() as u64;
    let fill = || std::mem::forget(raw::Map::fill(sessions / cores, BYTES as usize));
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(fill))));
    println!("{}", seconds(started.elapsed()));
}

pub(crate) async fn restored(sessions: u64, folder: &Path) {
    // The passes that count are of a file in memory.
    raw::read(&newest(folder));
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--part", "refilled", "--sessions", &sessions.to_string(), "--folder"]).arg(folder);
    let told = child.output().expect("starts").stdout;
    let raw: f64 = String::from_utf8_lossy(&told).trim().parse().expect("seconds");
    let (before, watch) = (machine::resident(), Watch::start());
    machine::forget_peak();
    let service = load::builder(sessions, folder).start().await.expect("starts");
    let (wall, cpu) = (watch.wall(), watch.cpu());
    let (resident, peak) = (machine::resident(), machine::peak());
    assert_eq!(service.restored().sessions, sessions);
    row("restore", seconds(wall), raw, "s", "read, checksum, copy into a plain map");
    plain("restore, processor", seconds(cpu), "s");
    plain("restore, millions of sessions a second", sessions as f64 / seconds(wall) / 1e6, "M/s");
    row("restore, most resident", peak as f64 / 1e6, resident as f64 / 1e6, "MB", "after it");
    row("resident, a restored session", (resident - before) as f64 / sessions as f64, BYTES as f64, "B", "its JSON");
    load::check(&service, sessions).await;
}

/// What updates take while nothing runs.
fn watched(held: &[Session]) -> Lateness {
    let probe = Probe::start(held);
    std::thread::sleep(CALM);
    probe.stop()
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
