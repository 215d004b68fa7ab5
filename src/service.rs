//! The service: built, started, drained.

mod builder;
mod lifecycle;

use std::sync::Arc;

pub use builder::Builder;
pub use lifecycle::{DrainError, StartError};

use crate::actor::core::Core;
use crate::actor::create::Creator;
use crate::actor::import::{FileProblem, ImportOptions, ImportReport};
use crate::actor::restore::RestoreReport;
use crate::actor::snapshotter::{SnapshotError, SnapshotReport};
use crate::actor::supervisor::SupervisorRef;
use crate::config::Wrap;
use crate::error::CreateError;
use crate::owner::{AnonymousOwner, Operator, Owner, bucket};
use crate::principal::{Caller, OwnerKey, Principal};
use crate::session::Session;

/// One running service: a value, cheap to clone, as many in a process as one likes.
///
/// Dropping the last clone without [`SessionService::drain`] stops the actors, releases the folder and writes nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let service = sessile::SessionService::builder().snapshots(folder.path()).start().await?;
/// let alice = sessile::Principal::new("https://id.example", "alice");
/// service.owner(&alice).bucket().await?.set("greeting", "hello").await?;
/// service.drain().await?;
///
/// let service = sessile::SessionService::builder().snapshots(folder.path()).start().await?;
/// let bucket = service.owner(&alice).bucket().await?;
/// assert_eq!(bucket.get::<String>("greeting")?.as_deref(), Some("hello"));
/// # service.drain().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionService {
    handle: Arc<Handle>,
}

/// What the last clone takes with it.
struct Handle {
    core: Arc<Core>,
    supervisor: SupervisorRef,
    restored: RestoreReport,
}

/// What a caller without a fixed identity may reach: see [`SessionService::caller`].
#[derive(Clone, Debug)]
pub enum CallerOwner {
    /// A principal's own.
    Owner(Owner),
    /// What the holder of an id may reach.
    Anonymous(AnonymousOwner),
}

#[cfg(feature = "rmcp")]
impl CallerOwner {
    /// The service's own time.
    pub(crate) fn now(&self) -> crate::time::Timestamp {
        match self {
            Self::Owner(owner) => owner.now(),
            Self::Anonymous(anonymous) => anonymous.now(),
        }
    }
}

impl SessionService {
    /// Starts building a service with default options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What this principal may reach.
    #[must_use]
    pub fn owner(&self, principal: &Principal) -> Owner {
        Owner::new(&self.handle.core, principal)
    }

    /// What a caller without an identity may reach.
    #[must_use]
    pub fn anonymous(&self) -> AnonymousOwner {
        AnonymousOwner::new(&self.handle.core)
    }

    /// What the caller of a request may reach.
    #[must_use]
    pub fn caller(&self, caller: &Caller) -> CallerOwner {
        match caller {
            Caller::Principal(principal) => CallerOwner::Owner(self.owner(principal)),
            Caller::Anonymous => CallerOwner::Anonymous(self.anonymous()),
        }
    }

    /// The session shared by all.
    ///
    /// # Errors
    /// [`CreateError`] when it had to be made and a cap or a shutdown forbade it.
    pub async fn global(&self) -> Result<Session, CreateError> {
        bucket(&self.handle.core, Creator { key: OwnerKey::GLOBAL, principal: None }).await
    }

    /// The road across owners, for whoever runs the service; never for a request's code.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator::new(&self.handle.core, &self.handle.supervisor)
    }

    /// What `start` found in the folder.
    #[must_use]
    pub fn restored(&self) -> &RestoreReport {
        &self.handle.restored
    }

    /// Whether the service takes updates: false from the start of a drain on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.handle.core.is_running()
    }

    /// Whether what was promised of files can be kept: false from the first failed write of the journal on, until a snapshot
    /// is written whole. Updates are refused meanwhile, and reads go on.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.handle.core.durable().is_ok()
    }

    /// Writes a snapshot now; returns once it is safe on disk. Updates go on meanwhile.
    ///
    /// # Errors
    /// [`SnapshotError`]: the earlier snapshots are as they were.
    ///
    /// # Cancellation
    /// The snapshot is finished all the same.
    pub async fn snapshot(&self) -> Result<SnapshotReport, SnapshotError> {
        self.handle.core.snapshot().await
    }

    /// Writes everything to one file outside the folder of snapshots; refuses to overwrite. With keys it is sealed under
    /// the first of them, as snapshots are; [`SessionService::export_unsealed`] writes one that anybody can read.
    ///
    /// # Errors
    /// [`FileProblem`]: no file was left behind.
    pub async fn export(
        &self,
        path: impl Into<std::path::PathBuf>,
        format: crate::Format,
    ) -> Result<SnapshotReport, FileProblem> {
        self.handle.core.export(path.into(), format, self.handle.core.wrap()).await
    }

    /// As [`SessionService::export`], in the format itself: neither sealed nor compressed, whatever the options say.
    ///
    /// # Errors
    /// As [`SessionService::export`].
    pub async fn export_unsealed(
        &self,
        path: impl Into<std::path::PathBuf>,
        format: crate::Format,
    ) -> Result<SnapshotReport, FileProblem> {
        self.handle.core.export(path.into(), format, Wrap::default()).await
    }

    /// Takes sessions from a file into the running service: each is checked, and visible whole or not at all.
    ///
    /// # Errors
    /// [`FileProblem`] when the file as a whole is refused; a refused item is in the report.
    pub async fn import(
        &self,
        path: impl Into<std::path::PathBuf>,
        options: ImportOptions,
    ) -> Result<ImportReport, FileProblem> {
        self.handle.core.import(path.into(), options).await
    }

    /// Takes no more work, runs what was accepted, writes a final snapshot, stops the actors and releases the folder.
    ///
    /// # Errors
    /// [`DrainError`] when the final snapshot could not be written; the service is stopped to updates, and a second drain
    /// tries again.
    pub async fn drain(&self) -> Result<Option<SnapshotReport>, DrainError> {
        lifecycle::drain(&self.handle.core).await
    }

    /// Where metrics go.
    #[cfg(feature = "rmcp")]
    pub(crate) fn measures(&self) -> crate::telemetry::Measures {
        self.handle.core.telemetry.measures.clone()
    }

    /// What an adapter keeps beside the sessions of this service: one value of a type.
    #[cfg(feature = "rmcp")]
    pub(crate) fn attached<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.handle.core.attached.of()
    }

    /// The most entries of a session.
    #[cfg(all(feature = "rmcp", feature = "seal"))]
    pub(crate) fn max_entries(&self) -> u64 {
        self.handle.core.config.session.entries
    }

    /// The time on the service's clock.
    #[cfg(all(feature = "rmcp", feature = "seal"))]
    pub(crate) fn now(&self) -> crate::time::Timestamp {
        self.handle.core.clock.now()
    }

    /// For proofs, which look inside and plant bugs there.
    #[cfg(test)]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.core.is_stopped() {
            tracing::warn!("the service was dropped without a drain; what came after the last snapshot is lost");
            self.core.stop();
        }
    }
}

impl std::fmt::Debug for SessionService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionService").field("sessions", &self.handle.core.capacity.sessions()).finish()
    }
}
