//! What all sessions of one service share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};

use ractor::ActorCell;
use tokio::runtime::Handle;

use super::capacity::Capacity;
use super::in_flight::InFlight;
use super::journal::Journal;
use super::owners::Owners;
use super::registry::Registry;
use super::snapshotter::{SnapshotReport, SnapshotterRef};
use super::tombstones::Tombstones;
use crate::config::{Config, StateLimits};
use crate::telemetry::Telemetry;
use crate::time::{Clock, Timestamp};

use super::slot::Role;

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
const STOPPED: u8 = 2;

/// The service behind every reference to it. Holds no actor alive and is held by none of its own parts.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) owners: Owners,
    pub(crate) tombstones: Tombstones,
    pub(crate) capacity: Capacity,
    pub(crate) telemetry: Telemetry,
    pub(crate) in_flight: InFlight,
    pub(crate) changes: Changes,
    pub(crate) runtime: Handle,
    pub(crate) started_at: Timestamp,
    #[cfg(feature = "rmcp")]
    pub(crate) attached: super::attached::Attached,
    phase: AtomicU8,
    /// What the drain came to: one drains at a time, and a second one goes on where a first was dropped.
    pub(crate) drained: tokio::sync::Mutex<Option<SnapshotReport>>,
    supervisor: OnceLock<ActorCell>,
    pub(crate) snapshotter: OnceLock<SnapshotterRef>,
    pub(super) journal: OnceLock<Journal>,
    #[cfg(test)]
    pub(crate) planted: super::planted::Planted,
}

impl Core {
    pub(crate) fn new(config: Config, clock: Clock, telemetry: Telemetry, runtime: Handle) -> Self {
        Self {
            registry: Registry::new(),
            owners: Owners::new(),
            tombstones: Tombstones::new(config.max_tombstones, config.max_tombstones_per_owner),
            capacity: Capacity::default(),
            in_flight: InFlight::default(),
            changes: Changes::default(),
            started_at: clock.now(),
            config,
            clock,
            telemetry,
            runtime,
            #[cfg(feature = "rmcp")]
            attached: super::attached::Attached::default(),
            phase: AtomicU8::new(RUNNING),
            drained: tokio::sync::Mutex::default(),
            supervisor: OnceLock::new(),
            snapshotter: OnceLock::new(),
            journal: OnceLock::new(),
            #[cfg(test)]
            planted: super::planted::Planted::default(),
        }
    }

    /// The caps on the state of a session in this role.
    pub(crate) fn limits(&self, role: Role) -> StateLimits {
        match role {
            Role::Session => self.config.session,
            Role::Bucket | Role::Global => self.config.bucket,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == RUNNING
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == STOPPED
    }

    /// Takes no more work from now on.
    pub(crate) fn start_draining(&self) {
        self.phase.fetch_max(DRAINING, Ordering::SeqCst);
    }

    /// Stops the actors. What is still queued is dropped unrun.
    pub(crate) fn stop(&self) {
        self.phase.store(STOPPED, Ordering::SeqCst);
        if let Some(snapshotter) = self.snapshotter.get() {
            snapshotter.stop();
        }
        if let Some(journal) = self.journal.get() {
            journal.stop();
        }
        if let Some(supervisor) = self.supervisor.get() {
            supervisor.stop(None);
        }
    }

    pub(crate) fn supervisor(&self) -> Option<ActorCell> {
        self.supervisor.get().cloned()
    }

    pub(crate) fn set_supervisor(&self, supervisor: ActorCell) {
        // Set once, by `start`, before the service is handed out.
        let _ = self.supervisor.set(supervisor);
    }

    pub(crate) fn set_snapshotter(&self, snapshotter: SnapshotterRef) {
        if self.changes.pending() {
            snapshotter.first_change();
        }
        // Set once, by `start`, before the service is handed out.
        let _ = self.snapshotter.set(snapshotter);
    }

    pub(crate) fn set_journal(&self, journal: Journal) {
        // Set once, by `start`, before the service is handed out.
        let _ = self.journal.set(journal);
    }

    /// Notes that files are behind.
    pub(crate) fn changed(&self) {
        // What was published is seen by whoever takes the mark away, or the mark is made anew.
        fence(Ordering::SeqCst);
        self.committed();
    }

    /// The same after a commit. It was published under the slot's lock, which a snapshot takes after the mark: one that
    /// did not see the commit had let go of that lock before, and so is seen to have taken the mark.
    pub(crate) fn committed(&self) {
        if self.changes.mark()
            && let Some(snapshotter) = self.snapshotter.get()
        {
            snapshotter.first_change();
        }
    }
}

/// Whether there is anything that the files do not hold.
#[derive(Default)]
pub(crate) struct Changes {
    committed: AtomicBool,
    touched: AtomicBool,
    noticed: AtomicBool,
}

impl Changes {
    /// Notes a commit, a creation or an end; true for the first since [`Changes::take`].
    fn mark(&self) -> bool {
        // Nothing is written where it stands already, or every commit would take this line from the last one's core.
        if !self.committed.load(Ordering::Relaxed) {
            self.committed.store(true, Ordering::SeqCst);
        }
        !self.noticed.load(Ordering::Acquire) && !self.noticed.swap(true, Ordering::AcqRel)
    }

    /// Whether a commit, a creation or an end waits to be written.
    fn pending(&self) -> bool {
        self.committed.load(Ordering::Acquire)
    }

    /// Notes that a read moved a deadline: files should learn of it, in their own time.
    pub(crate) fn touch(&self) {
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
    }

    /// Whether something has changed; from here on changes count for the next snapshot.
    pub(crate) fn take(&self) -> bool {
        self.noticed.store(false, Ordering::Release);
        let touched = self.touched.swap(false, Ordering::AcqRel);
        let committed = self.committed.swap(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        committed || touched
    }

    /// Puts back what was taken for a snapshot that then failed.
    pub(crate) fn put_back(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }
}
