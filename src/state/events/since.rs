//! A log or a part of it on its way to a file and back.

use super::chunks::Chunks;
use super::{Entry, EventLog};

/// What a log holds from some event on: a copy that shares its events. With those from the first on, all of it.
#[derive(Clone)]
pub(crate) struct EventsSince {
    pub(crate) epoch: u128,
    pub(crate) next: u64,
    pub(crate) trimmed: u64,
    /// The number of the oldest event that is kept; that of the next one where none is.
    pub(crate) oldest: u64,
    kept: Chunks,
    after: u64,
}

/// The same as it is read, its events its own.
pub(crate) struct EventsPart {
    pub(crate) epoch: u128,
    pub(crate) next: u64,
    pub(crate) trimmed: u64,
    /// Older events were trimmed; zero where that is not told.
    pub(crate) oldest: u64,
    pub(crate) events: Vec<Entry>,
}

impl EventsSince {
    /// Its events, oldest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.kept.iter().filter(|entry| entry.number > self.after)
    }
}

impl EventLog {
    /// What it holds of events after this number: zero for all. Copies a pointer for every 64 events.
    pub(crate) fn since(&self, after: u64) -> EventsSince {
        let Self { epoch, next, trimmed, .. } = *self;
        EventsSince { epoch, next, trimmed, oldest: self.oldest(), kept: self.kept.clone(), after }
    }

    /// The number of the oldest event that is kept; that of the next one where none is.
    pub(crate) fn oldest(&self) -> u64 {
        self.kept.iter().next().map_or(self.next, |entry| entry.number)
    }

    /// A log as its first part tells it, its events to follow. `era` is random, and not that of any of its events.
    pub(crate) fn restored(part: &EventsPart, era: u32) -> Self {
        Self { next: part.next, trimmed: part.trimmed, ..Self::new(part.epoch, era) }
    }

    /// Takes in the events of a part, in their order and after those that are there; caps are for the caller to settle.
    pub(crate) fn extend(&mut self, part: EventsPart) {
        part.events.into_iter().for_each(|entry| self.put(entry));
    }

    /// Takes in what came after: events that are there already are passed over, so that twice is once. False, and nothing
    /// is done, for what another log tells.
    pub(crate) fn apply(&mut self, part: EventsPart) -> bool {
        if part.epoch != self.epoch {
            return false;
        }
        for entry in part.events {
            if entry.number >= self.next {
                self.next = entry.number.saturating_add(1);
                self.put(entry);
            }
        }
        self.next = self.next.max(part.next);
        self.trimmed = self.trimmed.max(part.trimmed);
        let gone = self.kept.iter().take_while(|entry| entry.number < part.oldest).count();
        self.trim_oldest(gone);
        true
    }
}
