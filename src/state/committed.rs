//! One committed revision of a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entries::{Entries, EntryRef};
use super::lifetime::{Expiry, Lifetime};
use super::metadata::Metadata;
use super::sliding::Sliding;
use crate::error::Revision;
use crate::time::Timestamp;

/// What a commit publishes and a read sees: immutable, but for the last uses in `sliding`.
#[derive(Clone)]
pub(crate) struct Committed {
    pub(crate) revision: Revision,
    pub(crate) entries: Entries,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) lifetime: Lifetime,
    /// Has a row for every entry with a sliding ttl; an entry without one counts as expired.
    pub(crate) sliding: Sliding,
    /// Keys, values and metadata.
    pub(crate) bytes: u64,
}

impl Committed {
    /// The state of a session that nobody has updated yet.
    pub(crate) fn new(metadata: Metadata, lifetime: Lifetime) -> Self {
        Self {
            revision: Revision::ZERO,
            entries: Entries::empty(),
            bytes: metadata.bytes(),
            metadata: Arc::new(metadata),
            lifetime,
            sliding: Sliding::default(),
        }
    }

    /// A revision read back from a file. `last_use` gives what [`Sliding::last_uses`] gave when it was written; an
    /// entry with a sliding ttl for which nothing was recorded counts as used at `saved_at`.
    pub(crate) fn restored(
        revision: Revision,
        entries: Entries,
        metadata: Metadata,
        lifetime: Lifetime,
        saved_at: Timestamp,
        last_use: impl Fn(&str) -> Option<Timestamp>,
    ) -> Self {
        let (mut sliding, mut expired) = (Sliding::default(), BTreeMap::new());
        for entry in entries.sliding() {
            let Expiry::Sliding(ttl) = entry.expiry else { continue };
            match last_use(entry.key) {
                Some(last) if last == Timestamp::default() => drop(expired.insert(entry.key.into(), None)),
                last => sliding.put(entry.key, ttl, last.unwrap_or(saved_at)),
            }
        }
        let entries = if expired.is_empty() { entries } else { entries.apply(expired) };
        let bytes = entries.payload_bytes() + metadata.bytes();
        Self { revision, entries, metadata: Arc::new(metadata), lifetime, sliding, bytes }
    }

    /// Whether an entry of this revision is visible; not a use of it.
    pub(crate) fn is_live(&self, entry: &EntryRef<'_>, now: Timestamp) -> bool {
        match entry.expiry {
            Expiry::Never => true,
            Expiry::At(at) => at > now,
            Expiry::Sliding(_) => self.sliding.is_live(entry.key, now),
        }
    }

    /// The entry of a key if it is visible; a use of it.
    pub(super) fn used(&self, key: &str, now: Timestamp) -> Option<EntryRef<'_>> {
        let entry = self.entries.get(key)?;
        match entry.expiry {
            Expiry::Sliding(_) => self.sliding.touch(key, now),
            _ => self.is_live(&entry, now),
        }
        .then_some(entry)
    }

    /// The visible entry of a key; not a use of it.
    pub(super) fn peek(&self, key: &str, now: Timestamp) -> Option<EntryRef<'_>> {
        self.entries.get(key).filter(|entry| self.is_live(entry, now))
    }

    /// When an entry expires if nobody uses it any more.
    pub(crate) fn expires_at(&self, entry: &EntryRef<'_>) -> Option<Timestamp> {
        match entry.expiry {
            Expiry::Never => None,
            Expiry::At(at) => Some(at),
            Expiry::Sliding(_) => self.sliding.deadline(entry.key),
        }
    }

    /// The keys of expired entries.
    pub(super) fn expired(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        self.entries.expired(now).chain(self.sliding.expired(now))
    }

    /// The same revision without its expired entries; `None` when there are none.
    pub(crate) fn purged(&self, now: Timestamp) -> Option<Self> {
        let gone: BTreeMap<Box<str>, _> = self.expired(now).map(|key| (key.into(), None)).collect();
        if gone.is_empty() {
            return None;
        }
        let mut sliding = self.sliding.clone();
        gone.keys().for_each(|key| sliding.remove(key));
        sliding.settle(now);
        let entries = self.entries.apply(gone);
        let bytes = entries.payload_bytes() + self.metadata.bytes();
        Some(Self { entries, sliding, bytes, metadata: Arc::clone(&self.metadata), ..*self })
    }

    /// Before this time no entry expires, whatever is used meanwhile.
    pub(crate) fn quiet_until(&self) -> Timestamp {
        let deadline = self.entries.next_deadline();
        deadline.map_or(self.sliding.quiet_until(), |deadline| deadline.min(self.sliding.quiet_until()))
    }

    /// Every second entry of a later revision and the others of this one: what a bug that tests plant puts together.
    #[cfg(test)]
    pub(crate) fn mixed(&self, later: &Self) -> Self {
        let of = |entry: EntryRef<'_>| super::entries::NewEntry {
            value: super::Json::parse(entry.value).unwrap(),
            revision: entry.revision,
            expiry: entry.expiry,
        };
        let second = later.entries.iter().step_by(2).map(|entry| (entry.key.into(), Some(of(entry)))).collect();
        Self { entries: self.entries.apply(second), ..self.clone() }
    }

    /// When the next entry expires if nobody uses any more.
    #[cfg(test)]
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = [self.entries.next_deadline(), self.sliding.next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}
