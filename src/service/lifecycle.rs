//! Starting and draining: the order in which things are locked, read, started, written and let go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::builder::Builder;
use crate::actor::core::Core;
use crate::actor::journal::{Journal, leaving};
use crate::actor::planted;
use crate::actor::restore::{GoesOn, RestoreReport, restore};
use crate::actor::snapshotter::{self, Held, SnapshotError, SnapshotReport};
use crate::actor::supervisor::{self, SupervisorRef};
use crate::actor::tombstones::Tombstone;
use crate::config::{Durability, SnapshotOptions};
use crate::snapshot::{FileLayer, Folder, FolderError, JournalWriter, RestoreError, entries_codec};
use crate::telemetry::{Measures, Telemetry};
use crate::time::Clock;

/// Why a service did not start. Nothing runs, and no file of state was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Options that cannot be used, all of them.
    #[error("the options cannot be used: {}", .0.join("; "))]
    Options(Vec<String>),
    /// There is no tokio runtime around.
    #[error("a service is started inside a tokio runtime; call `start` from async code")]
    NoRuntime,
    /// Another service uses the folder.
    #[error("the folder {} is in use by another service; stop that one or choose another folder", .0.display())]
    Locked(PathBuf),
    /// The folder holds something else.
    #[error("the folder {} holds {name:?}, which is not a snapshot file; choose a folder of its own", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The first foreign name.
        name: String,
    },
    /// The folder cannot be used.
    #[error("the folder of snapshots cannot be used")]
    Folder(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A newer release wrote the newest file.
    #[error(
        "{} has version {found}, this release reads up to {supported}; use a newer release, move the file away, or start empty",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is read here.
        supported: u32,
    },
    /// The newest file is sealed under a key that was not given.
    #[error(
        "{} is sealed under key {key}, which is not among the keys given; name a key file that holds it, move the file away, \
         or start empty",
        file.display()
    )]
    Sealed {
        /// The file.
        file: PathBuf,
        /// The name of the key.
        key: String,
    },
    /// The newest file is of a kind that this build cannot read.
    #[error(
        "{} needs the feature `{feature}`, which this build lacks; use a build that has it, move the file away, or start empty",
        file.display()
    )]
    Unbuilt {
        /// The file.
        file: PathBuf,
        /// The feature.
        feature: &'static str,
    },
    /// Files are there and none can be used.
    #[error("none of the {} snapshot files can be used; move them away or start empty: {}", .0.len(), listed(.0))]
    NoneValid(Vec<(PathBuf, String)>),
    /// There is a journal, and not the snapshot that it goes on from.
    #[error("{} goes on from a snapshot that is not there; put that back, move the journal away, or start empty", .0.display())]
    JournalAlone(PathBuf),
    /// An actor could not be started.
    #[error("the service's actors could not be started")]
    Actors(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a drain did not end well. The service takes no updates; a second drain tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// The final snapshot was not written.
    #[error(
        "the final snapshot was not written; drain again once the cause is mended, or what came after the last one is lost"
    )]
    Snapshot(#[from] SnapshotError),
}

fn listed(files: &[(PathBuf, String)]) -> String {
    let lines: Vec<_> = files.iter().map(|(path, problem)| format!("{}: {problem}", path.display())).collect();
    lines.join("; ")
}

/// Validate, lock, restore, supervise.
pub(super) async fn start(builder: Builder) -> Result<(Arc<Core>, SupervisorRef, RestoreReport), StartError> {
    let config = builder.config()?;
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
    let telemetry = Telemetry::of(Measures::to(builder.recorder), &config.kinds);
    let clock = builder.clock.unwrap_or_else(Clock::system);
    let options = config.snapshots.clone();
    let core = Arc::new(Core::new(config, clock, telemetry, runtime));
    let opened = match &options {
        Some(options) => Some(open(&core, options).await?),
        None => None,
    };
    let supervisor = supervisor::start(&core).await.map_err(|error| StartError::Actors(error.into()))?;
    let mut restored = RestoreReport::default();
    if let (Some(opened), Some(options)) = (opened, options) {
        restored = opened.restored;
        let started = keep(&core, opened.folder, opened.journal, options, &supervisor).await;
        started.inspect_err(|_| core.stop())?;
    }
    Ok((core, supervisor, restored))
}

/// A folder that was locked and read.
struct Opened {
    folder: Folder,
    restored: RestoreReport,
    /// Where changes are written from here on.
    journal: Option<Begun>,
}

/// A journal that was begun, and whether a snapshot has to come before anything is promised.
struct Begun {
    writer: JournalWriter,
    snapshot_first: bool,
    /// Whether one should come soon.
    snapshot_soon: bool,
    /// Ends that are to stand in it.
    found: Vec<Tombstone>,
}

/// Starts what writes to the folder.
async fn keep(
    core: &Arc<Core>,
    folder: Folder,
    journal: Option<Begun>,
    options: SnapshotOptions,
    supervisor: &SupervisorRef,
) -> Result<(), StartError> {
    let held = Held::new(Mutex::new(Some(Arc::new(folder))));
    let (shared, durability) = (Arc::clone(&held), options.durability);
    let snapshotter = snapshotter::start(core, held, options, supervisor.cell()).await;
    core.set_snapshotter(snapshotter.map_err(|error| StartError::Actors(error.into()))?);
    let Some(Begun { writer, snapshot_first, snapshot_soon, found }) = journal else { return Ok(()) };
    let journal = Journal::start(core, durability, shared, writer);
    let journal = journal.map_err(|error| StartError::Actors(error.into()))?;
    found.into_iter().for_each(|tombstone| journal.buried(tombstone));
    core.set_journal(journal);
    if let Some(snapshotter) = core.snapshotter.get().filter(|_| snapshot_soon) {
        snapshotter.fold();
    }
    if snapshot_first {
        core.snapshot().await.map_err(|error| StartError::Folder(error.into()))?;
    }
    Ok(())
}

/// Locks and reads the folder, on the blocking pool.
async fn open(core: &Arc<Core>, options: &SnapshotOptions) -> Result<Opened, StartError> {
    let (opening, options, layer) = (Arc::clone(core), options.clone(), planted::disk());
    let opened = core.blocking(move || {
        let folder = lock(&options, &layer)?.wrapped(opening.wrap());
        let (restored, goes_on) = restore(&opening, &folder, options.start_empty)?;
        if !options.on_request {
            folder.claim()?;
        }
        let mut journal = None;
        if options.durability != Durability::Snapshot {
            let GoesOn { generation, frame, snapshot_first, snapshot_soon, found } = goes_on;
            let begun = generation.map_or_else(|| folder.next_generation(), Ok);
            let now = opening.clock.now().as_micros();
            let begun = begun.and_then(|generation| {
                // One that stands there all the same holds nothing and goes on from the last.
                let begun = folder.begin_journal(generation, frame.unwrap_or(now).max(1), now);
                begun.map_err(|begin| begin.error)
            });
            let writer = begun.map_err(|error| StartError::Folder(error.into()))?;
            journal = Some(Begun { writer, snapshot_first, snapshot_soon, found });
        }
        Ok::<_, StartError>(Opened { folder, restored, journal })
    });
    opened.await.map_err(|error| StartError::Folder(error.into()))?
}

/// Locks the folder. A service that was dropped here a moment ago may still be in the midst of its last write, and a program
/// that is being started by another thread has every lock of this process for a moment.
fn lock(options: &SnapshotOptions, layer: &Arc<dyn FileLayer>) -> Result<Folder, FolderError> {
    let mut pauses = [Duration::from_millis(5), Duration::from_millis(50)].into_iter();
    loop {
        let locked = match Folder::open(options.folder.clone(), Arc::clone(layer), entries_codec()) {
            Err(locked @ FolderError::Locked { .. }) => locked,
            other => return other,
        };
        if !leaving::wait_for_one() {
            match pauses.next() {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(locked),
            }
        }
    }
}

/// Stop accepting, run what was accepted, flush, stop.
pub(super) async fn drain(core: &Arc<Core>) -> Result<Option<SnapshotReport>, DrainError> {
    core.start_draining();
    core.in_flight.settled().await;
    let mut drained = core.drained.lock().await;
    if core.is_stopped() {
        return Ok(None);
    }
    if let Some(snapshotter) = core.snapshotter.get() {
        if drained.is_none() {
            match snapshotter.now().await {
                Ok(report) => *drained = Some(report),
                Err(error) => {
                    // What a journal holds is not lost with the snapshot.
                    let _ = core.flush().await;
                    return Err(error.into());
                }
            }
        }
        if let Some(journal) = core.journal() {
            journal.stopped().await;
        }
        snapshotter.stopped().await;
    }
    core.stop();
    Ok(drained.take())
}

impl From<FolderError> for StartError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Locked { path } => Self::Locked(path),
            FolderError::Foreign { path, name } => Self::Foreign { folder: path, name },
            other => Self::Folder(other.into()),
        }
    }
}

impl From<RestoreError> for StartError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Newer { path, found, supported } => Self::Newer { file: path, found, supported },
            RestoreError::JournalAlone { path } => Self::JournalAlone(path),
            RestoreError::Sealed { path, key } => Self::Sealed { file: path, key },
            RestoreError::Unbuilt { path, feature } => Self::Unbuilt { file: path, feature },
            RestoreError::NoneValid { skipped } => {
                Self::NoneValid(skipped.into_iter().map(|(file, error)| (file.path, error.to_string())).collect())
            }
            other => Self::Folder(other.into()),
        }
    }
}
