//! Changing a session: a staged copy of what an update touches.

mod amendment;
mod finish;
mod once;
mod write;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::changes::Changes;
use super::committed::Committed;
use super::entries::Found;
use super::idempotency::AppliedKeys;
use super::lifetime::Lifetime;
use super::metadata::Metadata;
use super::overlay::Overlay;
use super::view::whole;
use crate::config::StateLimits;
use crate::error::{DraftError, Revision};
use crate::time::Timestamp;

pub(crate) use amendment::Amendment;

/// A change of a session while it is made: reads show it with what was written so far, and nobody else sees it before
/// it is committed.
///
/// A method that fails leaves the draft as it was. Keys have no special words: `__proto__` is a key like any other.
pub struct Draft {
    base: Arc<Committed>,
    now: Timestamp,
    limits: StateLimits,
    /// Only what differs from `base`.
    staged: Changes,
    /// Where in `base` the key stands that was staged last; a hint.
    near: usize,
    metadata: Option<Box<Metadata>>,
    lifetime: Lifetime,
    /// The keyed updates that are remembered with this one, where it is one.
    keys: Option<AppliedKeys>,
}

impl Draft {
    /// Starts a change of a revision.
    pub(crate) fn stage(base: Arc<Committed>, now: Timestamp, limits: StateLimits) -> Self {
        let lifetime = base.lifetime();
        Self { base, now, limits, staged: Changes::None, near: 0, metadata: None, lifetime, keys: None }
    }

    /// The revision that this draft started from.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.base.revision
    }

    /// The time of the update, the same for all of it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Reads the value of a key as a type; `None` when there is no such entry.
    ///
    /// # Errors
    /// [`DraftError::Decode`] when the value does not fit the type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DraftError> {
        self.json(key).map(serde_json::from_str).transpose().map_err(DraftError::Decode)
    }

    /// The value of a key, as compact JSON.
    #[must_use]
    pub fn json(&self, key: &str) -> Option<&str> {
        self.current(key).and_then(|found| found.value.as_str())
    }

    /// Whether there is an entry under the key.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.current(key).is_some()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let base = self.base.entries.len().saturating_sub(self.base.due(self.now).0.count());
        self.staged.iter().fold(base, |len, (key, new)| {
            let (was, is) = (self.base.peek(key, self.now).is_some(), new.is_some());
            (len + usize::from(is)).saturating_sub(usize::from(was))
        })
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every key and its value as compact JSON, sorted by key.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        let base = self.base.entries.iter().filter(|entry| self.base.is_live(entry, self.now));
        let staged = self.staged.iter().map(|(key, new)| (key, new.map(|new| new.at(key))));
        Overlay::new(base, staged).map(|entry| (entry.key, entry.value))
    }

    /// Reads all entries as one type: the keys are its members.
    ///
    /// # Errors
    /// [`DraftError::Decode`] when they do not fit the type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, DraftError> {
        serde_json::from_str(&whole(self.entries())).map_err(DraftError::Decode)
    }

    /// What the session says about itself.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.metadata.as_deref().unwrap_or(self.base.metadata())
    }

    /// What the session says about itself, to be changed. Its caps are checked when the update is committed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        self.metadata.get_or_insert_with(|| Box::new(self.base.metadata().clone()))
    }

    /// The limits of the session's life, to be changed.
    pub(crate) fn lifetime_mut(&mut self) -> &mut Lifetime {
        &mut self.lifetime
    }

    /// The caps that hold for this draft.
    pub(super) fn limits(&self) -> &StateLimits {
        &self.limits
    }

    fn current(&self, key: &str) -> Option<Found<'_>> {
        match self.staged.get(key) {
            Some(new) => new.map(Found::from),
            None => self.base.used(key, self.now),
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Draft");
        out.field("revision", &self.revision()).field("staged", &self.staged.len()).finish_non_exhaustive()
    }
}
