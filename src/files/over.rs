//! Journals laid over the snapshot that they go on from, as a stream.

use super::options::Watched;
use crate::id::SessionDigest;
use crate::snapshot::{Chain, Item, RecordError, Replay, SessionRecord, TombstoneRecord};

/// What is read: a file with the journals that go on from it, either of which there may not be.
pub(super) struct Input<'c, 'a> {
    pub(super) file: Option<Watched<'a>>,
    pub(super) chain: &'c Chain,
}

/// Hands records on as the journals leave them.
///
/// Files hold sessions first and tombstones last: sessions that the journals alone hold follow those of the file, and
/// so do their tombstones, since they came later.
pub(super) struct Over<'c, F> {
    replay: &'c Replay,
    each: F,
    /// Whether all sessions were handed on.
    past_sessions: bool,
}

impl<'c, F: FnMut(Item<'_>) -> Result<(), RecordError>> Over<'c, F> {
    pub(super) const fn new(replay: &'c Replay, each: F) -> Self {
        Self { replay, each, past_sessions: false }
    }

    /// Takes the next record of the file.
    pub(super) fn take(&mut self, item: Item<'_>) -> Result<(), RecordError> {
        let replay = self.replay;
        match item {
            Item::Session(record) => match replay.over(record) {
                None => (self.each)(item),
                Some(laid) => {
                    let tag = SessionDigest(record.digest).tag();
                    let laid = laid.map_err(|detail| RecordError(format!("session {tag}: {detail}")))?;
                    laid.map_or(Ok(()), |record| self.session(&record))
                }
            },
            Item::Events(record) => {
                self.end_sessions()?;
                if replay.has_ended(&record.digest) { Ok(()) } else { (self.each)(item) }
            }
            Item::Tombstone(record) => {
                self.end_sessions()?;
                // An end that was journaled comes with the journal's own.
                let later = replay.outlives(record) || replay.has_ended(&record.digest);
                if later { Ok(()) } else { (self.each)(item) }
            }
        }
    }

    /// Hands on what the journals hold beside.
    pub(super) fn finish(mut self) -> Result<(), RecordError> {
        self.end_sessions()?;
        last_of_each(self.replay).into_iter().try_for_each(|record| (self.each)(Item::Tombstone(record)))
    }

    fn end_sessions(&mut self) -> Result<(), RecordError> {
        if std::mem::replace(&mut self.past_sessions, true) {
            return Ok(());
        }
        // The replay knows which sessions the file held: all of them have been asked for.
        let replay = self.replay;
        replay.others().try_for_each(|record| self.session(&record.map_err(RecordError)?))
    }

    fn session(&mut self, record: &SessionRecord) -> Result<(), RecordError> {
        (self.each)(Item::Session(&record.borrowed()))
    }
}

/// Of ends under one digest the last, in the order in which they were written.
fn last_of_each(replay: &Replay) -> Vec<&TombstoneRecord> {
    let mut met = std::collections::HashSet::new();
    let mut last: Vec<_> = replay.tombstones().collect();
    last.reverse();
    last.retain(|record| met.insert(record.digest));
    last.reverse();
    last
}
