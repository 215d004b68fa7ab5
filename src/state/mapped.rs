//! Entries of a larger session: a persistent ordered map, where a change copies a path and not everything.

use std::ops::Bound;
use std::sync::Arc;

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use super::entries::{EntryRef, NewEntry, is_large};
use super::lifetime::Expiry;
use super::value::Json;
use crate::time::Timestamp;

/// The map, and beside it the deadlines in order, so that a commit finds what has expired without looking at the rest.
#[derive(Clone)]
pub(super) struct Mapped {
    map: RedBlackTreeMapSync<Arc<str>, NewEntry>,
    deadlines: RedBlackTreeSetSync<(Timestamp, Arc<str>)>,
    payload: u64,
    /// How many values are large.
    large: usize,
}

impl Mapped {
    pub(super) fn of<'a>(entries: impl Iterator<Item = EntryRef<'a>>) -> Self {
        let (map, deadlines) = (RedBlackTreeMapSync::new_sync(), RedBlackTreeSetSync::new_sync());
        let mut new = Self { map, deadlines, payload: 0, large: 0 };
        for EntryRef { key, value, revision, expiry } in entries {
            new.put(key, NewEntry { value: Json::trusted(value), revision, expiry });
        }
        new
    }

    pub(super) fn len(&self) -> usize {
        self.map.size()
    }

    pub(super) fn payload_bytes(&self) -> u64 {
        self.payload
    }

    pub(super) fn get(&self, key: &str) -> Option<EntryRef<'_>> {
        self.map.get_key_value(key).map(|(key, entry)| entry.at(key))
    }

    pub(super) fn iter_from<'a, 'b>(
        &'a self,
        start: Bound<&'b str>,
    ) -> impl Iterator<Item = EntryRef<'a>> + use<'a, 'b> {
        self.map.range::<str, _>((start, Bound::Unbounded)).map(|(key, entry)| entry.at(key))
    }

    /// Absolute deadlines with their keys, the earliest first.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Timestamp, &str)> {
        self.deadlines.iter().map(|(at, key)| (*at, &**key))
    }

    /// Whether there is a value that is not to be copied when another one is set.
    pub(super) fn holds_large(&self) -> bool {
        self.large > 0
    }

    pub(super) fn put(&mut self, key: &str, entry: NewEntry) {
        // The old key's text serves the new entry; replacing copies one path of the map, removing first would copy two.
        let key = self.forget(key).unwrap_or_else(|| key.into());
        if let Expiry::At(at) = entry.expiry {
            self.deadlines.insert_mut((at, Arc::clone(&key)));
        }
        self.payload += entry.at(&key).bytes();
        self.large += usize::from(is_large(entry.value.as_str()));
        self.map.insert_mut(key, entry);
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(key) = self.forget(key) {
            self.map.remove_mut(&*key);
        }
    }

    /// Takes an entry out of the sums and the deadlines, and leaves it in the map.
    fn forget(&mut self, key: &str) -> Option<Arc<str>> {
        let (key, old) = self.map.get_key_value(key)?;
        let key = Arc::clone(key);
        if let Expiry::At(at) = old.expiry {
            self.deadlines.remove_mut(&(at, Arc::clone(&key)));
        }
        self.payload -= old.at(&key).bytes();
        self.large -= usize::from(is_large(old.value.as_str()));
        Some(key)
    }
}
