//! The explicit road across owners. Each use is an audit event.

use std::sync::Arc;
use std::time::Duration;

use super::list::{self, CursorError, ListQuery, Page};
use super::{CoreRef, close_all};
use crate::actor::core::Core;
use crate::actor::lookup;
use crate::actor::supervisor::SupervisorRef;
use crate::actor::sweep::SweepReport;
use crate::error::{CreateError, OpenError};
use crate::id::{ParsedId, SessionId, generated_digest};
use crate::principal::Principal;
use crate::session::Session;

/// Whoever runs the service: console, command line, webhooks. Never hand it to a request's code.
#[derive(Clone)]
pub struct Operator {
    core: CoreRef,
    supervisor: SupervisorRef,
}

/// Figures of a running service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that have not ended, buckets among them.
    pub sessions: u64,
    /// Owners that have sessions.
    pub owners: u64,
    /// Bytes of state.
    pub bytes: u64,
    /// Remembered ends.
    pub tombstones: u64,
    /// How long the service has run.
    pub uptime: Duration,
}

impl Operator {
    pub(crate) fn new(core: &Arc<Core>, supervisor: &SupervisorRef) -> Self {
        Self { core: CoreRef(Arc::clone(core)), supervisor: supervisor.clone() }
    }

    /// Any owner's session by its id. A foreign id that several owners chose names none of them; go by its owner then.
    ///
    /// # Errors
    /// [`OpenError`] as for an owner.
    pub async fn session(&self, id: &str) -> Result<Session, OpenError> {
        let core = &self.core.0;
        let parsed = SessionId::parse(id)?;
        let (slot, id) = match parsed {
            ParsedId::Generated(id) => (core.registry.find(&generated_digest(&id)), id),
            ParsedId::Foreign(id) => {
                let mut found = core.registry.collect(|slot| slot.identity.is_foreign(&id));
                (if found.len() == 1 { found.pop() } else { None }, id)
            }
        };
        audit("session", &slot.as_ref().map_or_else(|| id.tag(), |slot| slot.identity.digest.tag()));
        let Some(slot) = slot else {
            let digest = generated_digest(&id);
            return Err(core
                .tombstones
                .find(&digest)
                .map_or(OpenError::Unknown, |found| OpenError::Ended(found.ended)));
        };
        lookup::access(core, &slot, false)?;
        Ok(Session::new(core, slot, id))
    }

    /// Lists sessions of all owners, the newest first. Costs a walk over all of them.
    ///
    /// # Errors
    /// [`CursorError`] when the cursor is none of this list's.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, CursorError> {
        audit("list", "");
        list::all(&self.core.0, query).await
    }

    /// Closes every session of one owner, the bucket too; tells how many.
    ///
    /// # Errors
    /// [`CreateError::Stopping`] when the service is shutting down.
    pub async fn close_owner(&self, principal: &Principal) -> Result<u64, CreateError> {
        let owner = super::Owner::new(&self.core.0, principal);
        audit("close_owner", &owner.key.tag());
        close_all(&self.core.0, &owner.key).await
    }

    /// Sweeps now. `None` when the service has stopped.
    pub async fn sweep(&self) -> Option<SweepReport> {
        audit("sweep", "");
        self.supervisor.sweep().await
    }

    /// Figures of the service.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let core = &self.core.0;
        Stats {
            sessions: core.capacity.sessions(),
            owners: core.owners.len() as u64,
            bytes: core.capacity.bytes(),
            tombstones: core.tombstones.len() as u64,
            uptime: core.clock.now().since(core.started_at),
        }
    }
}

fn audit(action: &'static str, tag: &str) {
    tracing::info!(target: "sessile::audit", action, tag, "operator");
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operator")
    }
}
