//! In which order entries were last used, where a session evicts at its cap: beside the revisions, as reads write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::entries::Entries;
use super::queue::{Queue, Stamped};

/// The uses of one revision's entries. A clone shares them, so a use through one revision counts in the next.
#[derive(Clone)]
pub(crate) struct Recency(Arc<Inner>);

struct Inner {
    queue: Queue<Use>,
    /// Counts uses; no clock is so fine that two uses never fall on one tick.
    uses: Arc<AtomicU64>,
}

struct Use {
    key: Arc<str>,
    at: AtomicU64,
}

impl Stamped for Use {
    fn key(&self) -> &Arc<str> {
        &self.key
    }

    fn stamp(&self) -> u64 {
        self.at.load(Relaxed)
    }
}

impl Recency {
    /// Orders entries of which nothing else is known by when they were written.
    pub(super) fn of(entries: &Entries) -> Self {
        let mut all: Vec<_> = entries.iter().map(|entry| (entry.revision, entry.key)).collect();
        all.sort_unstable();
        let mut new = Self(Arc::new(Inner { queue: Queue::new(), uses: Arc::default() }));
        all.iter().for_each(|(_, key)| new.put(key));
        new
    }

    /// Whether both are one, so that nothing was copied.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Notes a use.
    pub(super) fn touch(&self, key: &str) {
        if let Some(row) = self.0.queue.get(key) {
            // Of two uses at once the later one counts, whichever is written first.
            row.at.fetch_max(self.0.tick(), Relaxed);
        }
    }

    /// Notes that an entry is written.
    pub(super) fn put(&mut self, key: &str) {
        if self.0.queue.get(key).is_some() {
            return self.touch(key);
        }
        let (key, at) = (key.into(), self.0.tick().into());
        self.own(|inner| inner.queue.put(Use { key, at }));
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, key: &str) {
        if self.0.queue.get(key).is_some() {
            self.own(|inner| inner.queue.remove(key));
        }
    }

    /// The least recently used of the entries that may go, at most so many.
    pub(super) fn least(&self, count: usize, may_go: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let mut least = Vec::new();
        // What is used from here on is used at once, and has no order that anybody could tell.
        let horizon = self.0.uses.load(Relaxed).saturating_add(1);
        self.0.queue.walk(horizon, |row| {
            if may_go(&row.key) {
                least.push(Arc::clone(&row.key));
            }
            least.len() < count
        });
        least
    }

    fn own(&mut self, change: impl FnOnce(&mut Inner)) {
        if Arc::get_mut(&mut self.0).is_none() {
            self.0 = Arc::new(Inner { queue: self.0.queue.next(), uses: Arc::clone(&self.0.uses) });
        }
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
    }
}

impl Inner {
    fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Relaxed).saturating_add(1)
    }
}
