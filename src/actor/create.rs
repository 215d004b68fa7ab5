//! Creating a session: of many that race for one id or name, one wins.

use std::sync::Arc;

use super::capacity::Capacity;
use super::core::Core;
use super::end;
use super::in_flight::InFlight;
use super::new_session::NewSession;
use super::owners::{Index, OwnerSlot};
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
    let owner = core.owners.intern(creator.key, creator.principal);
    loop {
        let now = core.clock.now();
        if let Some(found) = named(core, &owner, &new, now) {
            return if reuse { Ok(found) } else { Err(CreateError::AlreadyExists) };
        }
        let (id, digest) = match chosen {
            Some(text) => choose(&creator.key, text)?,
            None => mint(&new.kind)?,
        };
        if let Some(tombstone) = core.tombstones.find(&digest) {
            return Err(CreateError::Ended(tombstone.ended));
        }
        let place = Capacity::place(core, now)?;
        let identity = Identity {
            digest,
            id: (!owner.is_anonymous()).then(|| id.as_str().into()),
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
                let full = index.sessions.len() as u64;
                let least = least_recent(core, &index);
                drop(index);
                drop(place);
                make_room(core, least, full, now)?;
                continue;
            }
            if let Err(error) = enter(core, &slot) {
                match error {
                    // A minted id cannot meet another but by a broken random source; a chosen one can.
                    CreateError::AlreadyExists if chosen.is_none() => continue,
                    CreateError::AlreadyExists => {
                        let taken = core.registry.find(&digest).and_then(|slot| slot.due(now).map(|due| (slot, due)));
                        drop(index);
                        match taken {
                            Some((slot, due)) => drop(end::expire(core, &slot, due, now)),
                            None => return Err(CreateError::AlreadyExists),
                        }
                        continue;
                    }
                    other => return Err(other),
                }
            }
            index.add(&slot);
            place.keep();
        }
        announce(core, &slot);
        return Ok(Found { slot, id, created: true });
    }
}

/// The owner's bucket, a new incarnation if there is none.
pub(crate) fn bucket(core: &Arc<Core>, creator: Creator<'_>) -> Result<Found, CreateError> {
    let _accepted = InFlight::enter(core).ok_or(CreateError::Stopping)?;
    let owner = core.owners.intern(creator.key, creator.principal);
    let role = if creator.key == OwnerKey::GLOBAL { Role::Global } else { Role::Bucket };
    loop {
        let now = core.clock.now();
        if let Some(found) = standing_bucket(core, &owner, now) {
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

/// The bucket that stands, if one does. Costs no change.
pub(crate) fn standing_bucket(core: &Core, owner: &OwnerSlot, now: Timestamp) -> Option<Found> {
    let key = owner.index.lock().bucket?;
    alive(core, core.registry.by_key(&key)?, now)
}

fn named(core: &Core, owner: &OwnerSlot, new: &NewSession, now: Timestamp) -> Option<Found> {
    if owner.is_anonymous() {
        return None;
    }
    let slot = named_in(core, &owner.index.lock(), new)?;
    alive(core, slot, now)
}

fn named_in(core: &Core, index: &Index, new: &NewSession) -> Option<Arc<Slot>> {
    let key = index.names.get(new.name.as_ref()?)?;
    core.registry.by_key(key).filter(|slot| slot.ended().is_none())
}

/// The slot if it is alive; one whose deadline has passed is ended here, so that its name is free.
fn alive(core: &Core, slot: Arc<Slot>, now: Timestamp) -> Option<Found> {
    match slot.due(now) {
        Some(due) => {
            end::expire(core, &slot, due, now);
            None
        }
        None => {
            let id = SessionId::kept(slot.identity.id.as_deref()?);
            Some(Found { slot, id, created: false })
        }
    }
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
    core.registry.insert(Arc::clone(slot)).map_err(|_| CreateError::AlreadyExists)?;
    // Looked at again with the key held: an end buries before it frees the key, so none can be missed.
    if let Some(tombstone) = core.tombstones.find(&slot.identity.digest) {
        core.registry.remove(slot);
        return Err(CreateError::Ended(tombstone.ended));
    }
    let bytes = slot.peek().map_or(0, |committed| committed.bytes);
    if let Err(limit) = core.capacity.settle(&core.config, &slot.identity.owner, 0, bytes) {
        core.registry.remove(slot);
        return Err(CreateError::LimitExceeded(limit));
    }
    core.capacity.queue(slot);
    Ok(())
}

fn least_recent(core: &Core, index: &Index) -> Option<Arc<Slot>> {
    let slots = index.sessions.iter().filter_map(|(_, key)| core.registry.by_key(key));
    slots.min_by_key(|slot| slot.last_active())
}

fn make_room(core: &Core, least: Option<Arc<Slot>>, full: u64, now: Timestamp) -> Result<(), CreateError> {
    let cap = core.config.max_sessions_per_owner;
    let refusal = LimitExceeded { limit: Limit::SessionsPerOwner, allowed: cap, attempted: full.saturating_add(1) };
    let Some(slot) = least else { return Err(refusal.into()) };
    // An expired session holds no place, whatever the policy.
    let ended = match slot.due(now) {
        Some(due) => due,
        None if core.config.at_capacity == AtCapacity::Evict => Ended { reason: EndReason::Evicted, at: now },
        None => return Err(refusal.into()),
    };
    end::end(core, &slot, ended);
    Ok(())
}

fn announce(core: &Core, slot: &Slot) {
    core.telemetry.created(slot.identity.kind.as_str());
    core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    core.changed();
    tracing::debug!(session = %slot.identity.digest.tag(), kind = slot.identity.kind.as_str(), "session created");
}
