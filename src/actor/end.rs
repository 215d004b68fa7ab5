//! Ending a session, once and for good.

use std::sync::Arc;

use super::core::Core;
use super::slot::Slot;
use super::tombstones::Tombstone;
use crate::error::Ended;
use crate::time::Timestamp;

/// Ends a session; false when it had ended already.
pub(crate) fn end(core: &Core, slot: &Arc<Slot>, ended: Ended) -> bool {
    end_if(core, slot, ended, |_| true)
}

/// Ends a session whose deadline has passed, unless it was used meanwhile; gives the end that stands.
pub(crate) fn expire(core: &Core, slot: &Arc<Slot>, due: Ended, now: Timestamp) -> Option<Ended> {
    end_if(core, slot, due, |slot| slot.due(now).is_some());
    slot.ended()
}

fn end_if(core: &Core, slot: &Arc<Slot>, ended: Ended, still: impl FnOnce(&Slot) -> bool) -> bool {
    // From this line on no update, read or snapshot sees the session alive.
    let Some(last) = slot.finish(ended, still) else { return false };
    let identity = &slot.identity;
    // The tombstone stands before the slot goes, so that no look-up in between says "unknown".
    core.tombstones.bury(Tombstone { digest: identity.digest, owner: identity.owner.key, ended });
    core.registry.remove(slot);
    if !identity.owner.is_anonymous() {
        identity.owner.index.lock().remove(slot);
    }
    core.capacity.release(&identity.owner, last.bytes);
    core.capacity.leave();
    core.telemetry.ended(ended.reason);
    core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    core.changed();
    tracing::debug!(session = %identity.digest.tag(), kind = identity.kind.as_str(), reason = ended.reason.label(), "session ended");
    true
}
