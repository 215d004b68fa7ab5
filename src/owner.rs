//! Owners: the only road from a caller to sessions.

mod anonymous;
mod list;
mod operator;

use std::sync::Arc;
use std::time::Instant;

pub use anonymous::AnonymousOwner;
pub use list::{Cursor, CursorError, ListQuery, Page};
pub use operator::{Operator, Stats};

use crate::actor::core::Core;
use crate::actor::create::{self, Creator, Found};
use crate::actor::in_flight::InFlight;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::actor::{end, lookup, roster};
use crate::error::{CreateError, EndReason, Ended, IdError, OpenError};
use crate::principal::{OwnerKey, Principal};
use crate::session::Session;
use crate::telemetry::{Operation, Outcome};

/// Sessions that [`close_all`] ends between two chances for other tasks.
const CLOSED_AT_ONCE: usize = 64;

/// What one principal may reach: its own sessions and its bucket, nobody else's.
///
/// A session of somebody else and one that never was answer alike.
#[derive(Clone, Debug)]
pub struct Owner {
    core: CoreRef,
    principal: Principal,
    key: OwnerKey,
}

/// The core without a face of its own in `Debug`.
#[derive(Clone)]
pub(crate) struct CoreRef(pub(crate) Arc<Core>);

impl std::fmt::Debug for CoreRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

impl Owner {
    /// The service's own time.
    #[cfg(feature = "rmcp")]
    pub(crate) fn now(&self) -> crate::time::Timestamp {
        self.core.0.clock.now()
    }

    pub(crate) fn new(core: &Arc<Core>, principal: &Principal) -> Self {
        let bound = core.config.bind_client && !core.planted(Bug::NoClientCheck);
        let principal = if bound { principal.clone() } else { principal.without_client() };
        let key = principal.key();
        Self { core: CoreRef(Arc::clone(core)), principal, key }
    }

    /// Creates a session under a minted id.
    ///
    /// # Errors
    /// [`CreateError`]: nothing was created.
    pub async fn create(&self, new: NewSession) -> Result<Session, CreateError> {
        self.found(create::session(&self.core.0, self.creator(), new, None, false)).await.map(|(session, _)| session)
    }

    /// Creates a session under an id of the caller's choosing: a foreign one, kept verbatim, in a space of this owner's own.
    ///
    /// # Errors
    /// [`CreateError::AlreadyExists`] when this owner has it already, [`CreateError::Ended`] while its end is remembered.
    pub async fn create_with_id(&self, id: &str, new: NewSession) -> Result<Session, CreateError> {
        self.found(create::session(&self.core.0, self.creator(), new, Some(id), false))
            .await
            .map(|(session, _)| session)
    }

    /// The live session of this name, created if there is none; tells whether it was created.
    ///
    /// # Errors
    /// [`CreateError`]: nothing was created.
    pub async fn get_or_create(&self, name: &str) -> Result<(Session, bool), CreateError> {
        self.get_or_create_with(NewSession::default().name(name)).await
    }

    /// Like [`Owner::get_or_create`], with options for the session if it has to be created.
    ///
    /// # Errors
    /// [`CreateError`]: nothing was created.
    pub async fn get_or_create_with(&self, new: NewSession) -> Result<(Session, bool), CreateError> {
        self.found(create::session(&self.core.0, self.creator(), new, None, true)).await
    }

    /// Opens a session by its id; counts as use.
    ///
    /// # Errors
    /// [`OpenError::Unknown`] for what never was and for what is somebody else's, [`OpenError::Ended`] for what was this
    /// owner's, [`OpenError::Id`] for what is no id, a mistyped one among them.
    pub async fn open(&self, id: &str) -> Result<Session, OpenError> {
        open(&self.core.0, &self.key, id)
    }

    /// The owner's own session, which needs no id. Made at first use, and again after a close.
    ///
    /// # Errors
    /// [`CreateError`] when it had to be made and a cap or a shutdown forbade it.
    pub async fn bucket(&self) -> Result<Session, CreateError> {
        bucket(&self.core.0, self.creator()).await
    }

    /// Lists this owner's sessions, the newest first. The bucket is not among them.
    ///
    /// # Errors
    /// [`CursorError`] when the cursor is none of this list's.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, CursorError> {
        let page = list::own(&self.core.0, &self.key, query).await;
        self.core.0.telemetry.count(Operation::List, if page.is_ok() { Outcome::Ok } else { Outcome::Invalid });
        page
    }

    /// Closes every session of this owner, the bucket too; tells how many.
    ///
    /// # Errors
    /// [`CreateError::Stopping`] when the service is shutting down, [`CreateError::NotDurable`] where the ends could not be
    /// written down.
    pub async fn close_all(&self) -> Result<u64, CreateError> {
        close_all(&self.core.0, &self.key).await
    }

    /// Who this owner is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    fn creator(&self) -> Creator<'_> {
        Creator { key: self.key, principal: Some(&self.principal) }
    }

    async fn found(&self, found: Result<Found, CreateError>) -> Result<(Session, bool), CreateError> {
        finish_create(&self.core.0, found).await
    }
}

/// Waits until what was created is as durable as an update is.
pub(crate) async fn finish_create(
    core: &Arc<Core>,
    found: Result<Found, CreateError>,
) -> Result<(Session, bool), CreateError> {
    let found = match found {
        Ok(found) if found.created && core.commits_wait() => match core.flush().await {
            Ok(()) => Ok(found),
            Err(error) => {
                end::undo(core, &found.slot);
                Err(error.into())
            }
        },
        Ok(found) => Ok(settled(core, found).await),
        other => other,
    };
    let outcome = match &found {
        Ok(_) => Outcome::Ok,
        Err(CreateError::AlreadyExists) => Outcome::Exists,
        Err(CreateError::Ended(_)) => Outcome::Ended,
        Err(CreateError::LimitExceeded(_)) => Outcome::Limit,
        Err(CreateError::Overloaded(_)) => Outcome::Overloaded,
        Err(CreateError::Stopping) => Outcome::Stopping,
        Err(CreateError::NotDurable(_)) => Outcome::NotDurable,
        Err(_) => Outcome::Invalid,
    };
    core.telemetry.count(Operation::Create, outcome);
    found.map(|found| (Session::new(core, found.slot, found.id), found.created))
}

pub(crate) fn open(core: &Arc<Core>, owner: &OwnerKey, id: &str) -> Result<Session, OpenError> {
    let started = Instant::now();
    let result = lookup::digest(owner, id)
        .map_err(OpenError::from)
        .and_then(|(id, digest)| lookup::find(core, owner, &digest).map(|slot| Session::new(core, slot, id)));
    let result = match result {
        Err(OpenError::Unknown) if core.planted(Bug::ErrorTellsId) => {
            Err(IdError::NoRandomness { detail: id.to_owned() }.into())
        }
        other => other,
    };
    let outcome = match &result {
        Ok(_) => Outcome::Ok,
        Err(OpenError::Ended(_)) => Outcome::Ended,
        Err(OpenError::Unknown) => Outcome::Unknown,
        Err(_) => Outcome::Invalid,
    };
    core.telemetry.observe(Operation::Open, outcome, started.elapsed());
    result
}

pub(crate) async fn bucket(core: &Arc<Core>, creator: Creator<'_>) -> Result<Session, CreateError> {
    // The common case makes nothing: it is an open, and works while the service drains.
    let standing = core.owners.find(&creator.key).and_then(|owner| create::standing_bucket(core, &owner));
    match standing {
        Some(found) => {
            let found = settled(core, found).await;
            Ok(Session::new(core, found.slot, found.id))
        }
        None => finish_create(core, create::bucket(core, creator)).await.map(|(session, _)| session),
    }
}

/// Waits, where commits wait, until a session that somebody else has created is durable, or is known not to be.
async fn settled(core: &Core, found: Found) -> Found {
    // Nothing was committed to it yet: its creation may still be on its way.
    if core.commits_wait() && found.slot.is_unused() {
        // On a disk that fails the one who created it is told so; whoever finds it may read.
        let _ = core.flush().await;
    }
    found
}

/// Closes what was there when it was called, a chunk at a time: the owner's index is locked for the copy of a chunk alone.
pub(crate) async fn close_all(core: &Arc<Core>, owner: &OwnerKey) -> Result<u64, CreateError> {
    let _accepted = InFlight::enter(core).ok_or(CreateError::Stopping)?;
    let Some(owner) = core.owners.find(owner) else { return Ok(0) };
    let ended = Ended { reason: EndReason::Closed, at: core.clock.now() };
    let close = |slot: &Arc<Slot>| end::end(core, slot, ended) == Some(ended);
    let bucket = owner.index.lock().bucket.and_then(|key| core.registry.by_key(&key));
    let mut closed = u64::from(bucket.as_ref().is_some_and(&close));
    let mut after = None;
    loop {
        let batch = owner.index.lock().sessions.after(after, CLOSED_AT_ONCE);
        after = batch.last().map(|last| roster::place(last));
        // In order of creation: whoever creates meanwhile is not chased.
        let old = batch.iter().take_while(|slot| slot.identity.created_at <= ended.at);
        closed += old.filter(|slot| close(slot)).count() as u64;
        if after.is_none_or(|(created_at, _)| created_at > ended.at) {
            core.flush().await?;
            core.telemetry.count(Operation::Close, Outcome::Ok);
            return Ok(closed);
        }
        tokio::task::yield_now().await;
    }
}
