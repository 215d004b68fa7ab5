//! What there is to know about a session beside its entries.

use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::slot::Slot;
use crate::error::Revision;
use crate::id::SessionId;
use crate::state::Committed;
use crate::state::Metadata;
use crate::time::Timestamp;

/// A session as lists and [`crate::Session::info`] show it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id; `None` when an operator looks at an anonymous session, whose id nobody but its holder knows.
    pub id: Option<SessionId>,
    /// A short tag that tells sessions apart in logs.
    pub tag: String,
    /// What it is for.
    pub kind: String,
    /// The name its owner gave it.
    pub name: Option<String>,
    /// Label, user agent, origin, tags, custom JSON.
    pub metadata: Arc<Metadata>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_active_at: Timestamp,
    /// When it ends if nobody uses it; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// Entries in it.
    pub entries: u64,
    /// Bytes of keys, values and metadata.
    pub bytes: u64,
    /// The current revision.
    pub revision: Revision,
}

impl SessionInfo {
    pub(crate) fn of(core: &Core, slot: &Slot, committed: &Arc<Committed>) -> Self {
        let identity = &slot.identity;
        let view = crate::state::View::new(Arc::clone(committed), core.clock.now());
        Self {
            id: identity.id(),
            tag: identity.digest.tag(),
            kind: identity.kind().to_owned(),
            name: identity.name().map(str::to_owned),
            metadata: committed.shared_metadata(),
            created_at: identity.created_at,
            last_active_at: slot.last_active(),
            expires_at: slot.deadline().map(|(at, _)| at),
            entries: view.len() as u64,
            bytes: committed.bytes,
            revision: committed.revision,
        }
    }
}
