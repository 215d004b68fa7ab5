//! What has changed, as a journal holds it.

use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::events::{Events, Unwritten};
use crate::actor::image;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::snapshot::{DeltaRecord, Frame, JournalItem, RecordError, SlidingRecord, TouchRecord, TrimRecord};
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

/// A session of so few bytes is written whole: what names it would be most of a change, too.
const WHOLE_UP_TO: u64 = 512;

/// A session at a revision: whole, or what changed since `base`, where that is known and has more than a few bytes.
pub(super) fn session(
    core: &Core,
    frame: &mut Frame,
    slot: &Slot,
    committed: &Committed,
    base: Option<&Arc<Committed>>,
) -> Result<(), RecordError> {
    let id = slot.identity.id();
    let base = base.filter(|base| base.entries.payload_bytes() > WHOLE_UP_TO);
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

/// A log that was put into frames, and what of it.
pub(super) struct Logged {
    events: Arc<Events>,
    put: Unwritten,
}

impl Logged {
    /// Tells the log, now that it is durable.
    pub(super) fn written(self) {
        self.events.written(&self.put);
    }
}

/// What of a session's event log no journal holds; nothing of one that has ended. What was trimmed stands first, so that
/// whoever reads it has room for what follows.
pub(super) fn log(core: &Core, frame: &mut Frame, slot: &Slot) -> Result<Option<Logged>, RecordError> {
    let Ok(Some(events)) = slot.events() else { return Ok(None) };
    let Some((mut log, put)) = events.unwritten() else { return Ok(None) };
    if core.planted(Bug::OldestNotJournaled) {
        log.oldest = 0;
    }
    let digest = slot.identity.digest;
    for (stream, before) in put.trims().filter(|_| !core.planted(Bug::TrimsNotJournaled)) {
        frame.put(&JournalItem::Trim(TrimRecord { digest: digest.0, epoch: log.epoch, stream, before }))?;
    }
    image::grown(digest, &log, |growth| frame.put(&JournalItem::Growth(growth)))?;
    Ok(Some(Logged { events, put }))
}
