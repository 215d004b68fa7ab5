//! The commit step: the one place that makes an update so. Files, journals and stores plug in here.

use std::sync::Arc;

use super::core::Core;
use super::room;
use super::sabotage::Step;
use super::slot::{Slot, Swap};
use crate::error::{Ended, LimitExceeded, Revision};
use crate::state::{Committed, Draft};

/// Why a staged update was not committed.
pub(crate) enum CommitError {
    Ended(Ended),
    LimitExceeded(LimitExceeded),
}

/// Commits a draft that changes next to nothing by changing the committed revision itself, as long as nobody reads it;
/// gives the draft back where it has to be committed as a whole.
#[allow(clippy::result_large_err, reason = "the draft goes on to be committed as a whole")]
#[inline]
pub(crate) fn amend(core: &Core, slot: &Arc<Slot>, draft: Draft) -> Result<Revision, Draft> {
    if !core.amends() {
        return Err(draft);
    }
    let now = draft.now();
    let (base, amendment) = draft.amendment()?;
    core.fail_at(Step::Publish);
    match slot.amend(base, &amendment) {
        Ok(()) => {
            if let Some(journal) = core.journal() {
                journal.changed(slot, None);
            }
            core.committed();
            Ok(amendment.revision())
        }
        Err(base) => Err(amendment.onto(Draft::stage(base, now, core.limits(slot.identity.role)))),
    }
}

/// Publishes the next revision of a session, where nobody waits for it to be durable. Where somebody does, it comes by
/// `journal/settle.rs`.
pub(crate) fn commit(core: &Core, slot: &Arc<Slot>, next: Committed) -> Result<(), CommitError> {
    let bytes = next.bytes;
    let mut next = Arc::new(next);
    #[cfg(test)]
    if core.planted(super::planted::Bug::CommitOverwritesEnd) {
        slot.unfinish();
    }
    let mut tries = 0..room::TRIES;
    loop {
        let settle = |before, after| core.capacity.settle(core, &slot.identity, before, after);
        match slot.publish(next, settle) {
            Swap::Done(old) => {
                if old.bytes != bytes {
                    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
                }
                if let Some(journal) = core.journal() {
                    journal.changed(slot, Some(&old));
                }
                core.superseded(old);
                core.committed();
                return Ok(());
            }
            Swap::Ended(ended) => return Err(CommitError::Ended(ended)),
            Swap::Refused(limit, _) if tries.next().is_none() => return Err(CommitError::LimitExceeded(limit)),
            Swap::Refused(limit, refused) => {
                let growth = refused.bytes.saturating_sub(slot.state_bytes());
                room::for_growth(core, slot, growth, limit).map_err(CommitError::LimitExceeded)?;
                next = refused;
            }
        }
    }
}
