//! The one way from an id to a session: every look-up checks the owner.

use std::sync::Arc;

use super::core::Core;
use super::end;
use super::planted::Bug;
use super::slot::{Gone, Slot};
use crate::error::{Ended, IdError, OpenError};
use crate::id::{ParsedId, SessionDigest, SessionId, chosen_digest, generated_digest};
use crate::principal::OwnerKey;
use crate::state::Committed;
use crate::time::Timestamp;

/// Where an id leads for this owner.
pub(crate) fn digest(owner: &OwnerKey, id: &str) -> Result<(SessionId, SessionDigest), IdError> {
    Ok(match SessionId::parse(id)? {
        ParsedId::Generated(id) => {
            let digest = generated_digest(&id);
            (id, digest)
        }
        ParsedId::Foreign(id) => {
            let digest = chosen_digest(owner, id.as_str());
            (id, digest)
        }
    })
}

/// The live session of this owner behind a digest.
pub(crate) fn find(core: &Core, owner: &OwnerKey, digest: &SessionDigest) -> Result<Arc<Slot>, OpenError> {
    if let Some(slot) = core.registry.find(digest) {
        if core.planted(Bug::OwnerCheckedLate) {
            access(core, &slot, false)?;
        }
        if slot.identity.owner.key != *owner && !core.planted(Bug::NoOwnerCheck) {
            return Err(mismatch(core));
        }
        return match access(core, &slot, true) {
            Ok(_) => Ok(slot),
            Err(ended) => Err(OpenError::Ended(ended)),
        };
    }
    match core.tombstones.find(digest) {
        Some(tombstone) if tombstone.owner == *owner || core.planted(Bug::TombstoneOfAnybody) => {
            Err(OpenError::Ended(tombstone.ended))
        }
        Some(_) => Err(mismatch(core)),
        None => Err(OpenError::Unknown),
    }
}

/// The committed state and the time of this access, if the session is alive; an end that is due happens here.
pub(crate) fn access(core: &Core, slot: &Arc<Slot>, touch: bool) -> Result<(Arc<Committed>, Timestamp), Ended> {
    loop {
        let now = core.clock.now();
        match slot.live(now, touch) {
            Ok(committed) => {
                if touch {
                    core.changes.touch();
                    if let Some(journal) = core.journal().filter(|_| !core.planted(Bug::TouchNotJournaled)) {
                        journal.touched(slot);
                    }
                }
                return Ok((committed, now));
            }
            Err(Gone::Ended(ended)) => return Err(ended),
            Err(Gone::Due) => {
                if let Some(ended) = end::expire(core, slot, now) {
                    return Err(ended);
                }
            }
        }
    }
}

/// Somebody else's session answers as one that never was; only the operator's metric tells.
fn mismatch(core: &Core) -> OpenError {
    core.telemetry.owner_mismatch.increment(1);
    tracing::warn!("a session was asked for by somebody who does not own it");
    OpenError::Unknown
}
