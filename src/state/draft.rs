//! Changing a session: a staged copy of what an update touches.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::committed::Committed;
use super::entries::{EntryRef, NewEntry};
use super::lifetime::{Expiry, Lifetime, Ttl};
use super::metadata::{Metadata, at_most};
use super::overlay::Overlay;
use super::scan;
use super::value::{Json, depth_exceeded};
use super::view::whole;
use crate::config::{MAX_DEPTH, StateLimits};
use crate::error::{DraftError, Limit, LimitExceeded, Revision};
use crate::time::Timestamp;

/// A change of a session while it is made: reads show it with what was written so far, and nobody else sees it before
/// it is committed.
///
/// A method that fails leaves the draft as it was. Keys have no special words: `__proto__` is a key like any other.
pub struct Draft {
    base: Arc<Committed>,
    now: Timestamp,
    limits: StateLimits,
    /// Only what differs from `base`.
    staged: BTreeMap<Box<str>, Option<NewEntry>>,
    metadata: Option<Metadata>,
    lifetime: Lifetime,
}

impl Draft {
    /// Starts a change of a revision.
    pub(crate) fn stage(base: Arc<Committed>, now: Timestamp, limits: StateLimits) -> Self {
        let lifetime = base.lifetime;
        Self { base, now, limits, staged: BTreeMap::new(), metadata: None, lifetime }
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
        self.current(key).map(|entry| entry.value)
    }

    /// Whether there is an entry under the key.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.current(key).is_some()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let base = self.base.entries.len().saturating_sub(self.base.expired(self.now).count());
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
        let staged = self.staged.iter().map(|(key, new)| (&**key, new.as_ref().map(|new| new.at(key))));
        Overlay::new(base, staged).map(|entry| (entry.key, entry.value))
    }

    /// Reads all entries as one type: the keys are its members.
    ///
    /// # Errors
    /// [`DraftError::Decode`] when they do not fit the type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, DraftError> {
        serde_json::from_str(&whole(self.entries())).map_err(DraftError::Decode)
    }

    /// Sets a key to a value, in place of the whole entry: a ttl that it had is gone.
    ///
    /// # Errors
    /// As [`Json::of`]; [`DraftError::InvalidKey`] and [`DraftError::LimitExceeded`] for the key and the value's size.
    pub fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), DraftError> {
        self.set_with(key, value, Ttl::Never)
    }

    /// Sets a key to a JSON value, as [`Draft::set`] does.
    ///
    /// # Errors
    /// [`DraftError::InvalidKey`] and [`DraftError::LimitExceeded`] for the key and the value's size.
    pub fn set_json(&mut self, key: &str, value: Json) -> Result<(), DraftError> {
        self.set_json_with(key, value, Ttl::Never)
    }

    /// Sets a key to a value that lives so long.
    ///
    /// # Errors
    /// As [`Draft::set`]; [`DraftError::ZeroTtl`] for a ttl of zero.
    pub fn set_with<T: Serialize + ?Sized>(&mut self, key: &str, value: &T, ttl: Ttl) -> Result<(), DraftError> {
        self.set_json_with(key, Json::of(value)?, ttl)
    }

    /// Sets a key to a JSON value that lives so long.
    ///
    /// # Errors
    /// As [`Draft::set_json`]; [`DraftError::ZeroTtl`] for a ttl of zero.
    pub fn set_json_with(&mut self, key: &str, value: Json, ttl: Ttl) -> Result<(), DraftError> {
        let expiry = Expiry::new(ttl, self.now)?;
        self.check(key, value.as_str().len())?;
        self.put(key, value, expiry);
        Ok(())
    }

    /// Removes a key and says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let there = self.contains(key);
        if self.base.peek(key, self.now).is_some() {
            self.staged.insert(key.into(), None);
        } else {
            self.staged.remove(key);
        }
        there
    }

    /// Removes every entry.
    pub fn clear(&mut self) {
        let live = self.base.entries.iter().filter(|entry| self.base.is_live(entry, self.now));
        self.staged = live.map(|entry| (entry.key.into(), None)).collect();
    }

    /// Adds to an integer and gives the sum; a key that is not there counts as 0. The entry keeps its ttl.
    ///
    /// # Errors
    /// [`DraftError::WrongType`] when the value is not an integer, [`DraftError::Overflow`] when it or the sum is
    /// beyond 64 bits.
    pub fn increment(&mut self, key: &str, by: i64) -> Result<i64, DraftError> {
        let (old, expiry) = match self.current(key) {
            Some(entry) => (integer(entry.value)?, entry.expiry),
            None => (0, Expiry::Never),
        };
        let sum = old.checked_add(by).ok_or(DraftError::Overflow)?;
        let value = Json::trusted(sum.to_string());
        self.check(key, value.as_str().len())?;
        self.put(key, value, expiry);
        Ok(sum)
    }

    /// Appends to an array and gives its new length; a key that is not there counts as empty. The entry keeps its ttl.
    ///
    /// # Errors
    /// [`DraftError::WrongType`] when the value is not an array; as [`Draft::set`] for what is appended.
    pub fn append<T: Serialize + ?Sized>(&mut self, key: &str, item: &T) -> Result<u64, DraftError> {
        let item = Json::of(item)?;
        let (depth, _) = scan::shape(item.as_str());
        if depth >= MAX_DEPTH {
            return Err(depth_exceeded(depth + 1));
        }
        let (old, expiry) = self.current(key).map_or(("[]", Expiry::Never), |entry| (entry.value, entry.expiry));
        let Some(head) = old.strip_suffix(']') else {
            return Err(DraftError::WrongType { needed: "an array", found: name_of(old) });
        };
        let (_, length) = scan::shape(old);
        let comma = if length == 0 { "" } else { "," };
        self.check(key, old.len() + comma.len() + item.as_str().len())?;
        let value = Json::trusted([head, comma, item.as_str(), "]"].concat());
        self.put(key, value, expiry);
        Ok(length + 1)
    }

    /// Writes the difference between two forms of a type that stands for the whole state, and gives the keys that
    /// changed. Members that both forms spell alike stay untouched, and so do keys that the type does not know.
    /// Entries keep their ttl.
    ///
    /// Take `before` with [`Json::of`] from what [`Draft::state`] gave, before changing that.
    ///
    /// # Errors
    /// [`DraftError::WrongType`] when a form is not an object; as [`Draft::set`] for its members.
    pub fn store<T: Serialize + ?Sized>(&mut self, before: &Json, after: &T) -> Result<Vec<String>, DraftError> {
        let after = Json::of(after)?;
        let (before, after) = (super::node::members(before)?, super::node::members(&after)?);
        let new = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        let new = new.map(|(key, value)| (key.clone(), Some(Json::trusted(*value))));
        self.write(new.chain(gone.map(|key| (key.clone(), None))).collect())
    }

    /// What the session says about itself.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.metadata.as_ref().unwrap_or(&self.base.metadata)
    }

    /// What the session says about itself, to be changed. Its caps are checked when the update is committed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        self.metadata.get_or_insert_with(|| Metadata::clone(&self.base.metadata))
    }

    /// The limits of the session's life, to be changed.
    pub(crate) fn lifetime_mut(&mut self) -> &mut Lifetime {
        &mut self.lifetime
    }

    /// The next revision; `None` when nothing has changed. Expired entries are dropped on the way, which alone is no
    /// change. A session above a cap, because the cap was lowered, can still be made smaller.
    pub(crate) fn finish(self) -> Result<Option<Committed>, LimitExceeded> {
        let Self { base, now, limits, mut staged, metadata, lifetime } = self;
        let metadata = metadata.filter(|metadata| *metadata != *base.metadata);
        if staged.is_empty() && metadata.is_none() && lifetime == base.lifetime {
            return Ok(None);
        }
        if let Some(metadata) = &metadata {
            metadata.check()?;
        }
        for key in base.expired(now) {
            if !staged.contains_key(key) {
                staged.insert(key.into(), None);
            }
        }
        let mut sliding = base.sliding.clone();
        for (key, new) in &staged {
            match new.as_ref().map(|new| new.expiry) {
                Some(Expiry::Sliding(ttl)) => sliding.put(key, ttl, now),
                _ => sliding.remove(key),
            }
        }
        sliding.settle(now);
        let entries = base.entries.apply(staged);
        let metadata = metadata.map_or_else(|| Arc::clone(&base.metadata), Arc::new);
        let bytes = entries.payload_bytes() + metadata.bytes();
        at_most(Limit::Entries, limits.entries.max(base.entries.len() as u64), entries.len() as u64)
            .map_err(|error| LimitExceeded { allowed: limits.entries, ..error })?;
        at_most(Limit::SessionBytes, limits.bytes.max(base.bytes), bytes)
            .map_err(|error| LimitExceeded { allowed: limits.bytes, ..error })?;
        Ok(Some(Committed { revision: base.revision.next(), entries, metadata, lifetime, sliding, bytes }))
    }

    /// The caps that hold for this draft.
    pub(super) fn limits(&self) -> &StateLimits {
        &self.limits
    }

    /// Writes many values or none, in place of or beside what is there: entries keep their ttl. Gives the keys that
    /// changed, sorted.
    pub(super) fn write(&mut self, values: BTreeMap<String, Option<Json>>) -> Result<Vec<String>, DraftError> {
        for (key, value) in &values {
            if let Some(value) = value {
                self.check(key, value.as_str().len())?;
            }
        }
        let mut changed = Vec::new();
        for (key, value) in values {
            if self.json(&key) == value.as_ref().map(Json::as_str) {
                continue;
            }
            match value {
                Some(value) => {
                    let expiry = self.current(&key).map_or(Expiry::Never, |entry| entry.expiry);
                    self.put(&key, value, expiry);
                }
                None => drop(self.remove(&key)),
            }
            changed.push(key);
        }
        Ok(changed)
    }

    fn current(&self, key: &str) -> Option<EntryRef<'_>> {
        match self.staged.get_key_value(key) {
            Some((key, new)) => new.as_ref().map(|new| new.at(key)),
            None => self.base.used(key, self.now),
        }
    }

    fn check(&self, key: &str, value_bytes: usize) -> Result<(), DraftError> {
        if key.is_empty() || key.chars().any(char::is_control) {
            return Err(DraftError::InvalidKey);
        }
        at_most(Limit::KeyBytes, self.limits.key_bytes, key.len() as u64)?;
        at_most(Limit::ValueBytes, self.limits.value_bytes, value_bytes as u64)?;
        Ok(())
    }

    fn put(&mut self, key: &str, value: Json, expiry: Expiry) {
        let base = self.base.used(key, self.now);
        if base.is_some_and(|base| base.value == value.as_str() && base.expiry == expiry) {
            self.staged.remove(key);
        } else {
            let revision = self.base.revision.next();
            self.staged.insert(key.into(), Some(NewEntry { value, revision, expiry }));
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Draft");
        out.field("revision", &self.revision()).field("staged", &self.staged.len()).finish_non_exhaustive()
    }
}

/// The integer that checked text spells.
fn integer(text: &str) -> Result<i64, DraftError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.as_bytes().first() {
        Some(b'0'..=b'9') if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| DraftError::Overflow)
        }
        Some(b'0'..=b'9') => Err(DraftError::WrongType { needed: "an integer", found: "a number with a fraction" }),
        _ => Err(DraftError::WrongType { needed: "an integer", found: name_of(text) }),
    }
}

/// What kind of value checked text is.
pub(super) fn name_of(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
