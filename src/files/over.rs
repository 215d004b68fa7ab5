//! Journals laid over the snapshot that they go on from, as a stream.

use std::collections::HashSet;

use super::options::Watched;
use crate::actor::image::{Logs, part};
use crate::id::SessionDigest;
use crate::snapshot::{Chain, Item, Laid, RecordError, Replay, TombstoneRecord};

/// What is read: a file with the journals that go on from it, either of which there may not be.
pub(super) struct Input<'c, 'a> {
    pub(super) file: Option<Watched<'a>>,
    pub(super) chain: &'c Chain,
}

/// Hands records on as the journals leave them.
///
/// Files hold sessions first, then event logs, and tombstones last: sessions that the journals alone hold follow those of
/// the file, so do logs that they change, and so do their tombstones, since they came later.
pub(crate) struct Over<'c, F> {
    replay: &'c Replay,
    each: F,
    /// Whether all sessions were handed on.
    past_sessions: bool,
    /// The event logs that the journals change, until all logs were handed on; others pass as they are.
    logs: Option<Logs<'c>>,
    /// The sessions of such logs that were handed on.
    changed: HashSet<[u8; 32]>,
    records: u64,
}

impl<'c, F: FnMut(Item<'_>) -> Result<(), RecordError>> Over<'c, F> {
    pub(crate) fn new(replay: &'c Replay, each: F) -> Self {
        let (logs, changed) = (Some(Logs::whole(replay)), HashSet::new());
        Self { replay, each, past_sessions: false, logs, changed, records: 0 }
    }

    /// Takes the next record of the file.
    pub(crate) fn take(&mut self, item: Item<'_>) -> Result<(), RecordError> {
        let replay = self.replay;
        self.records += 1;
        match item {
            Item::Session(record) => match replay.over(record) {
                None => (self.each)(item),
                Some(laid) => {
                    let laid = laid.map_err(|detail| about(record.digest, &detail))?;
                    laid.map_or(Ok(()), |record| self.session(&record))
                }
            },
            Item::Events(record) => {
                self.end_sessions()?;
                match &mut self.logs {
                    _ if replay.has_ended(&record.digest) => Ok(()),
                    Some(logs) if replay.changes_log(&record.digest) => {
                        let part = part(record, |at| at).map_err(|detail| about(record.digest, &detail))?;
                        logs.add(record.digest, part, self.records)
                    }
                    _ => (self.each)(item),
                }
            }
            Item::Tombstone(record) => {
                self.end_logs()?;
                // An end that was journaled comes with the journal's own.
                let later = replay.outlives(record) || replay.has_ended(&record.digest);
                if later { Ok(()) } else { (self.each)(item) }
            }
        }
    }

    /// Hands on what the journals hold beside.
    pub(crate) fn finish(mut self) -> Result<(), RecordError> {
        self.end_logs()?;
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

    fn session(&mut self, laid: &Laid<'_>) -> Result<(), RecordError> {
        let record = laid.borrowed();
        if self.replay.changes_log(&record.digest) {
            self.changed.insert(record.digest);
        }
        (self.each)(Item::Session(&record))
    }

    fn end_logs(&mut self) -> Result<(), RecordError> {
        self.end_sessions()?;
        let Some(mut logs) = self.logs.take() else { return Ok(()) };
        logs.lay_over(|at| at)?;
        logs.hand_on(|digest| self.changed.contains(digest), &mut self.each)
    }
}

fn about(digest: [u8; 32], detail: &str) -> RecordError {
    RecordError(format!("session {}: {detail}", SessionDigest(digest).tag()))
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
