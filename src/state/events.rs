//! The event log of a session: what was sent on its outbound streams, bounded, to be replayed to whoever missed it.
//!
//! All streams of a session share one log, its caps and its numbers. An event's id is its number, sealed together with the
//! name of its stream under the log's epoch, 128 random bits that no id tells: the log knows its own ids without keeping
//! them, those of trimmed events too, and those of other logs and streams are strange to it.
//!
//! A log that is read back from a file may be older than ids that were given out. From then on it seals under another
//! **era**, so that no id stands for two events, and knows an id of a future that was lost by its era.

mod chunks;
mod continuity;
mod id;
mod since;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::chunks::Chunks;
use super::value::Json;
use crate::config::EventLimits;
use crate::error::{Limit, LimitExceeded};
use crate::time::Timestamp;

pub(crate) use continuity::Continuity;
pub use id::EventId;
pub(crate) use since::{EventsPart, EventsSince};

/// What an event counts as, beside its payload and the name of its stream.
const EVENT_BYTES: u64 = 64;

/// One event as its log keeps it.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Entry {
    /// Its number in the log, from 1 on.
    pub(crate) number: u64,
    /// The number of the event before it in its stream; where none was kept, that of the last that was trimmed of any.
    /// Zero for none.
    pub(crate) before: u64,
    pub(crate) era: u32,
    pub(crate) stream: Arc<str>,
    pub(crate) at: Timestamp,
    pub(crate) payload: Json,
}

impl Entry {
    pub(crate) fn bytes(&self) -> u64 {
        bytes(&self.stream, &self.payload)
    }
}

fn bytes(stream: &str, payload: &Json) -> u64 {
    EVENT_BYTES + stream.len() as u64 + payload.as_str().len() as u64
}

/// An event of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// When it was appended.
    pub at: Timestamp,
    /// What it says.
    pub payload: Json,
}

/// That events between the one asked for and the first one replayed are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// No more than so many are missing; `None` when a restart may have lost the event asked for, so that nobody knows what
    /// came after it. In that case what is replayed may have been seen before.
    pub at_most: Option<u64>,
    /// The first event that is kept after it, if there is one.
    pub first: Option<EventId>,
}

/// What came after an event in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// What is missing before `events`; `None` when nothing is.
    pub gap: Option<Gap>,
    /// The events after it, oldest first.
    pub events: Vec<Event>,
}

/// The log of one session.
#[derive(Clone)]
pub(crate) struct EventLog {
    epoch: u128,
    era: u32,
    /// The number of the event that comes next.
    next: u64,
    /// The greatest number of an event that was trimmed.
    trimmed: u64,
    kept: Chunks,
    /// Streams of which events are kept, with how many and the number of the last.
    streams: BTreeMap<Arc<str>, (u64, u64)>,
    bytes: u64,
}

/// Where an id stands in the history of a log.
enum Place {
    /// It is of this history: kept or trimmed.
    Here,
    /// It may be of a future that a restart lost, which began no earlier than after the event of this number.
    Lost { after: u64 },
}

impl EventLog {
    /// A log without events. `epoch` and `era` are random.
    pub(crate) fn new(epoch: u128, era: u32) -> Self {
        let (kept, streams) = (Chunks::default(), BTreeMap::new());
        Self { epoch, era, next: 1, trimmed: 0, kept, streams, bytes: 0 }
    }

    /// What tells it from every other log.
    pub(crate) const fn epoch(&self) -> u128 {
        self.epoch
    }

    /// The number of the event that comes next.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// What it counts as.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it counts as with this event in it, after the oldest were trimmed for it.
    pub(crate) fn bytes_with(&self, stream: &str, payload: &Json, limits: &EventLimits) -> Result<u64, LimitExceeded> {
        let new = bytes(stream, payload);
        if new > limits.bytes {
            return Err(LimitExceeded { limit: Limit::EventBytes, allowed: limits.bytes, attempted: new });
        }
        let over = self.over(1, new, limits);
        let freed: u64 = self.kept.iter().take(over).map(Entry::bytes).sum();
        Ok(self.bytes - freed + new)
    }

    /// Appends an event, which [`EventLog::bytes_with`] found to fit, and trims the oldest for it; gives its id.
    pub(crate) fn append(&mut self, stream: &str, payload: Json, at: Timestamp, limits: &EventLimits) -> EventId {
        self.trim_oldest(self.over(1, bytes(stream, &payload), limits));
        let known = self.streams.get_key_value(stream);
        // All of a stream that is not known was trimmed, if there was anything of it.
        let unknown = || (stream.into(), self.trimmed);
        let (stream, before) = known.map_or_else(unknown, |(name, (_, last))| (Arc::clone(name), *last));
        let entry = Entry { number: self.next, before, era: self.era, stream, at, payload };
        let id = self.id(&entry);
        self.next = self.next.saturating_add(1);
        self.put(entry);
        id
    }

    /// An id that stands for the present end of a stream: what comes after it is what is appended from here on.
    pub(crate) fn position(&self, stream: &str) -> EventId {
        // That of the last event of any stream, since a restart finds its era again where it finds the event.
        let last = self.kept.iter_back().next().map(|last| (last.number, last.era));
        let (number, era) = last.unwrap_or((self.next.saturating_sub(1), self.era));
        EventId::seal(self.epoch, stream, number, era)
    }

    /// What came after an event in its stream; `None` for an id that this stream never gave out.
    pub(crate) fn replay_after(&self, stream: &str, id: &EventId) -> Option<Replay> {
        let after = match self.place(stream, id)? {
            Place::Here => id.number,
            Place::Lost { after } => after,
        };
        let entries = self.kept.iter().filter(|entry| entry.number > after && *entry.stream == *stream);
        let missing = match (self.place(stream, id)?, entries.clone().next()) {
            (Place::Lost { .. }, _) => Some(None),
            (Place::Here, Some(first)) => (first.before > after).then(|| Some(first.before - after)),
            // Its last event is kept, and that is this one or came before it.
            (Place::Here, None) if self.streams.contains_key(stream) => None,
            (Place::Here, None) => (self.trimmed > after).then(|| Some(self.trimmed - after)),
        };
        let events: Vec<_> = entries.map(|entry| self.shown(entry)).collect();
        let first = events.first().map(|event| event.id);
        Some(Replay { gap: missing.map(|at_most| Gap { at_most, first }), events })
    }

    /// The last events of a stream, oldest first.
    pub(crate) fn recent(&self, stream: &str, count: usize) -> Vec<Event> {
        let of_it = self.kept.iter_back().filter(|entry| *entry.stream == *stream);
        let mut events: Vec<_> = of_it.take(count).map(|entry| self.shown(entry)).collect();
        events.reverse();
        events
    }

    /// Up to which number events of the stream come before this one, which itself is not among them; `None` for an id
    /// that this stream never gave out.
    pub(crate) fn before(&self, stream: &str, id: &EventId) -> Option<u64> {
        Some(match self.place(stream, id)? {
            Place::Here => id.number,
            Place::Lost { after } => after.saturating_add(1),
        })
    }

    /// Trims the events of a stream with lower numbers; gives how many. Twice is once.
    pub(crate) fn trim_stream(&mut self, stream: &str, before: u64) -> u64 {
        let gone: Vec<_> =
            self.kept.iter().filter(|entry| entry.number < before && *entry.stream == *stream).cloned().collect();
        if !gone.is_empty() {
            self.kept.retain(|entry| entry.number >= before || *entry.stream != *stream);
        }
        gone.iter().for_each(|entry| self.forget(entry));
        gone.len() as u64
    }

    /// Trims the oldest until the caps hold.
    pub(crate) fn settle(&mut self, limits: &EventLimits) {
        self.trim_oldest(self.over(0, 0, limits));
    }

    /// How many of the oldest have to go so that so much more fits.
    fn over(&self, events: u64, bytes: u64, limits: &EventLimits) -> usize {
        let mut left = (self.kept.len() as u64 + events, self.bytes.saturating_add(bytes));
        let too_much = |entry: &&Entry| {
            let over = left.0 > limits.events || left.1 > limits.bytes;
            left = (left.0.saturating_sub(1), left.1.saturating_sub(entry.bytes()));
            over
        };
        self.kept.iter().take_while(too_much).count()
    }

    fn trim_oldest(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(entry) = self.kept.pop() {
                self.forget(&entry);
            }
        }
    }

    fn put(&mut self, entry: Entry) {
        let (count, last) = self.streams.entry(Arc::clone(&entry.stream)).or_default();
        (*count, *last) = (*count + 1, entry.number);
        self.bytes += entry.bytes();
        self.kept.push(entry);
    }

    fn forget(&mut self, entry: &Entry) {
        self.bytes -= entry.bytes();
        self.trimmed = self.trimmed.max(entry.number);
        if let Some((count, _)) = self.streams.get_mut(&entry.stream) {
            *count -= 1;
            if *count == 0 {
                self.streams.remove(&entry.stream);
            }
        }
    }

    /// Where an id of this stream stands; `None` for one that it never gave out.
    fn place(&self, stream: &str, id: &EventId) -> Option<Place> {
        if EventId::seal(self.epoch, stream, id.number, id.era) != *id {
            return None;
        }
        if id.era == self.era {
            return Some(Place::Here);
        }
        // Eras follow each other: what came after the last event of one that is over was lost.
        Some(match self.kept.iter_back().find(|entry| entry.era == id.era) {
            Some(last) if id.number <= last.number => Place::Here,
            Some(last) => Place::Lost { after: last.number },
            // Nobody knows where that was, if it is lost at all and not long trimmed.
            None => Place::Lost { after: 0 },
        })
    }

    fn id(&self, entry: &Entry) -> EventId {
        EventId::seal(self.epoch, &entry.stream, entry.number, entry.era)
    }

    fn shown(&self, entry: &Entry) -> Event {
        Event { id: self.id(entry), at: entry.at, payload: entry.payload.clone() }
    }
}
