//! Everything at once, for long: updates at a fixed rate on a service with a journal, beside snapshots, sweeps, and sessions
//! that come and expire.
//!
//! ```text
//! cargo bench --bench soak -- [--minutes N] [--rate UPDATES_A_SECOND] [--commit]
//! ```
//!
//! One line a minute: how late answers were from the time that each was due, what the process keeps in memory, what was
//! written. Memory is flat when the last lines have no more than the second one: the first fills what there is to fill.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that fails has no figure"
)]

mod common;
#[allow(dead_code, reason = "the bench of scale uses the rest")]
#[path = "scale/machine.rs"]
mod machine;

use std::path::Path;
use std::time::Duration;

use common::open_loop::{Schedule, run};
use common::{SESSIONS, builder, counted, owner, place, update};
use sessile::{Durability, NewSession, Session, SessionService};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MINUTE: Duration = Duration::from_secs(60);
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Sessions a second that somebody begins and leaves behind.
const ABANDONED: u64 = 200;
/// How long such a one lives.
const IDLE: Duration = Duration::from_secs(5);

fn main() {
    let (mut minutes, mut rate, mut durability) = (10_u64, 64_000_u64, Durability::JOURNAL);
    // cargo adds an argument of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|text| text.parse().ok()).filter(|value| *value > 0);
        match argument.as_str() {
            "--minutes" => minutes = value().expect("--minutes needs a whole number"),
            "--rate" => rate = value().expect("--rate needs a whole number"),
            "--commit" => durability = Durability::Commit,
            other => panic!("{other} is no option; there are --minutes, --rate and --commit"),
        }
    }
    common::runtime().block_on(async move {
        // In a task: what blocks the main thread is no worker.
        tokio::spawn(soak(minutes, rate, durability)).await.expect("the bench panicked");
    });
}

async fn soak(minutes: u64, rate: u64, durability: Durability) {
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk");
    let builder = builder().snapshots(folder.path()).durability(durability);
    let service = builder.snapshot_every(SNAPSHOT_EVERY).sweep_every(SWEEP_EVERY).start().await.expect("starts");
    let sessions = fill_at_once(&service).await;
    let leaving = tokio::spawn(abandon(service.clone()));
    println!(
        "{SESSIONS} sessions, {rate} updates a second at {durability:?}; a snapshot every {SNAPSHOT_EVERY:?}, a sweep"
    );
    println!(
        "every {SWEEP_EVERY:?}, {ABANDONED} sessions a second that expire after {IDLE:?}; microseconds from when due\n"
    );
    println!("minute |      p50      p99    p99.9      max | MiB kept, most | sessions | newest snapshot | files, MiB");
    for minute in 0..minutes {
        machine::forget_peak();
        let schedule = Schedule { rate, pacers: 1, time: MINUTE, warm_up: 0, spawned: false };
        let first = minute * schedule.calls();
        let answers = run(schedule, move |number| (true, update(&sessions[place(0, first + number, SESSIONS)]))).await;
        let micros = |quantile| answers.all.value_at_quantile(quantile) as f64 / 1e3;
        let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(micros);
        let [kept, most] = [machine::resident(), machine::peak()].map(|bytes| bytes >> 20);
        let (alive, (newest, bytes)) = (service.operator().stats().sessions, files(folder.path()));
        println!(
            "{:>6} | {p50:>8.2} {p99:>8.1} {p999:>8.0} {max:>8.0} | {kept:>8} {most:>5} | {alive:>8} | {newest:>15} | {:>10}",
            minute + 1,
            bytes >> 20
        );
    }
    leaving.abort();
    assert!(service.is_durable(), "a write has failed");
    let updates = minutes * rate * MINUTE.as_secs();
    assert_eq!(counted(sessions), updates, "updates were lost");
    service.drain().await.expect("drains");
    println!("\n{updates} updates, each counted once.");
}

/// As the others fill, with many at a time: at `Commit` each waits for the disk.
async fn fill_at_once(service: &SessionService) -> &'static [Session] {
    let tasks: Vec<_> = (0..common::CALLERS)
        .map(|caller| {
            let service = service.clone();
            tokio::spawn(async move {
                let mut own = Vec::new();
                for index in (caller..SESSIONS).step_by(common::CALLERS) {
                    own.push(common::create(&owner(&service, index)).await);
                }
                own
            })
        })
        .collect();
    let mut sessions = Vec::with_capacity(SESSIONS);
    for task in tasks {
        sessions.extend(task.await.expect("fills"));
    }
    sessions.leak()
}

/// Begins sessions that nobody comes back to.
async fn abandon(service: SessionService) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / ABANDONED as u32);
    for number in 0.. {
        ticks.tick().await;
        let owner = owner(&service, SESSIONS + number % SESSIONS);
        owner.create(NewSession::default().idle_timeout(IDLE)).await.expect("creates");
    }
}

/// The number of the newest snapshot, and the bytes of all files.
fn files(folder: &Path) -> (u64, u64) {
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let files: Vec<_> =
        files.filter_map(|file| Some((file.file_name().into_string().ok()?, file.metadata().ok()?.len()))).collect();
    let number = |name: &str| name.strip_prefix("snapshot-")?.split('.').next()?.parse().ok();
    (
        files.iter().filter_map(|(name, _)| number(name)).max().unwrap_or_default(),
        files.iter().map(|(_, bytes)| bytes).sum(),
    )
}
