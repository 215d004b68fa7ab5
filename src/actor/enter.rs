//! Putting a session that was built whole into the tables: of many that race for one id or name, one wins, under every cap.

use std::sync::Arc;

use super::capacity::Capacity;
use super::core::Core;
use super::owners::Index;
use super::planted::Bug;
use super::reservation::Reservation;
use super::room;
use super::slot::{Role, Slot};
use crate::error::{CreateError, Ended};

/// Why a session was not entered.
enum Refused {
    /// Its id, its name or its owner's bucket is there already.
    Taken,
    /// Its id is remembered as ended.
    Ended(Ended),
    /// A cap was met.
    Full,
}

/// Enters a session, making room at the caps; false when its id or name is taken.
pub(crate) fn enter(core: &Core, slot: &Arc<Slot>) -> Result<bool, CreateError> {
    loop {
        // Others may take the room that was made; each time round somebody gets on.
        let mut reserved = room::for_session(core, slot)?;
        if core.planted(Bug::ChecksThenTakes) {
            std::thread::yield_now();
        }
        match try_enter(core, slot, reserved.as_mut()) {
            Ok(()) => break,
            Err(Refused::Full) => {}
            Err(Refused::Taken) => return Ok(false),
            Err(Refused::Ended(ended)) => return Err(CreateError::Ended(ended)),
        }
    }
    room::tend(core, &slot.identity.owner);
    core.telemetry.created(slot.identity.kind());
    core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    core.changed();
    tracing::debug!(session = %slot.identity.digest.tag(), kind = slot.identity.kind(), "session created");
    Ok(true)
}

/// The live session of this name.
pub(crate) fn named(core: &Core, index: &Index, name: Option<&str>) -> Option<Arc<Slot>> {
    core.registry.by_key(index.names.get(name?)?).filter(|slot| slot.ended().is_none())
}

fn try_enter(core: &Core, slot: &Arc<Slot>, reserved: Option<&mut Reservation<'_>>) -> Result<(), Refused> {
    let owner = &slot.identity.owner;
    let mut index = (!owner.is_anonymous()).then(|| owner.index.lock());
    if index.as_ref().is_some_and(|index| is_taken(core, index, slot)) {
        return Err(Refused::Taken);
    }
    index = index.map(|index| core.later(owner, index));
    let entered = core.insert(slot, |entering| {
        // With the key held: an end buries before it frees the key, so none can be missed.
        if let Some(tombstone) = core.tombstones.find(&entering.identity.digest) {
            return Err(Refused::Ended(tombstone.ended));
        }
        Capacity::enter(core, entering, reserved).map_err(|_| Refused::Full)?;
        // Before anybody finds it: what others change of it is noted as a change of what the journal has.
        if let Some(journal) = core.journal() {
            journal.changed(slot, None);
        }
        Ok(())
    })?;
    if !entered {
        return Err(Refused::Taken);
    }
    if let Some(index) = &mut index {
        index.add(slot);
    }
    Ok(())
}

fn is_taken(core: &Core, index: &Index, slot: &Slot) -> bool {
    let standing = match slot.identity.role {
        Role::Session => named(core, index, slot.identity.name()),
        Role::Bucket | Role::Global => index.bucket.and_then(|key| core.registry.by_key(&key)),
    };
    standing.is_some_and(|slot| slot.ended().is_none())
}
