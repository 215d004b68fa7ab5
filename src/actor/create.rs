//! Creating a session: of many that race for one id or name, one wins.

use std::sync::Arc;

use super::capacity::Capacity;
use super::core::Core;
use super::end;
use super::in_flight::InFlight;
use super::lookup::access;
use super::new_session::NewSession;
use super::owners::{Index, OwnerSlot};
use super::planted::Bug;
use super::slot::{Identity, Role, Slot};
use crate::config::AtCapacity;
use crate::error::{CreateError, EndReason, Ended, Limit, LimitExceeded};
use crate::id::{Kind, SessionId, generated_digest};
use crate::principal::{OwnerKey, Principal};
use crate::state::{Committed, Lifetime, Metadata};
use crate::time::Timestamp;

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
    let _accepted = InFlight::enter(core).ok_or(CreateError::Stopping)?;
    let lifetime = new.check(&core.config, core.clock.now())?;
    creator.principal.map_or(Ok(()), Principal::check)?;
    let owner = core.owners.intern(creator.key, creator.principal);
    loop {
        let now = core.clock.now();
        if let Some(found) = named(core, &owner, &new) {
            return if reuse { Ok(found) } else { Err(CreateError::AlreadyExists) };
        }
        let (id, digest) = match chosen {
            Some(text) => choose(&creator.key, text)?,
            None => mint(&new.kind)?,
        };
        // Nobody is evicted for a session that cannot be.
        if let Some(taken) = core.registry.find(&digest)
            && access(core, &taken, false).is_ok()
        {
            return Err(CreateError::AlreadyExists);
        }
        if let Some(tombstone) = core.tombstones.find(&digest) {
            return Err(CreateError::Ended(tombstone.ended));
        }
        if !owner.is_anonymous() {
            make_room(core, &owner, now)?;
        }
        let place = Capacity::place(core, now)?;
        let identity = Identity {
            digest,
            id: (!owner.is_anonymous() || core.planted(Bug::FileTellsAnonymousId)).then(|| id.as_str().into()),
            role: Role::Session,
            kind: new.kind.clone(),
            name: new.name.clone(),
            owner: Arc::clone(&owner),
            created_at: now,
        };
        let committed = Committed::new(new.metadata.clone(), lifetime);
        let slot = Arc::new(Slot::new(identity, committed, now, core.config.mailbox_turns));
        if owner.is_anonymous() {
            match enter(core, &slot) {
                Ok(()) => place.keep(),
                Err(CreateError::AlreadyExists) => continue,
                Err(other) => return Err(other),
            }
        } else {
            let mut index = owner.index.lock();
            if named_in(core, &index, &new).is_some() {
                continue;
            }
            if index.sessions.len() as u64 >= core.config.max_sessions_per_owner {
                continue;
            }
            if let Err(error) = enter(core, &slot) {
                match error {
                    // The look at the top tells whether it is alive.
                    CreateError::AlreadyExists => continue,
                    other => return Err(other),
                }
            }
            index.add(&slot);
            place.keep();
        }
        announce(core, &slot);
        if core.planted(Bug::LogTellsId) {
            tracing::trace!(id = id.as_str(), "planted");
        }
        return Ok(Found { slot, id, created: true });
    }
}

/// The owner's bucket, a new incarnation if there is none.
pub(crate) fn bucket(core: &Arc<Core>, creator: Creator<'_>) -> Result<Found, CreateError> {
    let _accepted = InFlight::enter(core).ok_or(CreateError::Stopping)?;
    creator.principal.map_or(Ok(()), Principal::check)?;
    let owner = core.owners.intern(creator.key, creator.principal);
    let role = if creator.key == OwnerKey::GLOBAL { Role::Global } else { Role::Bucket };
    loop {
        let now = core.clock.now();
        if let Some(found) = standing_bucket(core, &owner) {
            return Ok(found);
        }
        let place = Capacity::place(core, now)?;
        let kind = Kind::new(if role == Role::Global { "global" } else { "bucket" })?;
        let (id, digest) = mint(&kind)?;
        let identity = Identity {
            digest,
            id: Some(id.as_str().into()),
            role,
            kind,
            name: None,
            owner: Arc::clone(&owner),
            created_at: now,
        };
        let lifetime = Lifetime { idle: core.config.bucket_idle_timeout, ends_at: None };
        let committed = Committed::new(Metadata::default(), lifetime);
        let slot = Arc::new(Slot::new(identity, committed, now, core.config.mailbox_turns));
        let mut index = owner.index.lock();
        let standing =
            index.bucket.and_then(|key| core.registry.by_key(&key)).is_some_and(|slot| slot.ended().is_none());
        if standing {
            continue;
        }
        enter(core, &slot)?;
        index.add(&slot);
        drop(index);
        place.keep();
        announce(core, &slot);
        return Ok(Found { slot, id, created: true });
    }
}

/// Takes in a session that was built elsewhere, whole, under the caps of this service.
pub(crate) fn adopt(core: &Arc<Core>, slot: Arc<Slot>, now: Timestamp) -> Result<(), CreateError> {
    let place = Capacity::place(core, now)?;
    let owner = Arc::clone(&slot.identity.owner);
    if owner.is_anonymous() {
        enter(core, &slot)?;
    } else {
        let mut index = owner.index.lock();
        let taken = match slot.identity.role {
            Role::Session => slot.identity.name.as_ref().is_some_and(|name| index.names.contains_key(name)),
            Role::Bucket | Role::Global => index.bucket.is_some(),
        };
        if taken {
            return Err(CreateError::AlreadyExists);
        }
        let (full, cap) = (index.sessions.len() as u64, core.config.max_sessions_per_owner);
        if slot.identity.role == Role::Session && full >= cap {
            return Err(LimitExceeded { limit: Limit::SessionsPerOwner, allowed: cap, attempted: full + 1 }.into());
        }
        enter(core, &slot)?;
        index.add(&slot);
    }
    place.keep();
    announce(core, &slot);
    Ok(())
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
    let slot = named_in(core, &owner.index.lock(), new)?;
    alive(core, slot)
}

fn named_in(core: &Core, index: &Index, new: &NewSession) -> Option<Arc<Slot>> {
    let key = index.names.get(new.name.as_ref()?)?;
    core.registry.by_key(key).filter(|slot| slot.ended().is_none())
}

/// The slot if it is alive, which counts as use; one whose deadline has passed is ended here, so that its name is free.
fn alive(core: &Core, slot: Arc<Slot>) -> Option<Found> {
    access(core, &slot, true).ok()?;
    let id = SessionId::kept(slot.identity.id.as_deref()?);
    Some(Found { slot, id, created: false })
}

fn mint(kind: &Kind) -> Result<(SessionId, crate::id::SessionDigest), CreateError> {
    let id = SessionId::generate(kind)?;
    let digest = generated_digest(&id);
    Ok((id, digest))
}

fn choose(owner: &OwnerKey, text: &str) -> Result<(SessionId, crate::id::SessionDigest), CreateError> {
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

/// Puts the slot into the registry; refuses an id that is taken or whose end is remembered.
fn enter(core: &Core, slot: &Arc<Slot>) -> Result<(), CreateError> {
    let entered = core.registry.insert(Arc::clone(slot), |slot| {
        // With the key held: an end buries before it frees the key, so none can be missed.
        if let Some(tombstone) = core.tombstones.find(&slot.identity.digest) {
            return Err(CreateError::Ended(tombstone.ended));
        }
        let bytes = slot.peek().map_or(0, |committed| committed.bytes);
        Ok(core.capacity.settle(&core.config, &slot.identity.owner, 0, bytes)?)
    })?;
    if !entered {
        return Err(CreateError::AlreadyExists);
    }
    core.capacity.queue(slot);
    Ok(())
}

/// Makes room at an owner's own cap: for an expired session's place anybody's, for a live one's where eviction was chosen.
fn make_room(core: &Core, owner: &OwnerSlot, now: Timestamp) -> Result<(), CreateError> {
    let cap = core.config.max_sessions_per_owner;
    loop {
        let (full, slots): (u64, Vec<_>) = {
            let index = owner.index.lock();
            let full = index.sessions.len() as u64;
            if full < cap {
                return Ok(());
            }
            (full, index.sessions.iter().filter_map(|(_, key)| core.registry.by_key(key)).collect())
        };
        // An expired session holds no place, whatever the policy.
        let expired = slots.iter().filter(|slot| slot.due(now).is_some());
        let freed = expired.filter(|slot| end::end_if(core, slot, |slot| slot.due(now)).is_some()).count();
        if freed > 0 {
            continue;
        }
        let least = slots.iter().filter(|_| core.config.at_capacity == AtCapacity::Evict);
        match least.min_by_key(|slot| slot.last_active()) {
            // False when somebody else ended it meanwhile, which makes room as well.
            Some(slot) => drop(end::end(core, slot, Ended { reason: EndReason::Evicted, at: now })),
            None => {
                let attempted = full.saturating_add(1);
                return Err(LimitExceeded { limit: Limit::SessionsPerOwner, allowed: cap, attempted }.into());
            }
        }
    }
}

fn announce(core: &Core, slot: &Slot) {
    core.telemetry.created(slot.identity.kind.as_str());
    core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    core.changed();
    tracing::debug!(session = %slot.identity.digest.tag(), kind = slot.identity.kind.as_str(), "session created");
}
