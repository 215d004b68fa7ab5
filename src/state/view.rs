//! Reading a session.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::committed::Committed;
use super::entries::EntryRef;
use super::metadata::Metadata;
use crate::error::{ReadError, Revision};
use crate::time::Timestamp;

/// One committed revision of a session, as of the time it was read. Cheap to clone and to keep.
///
/// Entries that have expired are invisible. [`View::get`], [`View::json`] and [`View::entry`] use an entry, so its
/// sliding ttl starts again; listing does not.
#[derive(Clone)]
pub struct View {
    committed: Arc<Committed>,
    now: Timestamp,
}

/// One entry, as a view or a listing shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value, as compact JSON.
    pub value: &'a str,
    /// The revision of the commit that last changed it.
    pub revision: Revision,
    /// When it expires, if nobody uses it any more.
    pub expires_at: Option<Timestamp>,
}

impl View {
    /// Shows a revision as of `now`.
    pub(crate) fn new(committed: Arc<Committed>, now: Timestamp) -> Self {
        Self { committed, now }
    }

    /// The revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.committed.revision
    }

    /// Reads the value of a key as a type; `None` when there is no such entry.
    ///
    /// # Errors
    /// [`ReadError::Decode`] when the value does not fit the type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ReadError> {
        self.json(key).map(serde_json::from_str).transpose().map_err(ReadError::Decode)
    }

    /// The value of a key, as compact JSON.
    #[must_use]
    pub fn json(&self, key: &str) -> Option<&str> {
        self.committed.used(key, self.now).and_then(|found| found.value.as_str())
    }

    /// The whole entry of a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<Entry<'_>> {
        self.committed.used(key, self.now).and_then(|_| self.committed.entries.get(key)).map(|entry| self.show(entry))
    }

    /// Every entry, sorted by key. Not a use of any.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.listed(Bound::Unbounded)
    }

    /// The entries whose keys start with `prefix` and come after the key `after`, sorted by key: a page that follows
    /// another. Not a use of any.
    pub fn entries_from<'a, 'b>(
        &'a self,
        prefix: &'b str,
        after: Option<&'b str>,
    ) -> impl Iterator<Item = Entry<'a>> + use<'a, 'b> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.listed(start).take_while(move |entry| entry.key.starts_with(prefix))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.committed.entries.len().saturating_sub(self.committed.count_expired(self.now))
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that count against the session's cap: keys, values and metadata. Expired entries count until an
    /// update or a sweep has dropped them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.committed.bytes
    }

    /// What the session says about itself.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.committed.metadata()
    }

    /// Reads all entries as one type: the keys are its members. Not a use of any.
    ///
    /// # Errors
    /// [`ReadError::Decode`] when they do not fit the type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        let text = whole(self.entries().map(|entry| (entry.key, entry.value)));
        serde_json::from_str(&text).map_err(ReadError::Decode)
    }

    fn listed<'a, 'b>(&'a self, start: Bound<&'b str>) -> impl Iterator<Item = Entry<'a>> + use<'a, 'b> {
        let all = self.committed.entries.iter_from(start);
        all.filter(|entry| self.committed.is_live(entry, self.now)).map(|entry| self.show(entry))
    }

    fn show<'a>(&self, entry: EntryRef<'a>) -> Entry<'a> {
        let expires_at = self.committed.expires_at(&entry);
        Entry { key: entry.key, value: entry.value, revision: entry.revision, expires_at }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("revision", &self.revision()).field("now", &self.now).finish_non_exhaustive()
    }
}

/// Writes entries as one JSON object.
pub(super) fn whole<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::from("{");
    for (key, value) in entries {
        if text.len() > 1 {
            text.push(',');
        }
        push_name(&mut text, key);
        text.push_str(value);
    }
    text.push('}');
    text
}

/// Writes the name of a member and its colon.
pub(super) fn push_name(text: &mut String, name: &str) {
    // Text always has a JSON form; the fallback is there because the compiler cannot know.
    text.push_str(&serde_json::to_string(name).unwrap_or_else(|_| "\"\"".to_owned()));
    text.push(':');
}
