//! The commit step: the one place that makes an update so. Files, journals and stores plug in here.

use std::sync::Arc;

use super::core::Core;
use super::slot::{Slot, Swap};
use crate::error::{Ended, LimitExceeded};
use crate::state::Committed;

/// Why a staged update was not committed.
pub(crate) enum CommitError {
    Ended(Ended),
    LimitExceeded(LimitExceeded),
}

/// Publishes the next revision of a session. With snapshots as the only durability nothing has to be waited for.
pub(crate) fn commit(core: &Core, slot: &Arc<Slot>, next: Committed) -> Result<(), CommitError> {
    let settle = |before, after| core.capacity.settle(&core.config, &slot.identity.owner, before, after);
    #[cfg(test)]
    if core.planted(super::planted::Bug::CommitOverwritesEnd) {
        slot.unfinish();
    }
    match slot.publish(Arc::new(next), settle) {
        Swap::Done(old) => {
            drop(old);
            core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
            core.changed();
            Ok(())
        }
        Swap::Ended(ended) => Err(CommitError::Ended(ended)),
        Swap::Refused(limit) => Err(CommitError::LimitExceeded(limit)),
    }
}
