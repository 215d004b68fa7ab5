//! Ending a session, once and for good.

use std::sync::Arc;

use super::core::Core;
use super::planted::Bug;
use super::slot::{Identity, Slot};
use super::tombstones::Tombstone;
use crate::error::{EndReason, Ended};
use crate::time::Timestamp;

/// Ends a session: as `asked`, or by its deadline if that has passed. The end that this brought; `None` when it had ended
/// before.
pub(crate) fn end(core: &Core, slot: &Arc<Slot>, asked: Ended) -> Option<Ended> {
    end_if(core, slot, |slot| Some(slot.due(asked.at).unwrap_or(asked)))
}

/// Ends a session whose deadline has passed, unless it was used meanwhile; gives the end that stands.
pub(crate) fn expire(core: &Core, slot: &Arc<Slot>, now: Timestamp) -> Option<Ended> {
    end_if(core, slot, |slot| slot.due(now)).or_else(|| slot.ended())
}

/// Ends a session as `end` says, under its lock; `None` when it had ended before, or when `end` gives none.
pub(crate) fn end_if(core: &Core, slot: &Arc<Slot>, end: impl FnOnce(&Slot) -> Option<Ended>) -> Option<Ended> {
    // From here on no update, read or snapshot sees the session alive. The tombstone stands by then, so that no look-up
    // says "unknown" and no file holds neither the session nor its end.
    let (ended, last) = slot.finish(|slot, standing| {
        let ended = end(slot)?;
        let Identity { digest, owner, .. } = &slot.identity;
        bury(core, Tombstone { digest: *digest, owner: owner.key, ended });
        core.capacity.leave(&slot.identity, if core.planted(Bug::KeepsBytes) { 0 } else { standing.bytes() });
        Some(ended)
    })?;
    // Large states take their time to be let go: not under the lock.
    drop(last);
    gone(core, slot, ended);
    Some(ended)
}

/// Takes a creation back that whoever asked for it is told has failed; not where others have found it meanwhile, by its
/// owner or its name, and have put something in: what they were told of stays.
pub(crate) fn undo(core: &Core, slot: &Arc<Slot>) {
    let now = core.clock.now();
    let undone = slot.finish(|slot, standing| {
        if !standing.is_unused() {
            return None;
        }
        core.capacity.leave(&slot.identity, standing.bytes());
        Some(Ended { reason: EndReason::Closed, at: now })
    });
    if let Some((ended, _)) = undone {
        gone(core, slot, ended);
    }
}

/// Remembers an end.
pub(crate) fn bury(core: &Core, tombstone: Tombstone) {
    core.tombstones.bury(tombstone);
    if let Some(journal) = core.journal() {
        journal.buried(tombstone);
    }
}

/// Takes an ended session out of the tables.
fn gone(core: &Core, slot: &Arc<Slot>, ended: Ended) {
    let identity = &slot.identity;
    core.registry.remove(slot);
    if !identity.owner.is_anonymous() {
        identity.owner.index.lock().remove(slot);
    }
    core.telemetry.ended(ended.reason);
    core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    core.changed();
    tracing::debug!(session = %identity.digest.tag(), kind = identity.kind(), reason = ended.reason.label(), "session ended");
}
