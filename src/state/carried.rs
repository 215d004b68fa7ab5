//! Entries of a file under a wall clock that shows an earlier time than the file.

use super::entries::{Entries, NewEntry};
use super::lifetime::Expiry;
use super::value::Json;
use crate::time::Timestamp;

impl Entries {
    /// The same at `now`, with absolute deadlines as far away as they were at `saved_at`, and without what had expired.
    pub(crate) fn carried(&self, saved_at: Timestamp, now: Timestamp) -> Self {
        let timed = self.iter().filter_map(|entry| {
            let Expiry::At(at) = entry.expiry else { return None };
            let expiry = Expiry::At(now.after(at.since(saved_at)));
            let new = NewEntry { value: Json::trusted(entry.value), revision: entry.revision, expiry };
            Some((entry.key.into(), (at > saved_at).then_some(new)))
        });
        self.apply(timed.collect())
    }
}
