//! One round: a process is started, killed, and its folder looked into.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sessile::{Durability, Format, OpenError, SessionService};
use tempfile::TempDir;

use crate::killed::{self, Order};
use crate::ledger::{self, Note, What};
use crate::model::{Known, Model, Tally};
use crate::random::Random;
use crate::seen::Seen;
use crate::state;

/// The longest time from a start, or from the first moment of readiness, to the kill.
const LONGEST: Duration = Duration::from_millis(200);
/// A process that is not ready by then never will be.
const PATIENCE: Duration = Duration::from_secs(60);
/// Beyond the writes themselves: to wake up, to gather what has changed, to encode it.
const NO_WRITE: Duration = Duration::from_millis(5);
/// Numbers that one process may use for sessions.
const NUMBERS: u64 = 1 << 20;

/// A folder that lives through many kills.
pub(crate) struct Proof {
    folder: TempDir,
    ledgers: TempDir,
    durability: Durability,
    random: Random,
    planted: bool,
    model: Model,
    tally: Tally,
    runtime: tokio::runtime::Runtime,
}

impl Proof {
    pub(crate) fn new(durability: Durability, random: Random, planted: bool) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            ledgers: tempfile::tempdir_in(ledger::folder()).unwrap(),
            durability,
            random,
            planted,
            model: Model::default(),
            tally: Tally::default(),
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Starts, kills, compares.
    pub(crate) fn round(&mut self) -> Result<(), String> {
        let ledger = self.ledgers.path().join(self.tally.kills.to_string());
        let order = Order {
            folder: self.folder.path().join("snapshots"),
            ledger,
            durability: self.durability,
            seed: self.random.below(usize::MAX) as u64,
            first: NUMBERS * (self.tally.kills + 1),
            planted: self.planted,
        };
        let (killed_at, seen) = self.kill(&order)?;
        self.tally.kills += 1;
        let notes = ledger::read(&order.ledger);
        // One that was killed at its very start has none.
        let _ = std::fs::remove_file(&order.ledger);
        let since = self.may_be_lost_since(&notes, killed_at, seen);
        let expected = self.model.expect(&notes, since, &mut self.tally);
        let format = [Format::Bincode, Format::Json][self.random.below(2)];
        let (model, tally, random) = (&mut self.model, &mut self.tally, &mut self.random);
        self.runtime.block_on(async {
            let service = killed::start(&order, format, |builder| builder).await;
            if service.restored().degraded() {
                return Err(format!("a kill damages nothing, and yet: {:?}", service.restored()));
            }
            for session in expected.sessions() {
                let found = find(&service, session).await?;
                expected.check(session, found, tally).map_err(|violated| {
                    let allowed = since.map(|since| killed_at.saturating_sub(since));
                    let written = written(&notes).map(|at| killed_at.saturating_sub(at));
                    format!("{violated}; allowed for {allowed:?}, last write {written:?} before the kill, {seen:?}")
                })?;
                model.set(session, found);
            }
            let (sessions, alive) = (service.operator().stats().sessions, model.alive().count() as u64);
            if sessions != alive {
                return Err(format!("there are {sessions} sessions, and {alive} that anybody made"));
            }
            leave(service, model, random).await
        })
    }

    /// Kills at a random moment, of the start or of the work; when that was, and in the midst of what.
    fn kill(&mut self, order: &Order) -> Result<(Duration, Seen), String> {
        let (name, value) = order.variable();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["the_process_that_is_killed", "--exact", "--nocapture"])
            .env(name, value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let mut child = Reaped(child.unwrap());
        if self.random.below(4) > 0 {
            let started = Instant::now();
            while !ledger::read(&order.ledger).iter().any(|note| note.what == What::Ready) {
                if started.elapsed() > PATIENCE || child.0.try_wait().unwrap().is_some() {
                    return Err("the process did not start to work".to_owned());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        std::thread::sleep(Duration::from_micros(self.random.below(LONGEST.as_micros() as usize) as u64));
        let at = ledger::now();
        // After that: what begins in between is seen.
        let seen = Seen::of(child.0.id());
        child.0.kill().unwrap();
        match child.0.wait().unwrap() {
            status if status.signal() == Some(9) => Ok((at, seen)),
            status => Err(format!("the process ended before it was killed: {status}")),
        }
    }

    /// From when on an acknowledgement may be lost: the flush interval before the kill, and twice the longest write. What the
    /// machine did not let the process run is none of its time, and a write that the kill met is as long as it was under
    /// way. `None` where none may be.
    fn may_be_lost_since(&mut self, notes: &[Note], killed_at: Duration, seen: Seen) -> Option<Duration> {
        let Durability::Journal { flush_every } = self.durability else { return None };
        let writes = notes.iter().filter(|note| note.what == What::Wrote).map(|note| Duration::from_micros(note.value));
        let met = written(notes).filter(|_| seen.writing).map(|last| killed_at.saturating_sub(last));
        let write = writes.chain(met).max().unwrap_or_default();
        let promised = flush_every + 2 * write + NO_WRITE;
        let allowed = promised + stood_still(notes, killed_at.saturating_sub(4 * promised), killed_at, seen);
        self.tally.longest = self.tally.longest.max(allowed.as_millis() as u64);
        Some(killed_at.saturating_sub(allowed))
    }
}

/// How long the machine did not let the process run, or the thread that writes, from some time on.
fn stood_still(notes: &[Note], since: Duration, killed_at: Duration, seen: Seen) -> Duration {
    let beats = notes.iter().filter(|note| note.what == What::Beat);
    let before = beats.clone().rfind(|note| note.at <= since);
    let waited = seen.waited.saturating_sub(Duration::from_micros(before.map_or(0, |beat| beat.value)));
    let beats = before.into_iter().chain(beats.filter(|note| note.at > since)).map(|note| note.at);
    let beats: Vec<_> = beats.chain([killed_at]).collect();
    let gap = beats.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default();
    gap.max(waited)
}

/// When the last write was done that anybody was told of; where there was none, when the service started.
fn written(notes: &[Note]) -> Option<Duration> {
    notes.iter().rfind(|note| matches!(note.what, What::Wrote | What::Ready)).map(|note| note.at)
}

/// A process that is never left behind.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // It may have ended; either way it is reaped here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the folder gave back of a session, whole.
async fn find(service: &SessionService, session: u64) -> Result<Known, String> {
    let opened = match killed::owner(service).open(&state::id(session)).await {
        Ok(opened) => opened,
        Err(OpenError::Unknown) => return Ok(Known::Absent),
        Err(OpenError::Ended(_)) => return Ok(Known::Ended),
        Err(error) => return Err(format!("session {session}: {error}")),
    };
    let view = opened.read().map_err(|ended| format!("session {session}: {ended}"))?;
    state::check(session, &view)?;
    Ok(Known::Alive(view.revision().get()))
}

/// Leaves the folder to the next process: with what others left behind closed at times, with or without a last snapshot.
async fn leave(service: SessionService, model: &mut Model, random: &mut Random) -> Result<(), String> {
    if random.below(4) == 0 {
        let left: Vec<_> = model.alive().filter(|session| *session >= state::LASTING).collect();
        for session in left {
            let opened = killed::owner(&service).open(&state::id(session)).await.map_err(|error| error.to_string())?;
            opened.close().await.map_err(|error| error.to_string())?;
            model.set(session, Known::Ended);
        }
    }
    if random.below(4) == 0 {
        service.drain().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
