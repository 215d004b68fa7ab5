//! What a chain of journals says last of each session, to be laid over a snapshot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::records::{DeltaRecord, GrowthRecord, JournalItem, TouchRecord, TrimRecord};
use crate::snapshot::record::{SessionRecord, SessionRef, SlidingRecord, TombstoneRecord, lay_over};

/// All that was journaled, by session.
#[derive(Default)]
pub(crate) struct Replay {
    sessions: HashMap<[u8; 32], Latest>,
    /// In the order in which they were written.
    tombstones: Vec<TombstoneRecord>,
}

/// What was journaled of one session since the end of an earlier one under the same digest, if there was such an end.
///
/// A revision tells which of two states is the later one; times do not, since a wall clock may have been set back in between.
/// Of most there is little: what may be large stands elsewhere.
#[derive(Default)]
pub(crate) struct Latest {
    whole: Option<Box<SessionRecord>>,
    /// After it, or after what the snapshot holds.
    deltas: Vec<DeltaRecord>,
    touch: Option<Box<TouchRecord>>,
    /// What became of its event log, in the order in which it was written.
    log: Vec<LogChange>,
    /// Whether there was an end: what the snapshot holds is of that earlier life.
    ended: bool,
    /// Whether the snapshot holds the session too.
    met: AtomicBool,
}

/// A session as the journal leaves it.
pub(crate) enum Laid<'a> {
    /// As it stands somewhere, in the journal or before it, but for its last use.
    AsIs(SessionRef<'a>),
    /// With changes laid over.
    Changed(SessionRecord),
}

impl Laid<'_> {
    pub(crate) fn borrowed(&self) -> SessionRef<'_> {
        match self {
            Self::AsIs(record) => record.borrowed(),
            Self::Changed(record) => record.borrowed(),
        }
    }
}

/// A change of an event log.
pub(crate) enum LogChange {
    Growth(GrowthRecord),
    Trim(TrimRecord),
}

impl Replay {
    /// Takes the next item, in the order in which they were written.
    pub(super) fn take(&mut self, item: JournalItem<'_>) {
        match item {
            JournalItem::Session(record) => self.at(record.digest).session(&record),
            JournalItem::Delta(record) => self.at(record.session.digest).delta(&record),
            JournalItem::Touch(record) => self.at(record.digest).touch(&record),
            JournalItem::Tombstone(record) => {
                *self.at(record.digest) = Latest { ended: true, ..Latest::default() };
                self.tombstones.push(record);
            }
            JournalItem::Growth(GrowthRecord { oldest, part }) => {
                let growth = GrowthRecord { oldest, part: part.owned() };
                self.at(part.digest).log.push(LogChange::Growth(growth));
            }
            JournalItem::Trim(TrimRecord { digest, epoch, stream, before }) => {
                let trim = TrimRecord { digest, epoch, stream: stream.to_owned(), before };
                self.at(digest).log.push(LogChange::Trim(trim));
            }
        }
    }

    fn at(&mut self, digest: [u8; 32]) -> &mut Latest {
        self.sessions.entry(digest).or_default()
    }

    /// Sessions that something was journaled of.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The ends that stand, in the order in which they were written.
    pub(crate) fn tombstones(&self) -> impl Iterator<Item = &TombstoneRecord> {
        let lives = |digest| self.sessions.get(digest).is_some_and(|latest| latest.whole.is_some());
        self.tombstones.iter().filter(move |record| !lives(&record.digest))
    }

    /// Whether a session began under the digest after this end, which the snapshot remembers: the end had been forgotten by
    /// then, to make room for others.
    pub(crate) fn outlives(&self, record: &TombstoneRecord) -> bool {
        let Some(latest) = self.sessions.get(&record.digest) else { return false };
        latest.whole.as_ref().is_some_and(|whole| latest.ended || whole.created_at > record.at)
    }

    /// Whether an end was journaled under the digest: what the snapshot holds under it is of that earlier life.
    pub(crate) fn has_ended(&self, digest: &[u8; 32]) -> bool {
        self.sessions.get(digest).is_some_and(|latest| latest.ended)
    }

    /// Whether anything became of the event log of a session, beside what an end took away.
    pub(crate) fn changes_log(&self, digest: &[u8; 32]) -> bool {
        self.sessions.get(digest).is_some_and(|latest| !latest.log.is_empty())
    }

    /// A session of the snapshot as the journal leaves it, where that says anything of it; nothing where it had ended.
    pub(crate) fn over<'a>(&'a self, record: &'a SessionRef<'_>) -> Option<Result<Option<Laid<'a>>, String>> {
        let latest = self.sessions.get(&record.digest)?;
        latest.met.store(true, Ordering::Relaxed);
        Some(latest.over(Some(record)))
    }

    /// What became of event logs, by session: whether there was an end, so that the snapshot's is of an earlier life, and the
    /// changes since.
    pub(crate) fn logs(&self) -> impl Iterator<Item = (&[u8; 32], bool, &[LogChange])> {
        let logs = self.sessions.iter().map(|(digest, latest)| (digest, latest.ended, latest.log.as_slice()));
        logs.filter(|(_, ended, changes)| *ended || !changes.is_empty())
    }

    /// The sessions that the journal alone holds.
    pub(crate) fn others(&self) -> impl Iterator<Item = Result<Laid<'_>, String>> {
        let alone = self.sessions.values().filter(|latest| !latest.met.load(Ordering::Relaxed));
        alone.filter_map(|latest| latest.over(None).transpose())
    }
}

impl Latest {
    fn session(&mut self, record: &SessionRef<'_>) {
        if self.whole.as_ref().is_some_and(|known| known.revision > record.revision) {
            return;
        }
        self.deltas.retain(|delta| delta.session.revision > record.revision);
        self.touch.take_if(|touch| touch.last_active_at <= record.last_active_at);
        self.whole = Some(Box::new(record.owned()));
    }

    fn delta(&mut self, delta: &DeltaRecord<&str, &[u8]>) {
        self.touch.take_if(|touch| touch.last_active_at <= delta.session.last_active_at);
        self.deltas.push(DeltaRecord {
            base: delta.base,
            session: delta.session.owned(),
            removed: delta.removed.iter().map(|key| (*key).to_owned()).collect(),
        });
    }

    fn touch(&mut self, record: &TouchRecord<&str>) {
        let newer = |known: &TouchRecord| known.last_active_at <= record.last_active_at;
        if self.touch.as_deref().is_none_or(newer) {
            let sliding = record.sliding.iter();
            let sliding = sliding.map(|used| SlidingRecord { key: used.key.to_owned(), last_used: used.last_used });
            let (digest, last_active_at) = (record.digest, record.last_active_at);
            self.touch = Some(Box::new(TouchRecord { digest, last_active_at, sliding: sliding.collect() }));
        }
    }

    /// The session as it stands at the end of the journal, if it lives.
    fn over<'a>(&'a self, held: Option<&'a SessionRef<'_>>) -> Result<Option<Laid<'a>>, String> {
        let held = held.filter(|_| !self.ended);
        let later = |whole: &&SessionRecord| held.is_none_or(|held| held.revision <= whole.revision);
        let whole = self.whole.as_deref().filter(later);
        let Some(start) = whole.map(SessionRecord::borrowed).or_else(|| held.map(SessionRef::borrowed)) else {
            return if self.deltas.is_empty() {
                Ok(None)
            } else {
                Err("a change stands without its session".to_owned())
            };
        };
        let is_later = |at: u64| self.touch.as_deref().filter(|touch| touch.last_active_at >= at);
        // A session may be large: what is not changed is not copied.
        Ok(Some(match lay_over(&start, &self.deltas)? {
            Some(mut record) => {
                if let Some(touch) = is_later(record.last_active_at) {
                    record.last_active_at = touch.last_active_at;
                    if !touch.sliding.is_empty() {
                        record.sliding.clone_from(&touch.sliding);
                    }
                }
                Laid::Changed(record)
            }
            None => {
                let mut record = start;
                if let Some(touch) = is_later(record.last_active_at) {
                    record.last_active_at = touch.last_active_at;
                    if !touch.sliding.is_empty() {
                        let used = touch.sliding.iter();
                        let used = used.map(|of| SlidingRecord { key: of.key.as_str(), last_used: of.last_used });
                        record.sliding = used.collect();
                    }
                }
                Laid::AsIs(record)
            }
        }))
    }
}
