//! Starting and draining: the order in which things are locked, read, started, written and let go.

use std::path::PathBuf;
use std::sync::Arc;

use super::builder::Builder;
use crate::actor::core::Core;
use crate::actor::planted;
use crate::actor::restore::{RestoreReport, restore};
use crate::actor::snapshotter::{self, SnapshotError, SnapshotReport};
use crate::actor::supervisor::{self, SupervisorRef};
use crate::config::SnapshotOptions;
use crate::snapshot::{Folder, FolderError, RestoreError, entries_codec};
use crate::telemetry::Telemetry;
use crate::time::Clock;

/// Why a service did not start. Nothing runs, and nothing in the folder was changed.
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
    let telemetry = match &builder.recorder {
        Some(recorder) => metrics::with_local_recorder(recorder, || Telemetry::register(&config.kinds)),
        None => Telemetry::register(&config.kinds),
    };
    let clock = builder.clock.unwrap_or_else(Clock::system);
    let options = config.snapshots.clone();
    let core = Arc::new(Core::new(config, clock, telemetry, runtime));
    let (folder, restored) = match &options {
        Some(options) => {
            let (folder, restored) = open(&core, options).await?;
            (Some(folder), restored)
        }
        None => (None, RestoreReport::default()),
    };
    let supervisor = supervisor::start(&core).await.map_err(|error| StartError::Actors(error.into()))?;
    if let (Some(folder), Some(options)) = (folder, options) {
        let started = snapshotter::start(&core, folder, options, supervisor.cell()).await;
        core.set_snapshotter(started.map_err(|error| {
            core.stop();
            StartError::Actors(error.into())
        })?);
    }
    Ok((core, supervisor, restored))
}

/// Locks and reads the folder, on the blocking pool.
async fn open(core: &Arc<Core>, options: &SnapshotOptions) -> Result<(Folder, RestoreReport), StartError> {
    let (opening, options, layer) = (Arc::clone(core), options.clone(), planted::disk());
    let opened = core.blocking(move || {
        let folder = Folder::open(options.folder.clone(), layer, entries_codec())?.wrapped(opening.wrap());
        let restored = restore(&opening, &folder, options.start_empty)?;
        Ok::<_, StartError>((folder, restored))
    });
    opened.await.map_err(|error| StartError::Folder(error.into()))?
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
            *drained = Some(snapshotter.now().await?);
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
            RestoreError::Sealed { path, key } => Self::Sealed { file: path, key },
            RestoreError::Unbuilt { path, feature } => Self::Unbuilt { file: path, feature },
            RestoreError::NoneValid { skipped } => {
                Self::NoneValid(skipped.into_iter().map(|(file, error)| (file.path, error.to_string())).collect())
            }
            other => Self::Folder(other.into()),
        }
    }
}
