//! The journal of a running service: what has changed is written down soon, or before anybody is told.

mod health;
mod items;
pub(crate) mod leaving;
mod marks;
mod settle;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use self::health::Health;
use self::leaving::Exit;
use self::marks::Marks;
pub(crate) use self::settle::{Answer, NotCommitted, Pending};
use self::worker::Worker;
use super::core::Core;
use super::planted::Bug;
use super::slot::Slot;
use super::snapshotter::Held;
use super::tombstones::Tombstone;
use crate::config::Durability;
use crate::error::NotDurable;
use crate::snapshot::{JournalWriter, WriteError};
use crate::state::Committed;

/// A journal of fewer bytes is not folded into a snapshot for its size.
pub(crate) const FOLD_BYTES: u64 = 64 << 20;
/// Where every commit waits for its write, what needs none is written so often.
const BACKGROUND: Duration = Duration::from_secs(1);

/// What everybody knows of the journal.
pub(crate) struct Journal {
    shared: Arc<Shared>,
}

/// What the worker shares with everybody.
struct Shared {
    durability: Durability,
    marks: Marks,
    work: Mutex<Work>,
    /// Rung when there is work.
    bell: Bell,
    health: Health,
    exit: Exit,
    /// A journal of so many bytes is folded into a snapshot.
    fold_at: AtomicU64,
}

/// What the worker was asked for.
#[derive(Default)]
struct Work {
    commits: Vec<Pending>,
    flushes: Vec<oneshot::Sender<Result<(), NotDurable>>>,
    rotations: Vec<oneshot::Sender<Result<u64, WriteError>>>,
    stop: bool,
    /// Dropped once the worker has gone.
    awaiting_end: Vec<oneshot::Sender<()>>,
    /// Whether it has: nothing is asked for any more.
    gone: bool,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.flushes.is_empty() && self.rotations.is_empty() && !self.stop
    }
}

/// Wakes the worker.
#[derive(Default)]
struct Bell {
    thread: Condvar,
    /// In its place where a proof runs everything on one thread.
    #[cfg(test)]
    task: tokio::sync::Notify,
}

impl Bell {
    fn ring(&self) {
        self.thread.notify_one();
        #[cfg(test)]
        self.task.notify_one();
    }
}

impl Journal {
    /// Starts the worker, with the journal that was begun for it.
    pub(crate) fn start(
        core: &Arc<Core>,
        durability: Durability,
        folder: Held,
        writer: JournalWriter,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            durability,
            marks: Marks::default(),
            work: Mutex::default(),
            bell: Bell::default(),
            health: Health::default(),
            exit: Exit::default(),
            fold_at: AtomicU64::new(FOLD_BYTES),
        });
        let worker = Worker::new(core, Arc::clone(&shared), folder, writer);
        #[cfg(test)]
        if core.in_order() {
            drop(core.runtime.spawn(worker.run_in_order()));
            return Ok(Self { shared });
        }
        shared.exit.begins();
        std::thread::Builder::new().name("sessile-journal".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared })
    }

    /// Whether every commit waits until it is durable.
    pub(crate) fn commits_wait(&self) -> bool {
        self.shared.durability == Durability::Commit
    }

    /// Refuses what could not be made durable.
    pub(crate) fn healthy(&self) -> Result<(), NotDurable> {
        if self.shared.health.is_good() { Ok(()) } else { Err(NotDurable) }
    }

    /// Notes a session that has changed; `old` is the revision before, of a large one.
    pub(crate) fn changed(&self, slot: &Arc<Slot>, old: Option<&Arc<Committed>>) {
        self.shared.marks.changed(slot, || old.filter(|old| old.entries.is_large()).cloned());
    }

    /// Notes a session whose event log has changed. Called under the log's lock.
    pub(crate) fn log_changed(&self, slot: &Arc<Slot>) {
        self.shared.marks.log_changed(slot);
    }

    /// Notes a session that was used.
    pub(crate) fn touched(&self, slot: &Arc<Slot>) {
        self.shared.marks.touched(slot);
    }

    /// Notes the end of a session. Called under the slot's lock, before it is found ended: what is written of a session that
    /// is found alive comes before its end.
    pub(crate) fn buried(&self, tombstone: Tombstone) {
        self.shared.marks.buried(tombstone);
    }

    /// Hands over turns that wait for their write.
    pub(crate) fn commit(&self, pending: Pending) {
        self.ask(|work| work.commits.push(pending));
    }

    /// Makes durable what was noted before the call.
    ///
    /// # Cancellation
    /// It is written all the same.
    pub(crate) async fn flush(&self) -> Result<(), NotDurable> {
        self.healthy()?;
        let (told, answer) = oneshot::channel();
        self.ask(|work| work.flushes.push(told));
        answer.await.unwrap_or(Err(NotDurable))
    }

    /// Goes on in a file of its own for the snapshot that is about to be taken; gives the number of both.
    pub(crate) async fn rotate(&self) -> Option<Result<u64, WriteError>> {
        let (told, answer) = oneshot::channel();
        self.ask(|work| work.rotations.push(told));
        answer.await.ok()
    }

    /// A snapshot of so many bytes, begun after the last rotation, is durable: what could not be written before is in it.
    pub(crate) fn folded(&self, core: &Core, bytes: u64) {
        self.shared.fold_at.store(FOLD_BYTES.max(bytes.saturating_mul(2)), Ordering::Relaxed);
        if core.planted(Bug::HealsWhateverFailed) {
            self.shared.health.begins_anew();
        }
        if self.shared.health.heals() {
            core.telemetry.durable.set(1.0);
            tracing::warn!("a snapshot was written to a new file: updates are durable again");
        }
    }

    /// Stops the worker; what waits is given up.
    pub(crate) fn stop(&self) {
        self.ask(|work| {
            work.stop = true;
            self.shared.exit.told();
        });
    }

    /// Stops the worker and waits until it has gone.
    pub(crate) async fn stopped(&self) {
        let (told, gone) = oneshot::channel();
        self.ask(|work| work.awaiting_end.push(told));
        self.stop();
        // Never told: dropped, at once where it has gone.
        let _ = gone.await;
    }

    fn ask(&self, ask: impl FnOnce(&mut Work)) {
        let mut work = self.shared.work.lock();
        if work.gone {
            // What is asked for may be turns of others, which are let go without the lock.
            drop(work);
            return drop(ask);
        }
        ask(&mut work);
        drop(work);
        self.shared.bell.ring();
    }
}

impl Shared {
    /// Waits for work, or for `until`; gives the work.
    fn wait(&self, until: Instant) -> Work {
        let mut work = self.work.lock();
        while work.is_empty() && !self.bell.thread.wait_until(&mut work, until).timed_out() {}
        let taken = std::mem::take(&mut *work);
        // Kept until the worker has gone.
        work.awaiting_end = taken.awaiting_end;
        Work { awaiting_end: Vec::new(), ..taken }
    }

    /// How long what needs no haste may wait.
    fn every(&self) -> Duration {
        match self.durability {
            Durability::Journal { flush_every } => flush_every,
            Durability::Snapshot | Durability::Commit => BACKGROUND,
        }
    }
}

impl Core {
    /// The journal, where there is one.
    #[inline]
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    /// Whether every commit waits until it is durable.
    pub(crate) fn commits_wait(&self) -> bool {
        self.journal().is_some_and(Journal::commits_wait) && !self.planted(Bug::PublishesFirst)
    }

    /// Refuses what could not be made durable.
    #[inline]
    pub(crate) fn durable(&self) -> Result<(), NotDurable> {
        self.journal().map_or(Ok(()), Journal::healthy)
    }

    /// Makes durable what was noted before the call, where there is a journal.
    pub(crate) async fn flush(&self) -> Result<(), NotDurable> {
        match self.journal() {
            Some(journal) => journal.flush().await,
            None => Ok(()),
        }
    }
}
