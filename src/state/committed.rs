//! One committed revision of a session.

use std::borrow::Cow;
use std::sync::Arc;

use super::changes::Changes;
use super::entries::{Entries, EntryRef, Found};
use super::idempotency::AppliedKeys;
use super::lifetime::{CompactLifetime, Expiry, Lifetime};
use super::metadata::Metadata;
use super::recency::Recency;
use super::sliding::Sliding;
use super::uncommon::{NOTHING, Uncommon, kept};
use crate::error::Revision;
use crate::time::Timestamp;

/// What a commit publishes and a read sees: immutable for as long as anybody reads it, but for the last uses in
/// `sliding`. One that nobody reads may be amended into the next revision where it lies.
#[derive(Clone)]
pub(crate) struct Committed {
    pub(crate) revision: Revision,
    pub(crate) entries: Entries,
    pub(crate) lifetime: CompactLifetime,
    /// Nothing for most sessions: one shared by all would be counted up and down by all.
    pub(super) uncommon: Option<Arc<Uncommon>>,
    /// Keys, values, metadata, and keyed updates that are remembered.
    pub(crate) bytes: u64,
}

impl Committed {
    /// The state of a session that nobody has updated yet.
    pub(crate) fn new(metadata: Metadata, lifetime: Lifetime) -> Self {
        Self {
            revision: Revision::ZERO,
            entries: Entries::empty(),
            bytes: metadata.bytes(),
            lifetime: lifetime.into(),
            uncommon: Uncommon { metadata: kept(metadata), ..NOTHING.clone() }.kept(None),
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
        let (mut sliding, mut expired) = (Sliding::default(), Vec::new());
        for entry in entries.sliding() {
            let Expiry::Sliding(ttl) = entry.expiry else { continue };
            match last_use(entry.key) {
                Some(last) if last == Timestamp::default() => expired.push((entry.key.into(), None)),
                last => sliding.put(entry.key, ttl, last.unwrap_or(saved_at)),
            }
        }
        let entries = if expired.is_empty() { entries } else { entries.apply(expired.into_iter().collect()) };
        let bytes = entries.payload_bytes() + metadata.bytes();
        let uncommon =
            Uncommon { metadata: kept(metadata), sliding, recency: None, keys: AppliedKeys::none() }.kept(None);
        Self { revision, entries, lifetime: lifetime.into(), uncommon, bytes }
    }

    /// The same with the keyed updates that its file tells of.
    pub(crate) fn with_keys(self, keys: AppliedKeys) -> Self {
        let bytes = self.bytes - self.keys().bytes() + keys.bytes();
        let uncommon = Uncommon { keys, ..self.uncommon().clone() }.kept(None);
        Self { uncommon, bytes, ..self }
    }

    /// The same, with its entries in the order of their last writes: where the session evicts at its cap of entries.
    pub(crate) fn in_order(self) -> Self {
        let recency = Some(Recency::of(&self.entries));
        let uncommon = Uncommon { recency, ..self.uncommon().clone() }.kept(None);
        Self { uncommon, ..self }
    }

    pub(super) fn uncommon(&self) -> &Uncommon {
        self.uncommon.as_deref().unwrap_or(&NOTHING)
    }

    /// The keyed updates that are remembered.
    pub(crate) fn keys(&self) -> &AppliedKeys {
        &self.uncommon().keys
    }

    /// The last uses of entries with a sliding ttl.
    pub(crate) fn sliding(&self) -> &Sliding {
        &self.uncommon().sliding
    }

    /// Whether a use of an entry is noted beside it.
    pub(super) fn notes_uses(&self) -> bool {
        let Uncommon { sliding, recency, .. } = self.uncommon();
        !sliding.is_none() || recency.is_some()
    }

    /// The limits of the session's life.
    pub(crate) fn lifetime(&self) -> Lifetime {
        self.lifetime.into()
    }

    /// What the session says about itself.
    pub(crate) fn metadata(&self) -> &Metadata {
        self.uncommon().metadata()
    }

    /// The same, to keep.
    pub(crate) fn shared_metadata(&self) -> Arc<Metadata> {
        self.uncommon().metadata.clone().unwrap_or_default()
    }

    /// Whether an entry of this revision is visible; not a use of it.
    pub(crate) fn is_live(&self, entry: &EntryRef<'_>, now: Timestamp) -> bool {
        match entry.expiry {
            Expiry::Never => true,
            Expiry::At(at) => at > now,
            Expiry::Sliding(_) => self.sliding().is_live(entry.key, now),
        }
    }

    /// The entry of a key if it is visible; a use of it.
    #[inline]
    pub(super) fn used(&self, key: &str, now: Timestamp) -> Option<Found<'_>> {
        let entry = self.entries.find(key)?;
        let live = match entry.expiry {
            Expiry::Never => true,
            Expiry::At(at) => at > now,
            Expiry::Sliding(_) => self.sliding().touch(key, now),
        };
        // Every read comes by here: with nothing uncommon this is one comparison.
        if let Some(recency) = self.uncommon.as_ref().and_then(|uncommon| uncommon.recency.as_ref()).filter(|_| live) {
            recency.touch(key);
        }
        live.then_some(entry)
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
            Expiry::Sliding(_) => self.sliding().deadline(entry.key),
        }
    }

    /// How many entries have expired, for reads.
    pub(super) fn count_expired(&self, now: Timestamp) -> usize {
        self.entries.expired(now).count() + self.sliding().count_expired(now)
    }

    /// The keys of expired entries, and a time before which no other with a sliding ttl expires; for updates.
    pub(super) fn due(&self, now: Timestamp) -> (impl Iterator<Item = Cow<'_, str>>, Timestamp) {
        let (slid, quiet_until) = self.sliding().due(now);
        let slid = slid.into_iter().map(|key| Cow::Owned(String::from(&*key)));
        (self.entries.expired(now).map(Cow::Borrowed).chain(slid), quiet_until)
    }

    /// The same revision without its expired entries; `None` when there are none.
    pub(crate) fn purged(&self, now: Timestamp) -> Option<Self> {
        let (gone, quiet_until) = self.due(now);
        let gone: Changes = gone.map(|key| (key.into(), None)).collect();
        if gone.is_empty() {
            return None;
        }
        let mut uncommon = self.uncommon().clone();
        uncommon.sliding.settle(quiet_until);
        for (key, _) in gone.iter() {
            uncommon.sliding.remove(key);
            uncommon.recency.iter_mut().for_each(|recency| recency.remove(key));
        }
        let entries = self.entries.apply(gone);
        let bytes = self.bytes - self.entries.payload_bytes() + entries.payload_bytes();
        Some(Self { entries, uncommon: uncommon.kept(self.uncommon.as_ref()), bytes, ..*self })
    }

    /// Before this time no entry expires, whatever is used meanwhile.
    pub(crate) fn quiet_until(&self) -> Timestamp {
        let deadline = self.entries.next_deadline();
        deadline.map_or(self.sliding().quiet_until(), |deadline| deadline.min(self.sliding().quiet_until()))
    }

    /// The same state under another number: what a bug that tests plant publishes.
    #[cfg(test)]
    pub(crate) fn renumbered(&self, revision: Revision) -> Self {
        Self { revision, ..self.clone() }
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
        let deadlines = [self.entries.next_deadline(), self.sliding().next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}
