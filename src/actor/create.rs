//! Creating a session: of many that race for one id or name, one wins.

use std::sync::Arc;

use super::core::Core;
use super::enter::{self, enter};
use super::events;
use super::in_flight::{Accepted, InFlight, Refused};
use super::lookup::access;
use super::new_session::NewSession;
use super::owners::OwnerSlot;
use super::planted::Bug;
use super::slot::{Identity, Role, Slot};
use crate::error::{CreateError, Overload};
use crate::id::{Kind, SessionDigest, SessionId, generated_digest};
use crate::principal::{OwnerKey, Principal};
use crate::state::{Committed, Lifetime, Metadata};

/// Who creates.
#[derive(Clone, Copy)]
pub(crate) struct Creator<'a> {
    pub(crate) key: OwnerKey,
    pub(crate) principal: Option<&'a Principal>,
}

/// A session that was created or found.
pub(crate) struct Found {
    pub(crate) slot: Arc<Slot>,
    pub(crate) id: SessionId,
    pub(crate) created: bool,
}

/// Creates a session; with `chosen` under that foreign id. `reuse` gives the live one of the same name instead of an error.
pub(crate) fn session(
    core: &Arc<Core>,
    creator: Creator<'_>,
    new: NewSession,
    chosen: Option<&str>,
    reuse: bool,
) -> Result<Found, CreateError> {
    let _accepted = admit(core)?;
    let lifetime = new.check(&core.config, core.clock.now())?;
    creator.principal.map_or(Ok(()), Principal::check)?;
    for_owner(core, creator, |owner| {
        loop {
            if let Some(found) = named(core, owner, &new) {
                return if reuse { Ok(found) } else { Err(CreateError::AlreadyExists) };
            }
            let (id, digest) = match chosen {
                Some(text) => choose(&creator.key, text)?,
                None => mint(&new.kind)?,
            };
            // Nobody is evicted for a session that cannot be. Minted ids are new, and looked for where they are entered.
            if chosen.is_some() {
                check_free(core, &digest)?;
            }
            let now = core.clock.now();
            let mut identity = Identity::new(digest, Role::Session, new.kind.clone(), owner, now);
            if !owner.is_anonymous() || core.planted(Bug::FileTellsAnonymousId) {
                identity = identity.with_id(id.as_str());
            }
            let identity = identity.with_name(new.name.clone());
            let committed = Committed::new(new.metadata.clone(), lifetime);
            let slot = Arc::new(Slot::new(identity, committed, now));
            // If it is taken, the looks at the top tell by whom.
            if enter(core, &slot)? {
                if core.planted(Bug::LogTellsId) {
                    tracing::trace!(id = id.as_str(), "planted");
                }
                return Ok(Found { slot, id, created: true });
            }
        }
    })
}

/// Refuses an id whose session is live, or remembered as ended.
fn check_free(core: &Core, digest: &SessionDigest) -> Result<(), CreateError> {
    if let Some(taken) = core.registry.find(digest)
        && access(core, &taken, false).is_ok()
    {
        return Err(CreateError::AlreadyExists);
    }
    core.tombstones.find(digest).map_or(Ok(()), |tombstone| Err(CreateError::Ended(tombstone.ended)))
}

/// The owner's bucket, a new incarnation if there is none.
pub(crate) fn bucket(core: &Arc<Core>, creator: Creator<'_>) -> Result<Found, CreateError> {
    let _accepted = admit(core)?;
    creator.principal.map_or(Ok(()), Principal::check)?;
    let role = if creator.key == OwnerKey::GLOBAL { Role::Global } else { Role::Bucket };
    for_owner(core, creator, |owner| {
        loop {
            if let Some(found) = standing_bucket(core, owner) {
                return Ok(found);
            }
            let now = core.clock.now();
            let kind = Kind::new(if role == Role::Global { "global" } else { "bucket" })?;
            let (id, digest) = mint(&kind)?;
            let identity = Identity::new(digest, role, kind, owner, now).with_id(id.as_str());
            let lifetime = Lifetime { idle: core.config.bucket_idle_timeout, ends_at: None };
            let committed = Committed::new(Metadata::default(), lifetime);
            let slot = Arc::new(Slot::new(identity, committed, now));
            if enter(core, &slot)? {
                return Ok(Found { slot, id, created: true });
            }
        }
    })
}

fn admit(core: &Arc<Core>) -> Result<Accepted, CreateError> {
    core.durable()?;
    InFlight::admit(core).map_err(|refused| match refused {
        Refused::Stopping => CreateError::Stopping,
        Refused::Full => {
            core.telemetry.overloaded(Overload::Service);
            CreateError::Overloaded(Overload::Service)
        }
    })
}

/// Takes in a session that was built elsewhere, whole, under the caps of this service.
pub(crate) fn adopt(core: &Core, slot: Arc<Slot>) -> Result<(), CreateError> {
    match enter(core, &slot) {
        Ok(true) => {
            events::adopted(core, &slot);
            Ok(())
        }
        refused => {
            let owner = Arc::clone(&slot.identity.owner);
            drop(slot);
            core.owners.let_go(owner);
            refused.and(Err(CreateError::AlreadyExists))
        }
    }
}

/// Runs a creation with the owner's slot. One that is refused leaves no trace of an owner that has no session.
fn for_owner(
    core: &Core,
    creator: Creator<'_>,
    create: impl FnOnce(&Arc<OwnerSlot>) -> Result<Found, CreateError>,
) -> Result<Found, CreateError> {
    let owner = core.owners.intern(creator.key, creator.principal);
    let found = create(&owner);
    if found.is_err() && !core.planted(Bug::KeepsRefusedOwners) {
        core.owners.let_go(owner);
    }
    found
}

/// The bucket that stands, if one does; counts as use.
pub(crate) fn standing_bucket(core: &Core, owner: &OwnerSlot) -> Option<Found> {
    let key = owner.index.lock().bucket?;
    alive(core, core.registry.by_key(&key)?)
}

fn named(core: &Core, owner: &OwnerSlot, new: &NewSession) -> Option<Found> {
    if owner.is_anonymous() {
        return None;
    }
    let slot = enter::named(core, &owner.index.lock(), new.name.as_deref())?;
    alive(core, slot)
}

/// The slot if it is alive, which counts as use; one whose deadline has passed is ended here, so that its name is free.
fn alive(core: &Core, slot: Arc<Slot>) -> Option<Found> {
    access(core, &slot, true).ok()?;
    let id = slot.identity.id()?;
    Some(Found { slot, id, created: false })
}

fn mint(kind: &Kind) -> Result<(SessionId, SessionDigest), CreateError> {
    let id = SessionId::generate(kind)?;
    let digest = generated_digest(&id);
    Ok((id, digest))
}

fn choose(owner: &OwnerKey, text: &str) -> Result<(SessionId, SessionDigest), CreateError> {
    match SessionId::parse(text) {
        Ok(crate::id::ParsedId::Foreign(id)) => {
            let digest = crate::id::chosen_digest(owner, id.as_str());
            Ok((id, digest))
        }
        Ok(crate::id::ParsedId::Generated(_)) | Err(crate::error::IdError::Mistyped) => {
            Err(CreateError::Id(crate::error::IdError::Reserved))
        }
        Err(other) => Err(CreateError::Id(other)),
    }
}
