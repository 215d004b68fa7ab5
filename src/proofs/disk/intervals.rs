//! Durable within an interval: at any power cut a restart lacks no change that is older than the flush interval and the write
//! that it would have been in. Two writes are promised; that it is one is shown where none takes as long as an interval.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::hand::{START, paused};
use super::super::proving::{Verdict, caught, holds};
use super::super::random::Random;
use super::around::Around;
use super::commits::digest;
use super::habits::Slow;
use super::plain::{self, Loaded};
use super::simulated::Disk;
use super::sweep::{Figures, sweep};
use super::workload::{FOLDER, principal};
use crate::actor::new_session::NewSession;
use crate::actor::planted::{Bug, DISK, FROM_THE_START};
use crate::config::Durability;
use crate::service::SessionService;
use crate::time::{Clock, Timestamp};

const FLUSH_EVERY: Duration = Duration::from_millis(40);
/// What one step of the disk takes.
const STEP: Duration = Duration::from_millis(2);
const SESSIONS: u64 = 5;

/// What there is to do, and how many steps the longest write has then.
#[derive(Clone, Copy)]
struct Load {
    work: u64,
    /// Beside snapshots, and values that fill the file.
    heavy: bool,
    steps: u32,
}

const LOADS: [Load; 2] = [
    // A frame and its sync.
    Load { work: 500, heavy: false, steps: 2 },
    // Another file begun in its folder, and zeros ahead, besides.
    Load { work: 1_500, heavy: true, steps: 12 },
];
const IMAGES: u64 = 40_000;

/// A change that somebody was told of: when, of which session, its revision.
type Told = (Duration, u64, u64);

/// Lets a service work on a slow disk: changes, reads, waits, snapshots; what was told by when.
fn worked(seed: u64, disk: &Disk, load: Load, bugs: &[Bug]) -> Vec<Told> {
    let layer = Around::layer(Arc::new(disk.clone()), &Arc::new(Slow { each: STEP }));
    paused(async {
        let mut random = Random(seed);
        let builder = SessionService::builder()
            .snapshots(PathBuf::from(FOLDER))
            .snapshot_every(Duration::from_secs(if load.heavy { 2 } else { 1_000 }))
            .durability(Durability::Journal { flush_every: FLUSH_EVERY })
            .clock(Clock::starting_at(Timestamp::from_micros(START)))
            .idle_timeout(None)
            .max_lifetime(None);
        let started = FROM_THE_START.scope(bugs.to_vec(), builder.start());
        let service = DISK.scope(layer, started).await.unwrap();
        let owner = service.owner(&principal());
        let (mut sessions, mut told) = (Vec::new(), Vec::new());
        for number in 0..SESSIONS {
            sessions.push(owner.create_with_id(&format!("s-{number}"), NewSession::default()).await.unwrap());
            told.push((disk.time(), number, 0));
        }
        for _ in 0..load.work {
            let number = random.below(SESSIONS);
            let session = &sessions[number as usize];
            match random.below(20) {
                0 => drop(session.read().unwrap()),
                // What fills the file, so that room is made in it.
                1 if load.heavy => drop(session.set("large", &"x".repeat(30_000)).await.unwrap()),
                _ => drop(session.increment("n", 1).await.unwrap()),
            }
            told.push((disk.time(), number, session.read().unwrap().revision().get()));
            tokio::time::sleep(Duration::from_micros(random.below(8_000))).await;
        }
        told
    })
}

/// Whether a restart finds all that it must when the power is cut between two steps.
fn kept(told: &[Told], times: &[Duration], write: Duration, cut: usize, loaded: &Loaded) -> Result<(), String> {
    // As late as the next step was due.
    let now = times.get(cut).or(times.last()).copied().unwrap_or_default();
    let due = told.iter().take_while(|(at, ..)| *at + FLUSH_EVERY + write < now);
    let mut least = [None; SESSIONS as usize];
    due.for_each(|(_, session, revision)| least[*session as usize] = Some(*revision));
    for (session, least) in least.iter().enumerate() {
        let found = loaded.plain.sessions.get(&digest(&format!("s-{session}"))).map(|held| held.0);
        if found < *least {
            return Err(format!(
                "session {session} is back at {found:?}, {least:?} is older than an interval and a write"
            ));
        }
    }
    Ok(())
}

fn proof(seed: u64, images: u64, bugs: &[Bug]) -> Verdict {
    let (mut changes, mut all) = (0, Figures::default());
    for load in LOADS {
        let disk = Disk::default();
        let told = worked(seed, &disk, load, bugs);
        let (times, write) = (disk.times(), load.steps * STEP);
        let found = |image: &_| plain::load(Arc::new(Disk::of(image)), Path::new(FOLDER));
        all += sweep(&disk, seed, images, &found, &|cut, loaded| kept(&told, &times, write, cut, loaded))?;
        changes += told.len();
    }
    Ok(format!("{changes} changes; {all}"))
}

#[test]
fn no_change_is_lost_that_is_older_than_an_interval_and_a_write() {
    holds(|seed| proof(seed, IMAGES, &[]));
}

#[test]
fn each_mechanism_is_missed_when_it_is_taken_out() {
    for bug in [Bug::AcknowledgesUnsynced, Bug::FlushesSeldom] {
        caught(3, |seed| proof(seed, IMAGES / 8, &[bug]));
    }
}
