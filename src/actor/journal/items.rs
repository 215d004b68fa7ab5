//! What has changed, as a journal holds it.

use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::image;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::snapshot::{DeltaRecord, Frame, JournalItem, RecordError, SlidingRecord, TouchRecord};
use crate::state::Committed;

/// A session that has changed, as it is now; nothing of one that has ended.
pub(super) fn changed(
    core: &Core,
    frame: &mut Frame,
    slot: &Slot,
    base: Option<&Arc<Committed>>,
) -> Result<(), RecordError> {
    match slot.peek() {
        Some(committed) => session(core, frame, slot, &committed, base),
        None => Ok(()),
    }
}

/// A session at a revision: whole, or what changed in a large one since `base`.
pub(super) fn session(
    core: &Core,
    frame: &mut Frame,
    slot: &Slot,
    committed: &Committed,
    base: Option<&Arc<Committed>>,
) -> Result<(), RecordError> {
    let id = slot.identity.id();
    let base = base.filter(|base| base.entries.is_large() && committed.entries.is_large());
    if let Some(base) = base.filter(|base| base.revision < committed.revision) {
        let (put, mut removed) = committed.entries.since(&base.entries, base.revision);
        if core.planted(Bug::DeltaForgetsRemoved) {
            removed.clear();
        }
        let session = image::record(slot, committed, &put, id.as_ref());
        return frame.put(&JournalItem::Delta(DeltaRecord { base: base.revision.get(), session, removed }));
    }
    let entries = committed.entries.packed_bytes();
    frame.put(&JournalItem::Session(image::record(slot, committed, &entries, id.as_ref())))
}

/// When a session was last used; nothing of one that has ended.
pub(super) fn touched(frame: &mut Frame, slot: &Slot) -> Result<(), RecordError> {
    let Some(committed) = slot.peek() else { return Ok(()) };
    let used = committed.sliding().last_uses();
    frame.put(&JournalItem::Touch(TouchRecord {
        digest: slot.identity.digest.0,
        last_active_at: slot.last_active().as_micros(),
        sliding: used.map(|(key, time)| SlidingRecord { key, last_used: time.as_micros() }).collect(),
    }))
}
