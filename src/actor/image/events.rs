//! Event logs as records and back, in parts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::events::{Events, era};
use crate::actor::planted::Bug;
use crate::actor::set_back::SetBack;
use crate::actor::slot::Slot;
use crate::config::EventLimits;
use crate::id::SessionDigest;
use crate::snapshot::{EventRecord, EventsRecord, EventsRef, RecordError, WriteError, Writer};
use crate::state::{Continuity, EventEntry, EventLog, EventsPart, EventsSince, Json};
use crate::time::Timestamp;

/// A part is closed once its events count as so much.
const PART_BYTES: u64 = 256 << 10;

/// Writes a log in parts; one part where it holds no event, since what was trimmed is told too.
pub(super) fn write(digest: SessionDigest, log: &EventsSince, writer: &mut Writer<'_>) -> Result<(), WriteError> {
    let mut events = log.events().peekable();
    loop {
        let mut part = Part::of(digest, log);
        let mut bytes = 0;
        while bytes < PART_BYTES
            && let Some(event) = events.next()
        {
            bytes += event.bytes();
            part.add(event);
        }
        writer.events(&part.record)?;
        if events.peek().is_none() {
            return Ok(());
        }
    }
}

/// A part while it fills.
struct Part<'a> {
    record: EventsRef<'a>,
    places: HashMap<&'a str, u32>,
}

impl<'a> Part<'a> {
    fn of(digest: SessionDigest, log: &EventsSince) -> Self {
        let EventsSince { epoch, next, trimmed, .. } = *log;
        let record = EventsRecord { digest: digest.0, epoch, next, trimmed, streams: Vec::new(), events: Vec::new() };
        Self { record, places: HashMap::new() }
    }

    fn add(&mut self, event: &'a EventEntry) {
        let streams = &mut self.record.streams;
        let stream = *self.places.entry(&event.stream).or_insert_with(|| {
            streams.push(&*event.stream);
            (streams.len() - 1) as u32
        });
        let EventEntry { number, before, era, at, .. } = *event;
        let payload = event.payload.as_str();
        self.record.events.push(EventRecord { number, before, era, stream, at: at.as_micros(), payload });
    }
}

/// A part of a log, read back; each time as `at` has it.
pub(crate) fn part(record: &EventsRef<'_>, at: impl Fn(Timestamp) -> Timestamp) -> Result<EventsPart, String> {
    let streams: Vec<Arc<str>> = record.streams.iter().map(|name| Arc::from(*name)).collect();
    let events = record.events.iter().map(|event| {
        let EventRecord { number, before, era, .. } = *event;
        let stream = streams.get(event.stream as usize).map(Arc::clone).ok_or("an event is of no stream")?;
        let payload = Json::parse(event.payload).map_err(|error| error.to_string())?;
        Ok(EventEntry { number, before, era, stream, at: at(Timestamp::from_micros(event.at)), payload })
    });
    let events = events.collect::<Result<_, String>>()?;
    Ok(EventsPart { epoch: record.epoch, next: record.next, trimmed: record.trimmed, oldest: 0, events })
}

/// A time of a file, under a wall clock that may have gone back.
pub(crate) fn carried(saved_at: Timestamp, now: Timestamp) -> impl Fn(Timestamp) -> Timestamp {
    let back = SetBack::of(saved_at, now);
    move |at| back.map_or_else(|| at.min(now), |back| back.past(at))
}

/// The logs of a file while it is read: never more of one than this service keeps.
pub(crate) struct Logs {
    limits: EventLimits,
    continuity: Continuity,
    /// Each with the number of its first record.
    logs: HashMap<[u8; 32], (EventLog, u64)>,
    one_era: bool,
}

impl Logs {
    pub(crate) fn new(core: &Core) -> Self {
        let (continuity, logs) = (Continuity::default(), HashMap::new());
        Self { limits: core.config.events, continuity, logs, one_era: core.planted(Bug::OneEra) }
    }

    /// Takes in the next part of the file, the record of this number.
    pub(crate) fn add(&mut self, digest: [u8; 32], part: EventsPart, index: u64) -> Result<(), RecordError> {
        let tell = |problem: &dyn std::fmt::Display| {
            RecordError(format!("session {}: {problem}", SessionDigest(digest).tag()))
        };
        if self.continuity.follow(digest, &part).map_err(|problem| tell(&problem))? {
            let era = match part.events.first() {
                Some(event) if self.one_era => event.era,
                _ => era().map_err(|error| tell(&error))?,
            };
            self.logs.insert(digest, (EventLog::restored(&part, era), index));
        }
        if let Some((log, _)) = self.logs.get_mut(&digest) {
            log.extend(part);
            log.settle(&self.limits);
        }
        Ok(())
    }

    /// The first record whose session is not among these.
    pub(crate) fn stray(&self, is_there: impl Fn(&SessionDigest) -> bool) -> Option<(u64, SessionDigest)> {
        let stray = self.logs.iter().map(|(digest, (_, index))| (*index, SessionDigest(*digest)));
        stray.filter(|(_, digest)| !is_there(digest)).min_by_key(|(index, _)| *index)
    }

    /// The log of a session, if it has one.
    pub(crate) fn take(&mut self, digest: &[u8; 32]) -> Option<EventLog> {
        self.logs.remove(digest).map(|(log, _)| log)
    }

    /// Gives each of these sessions its log.
    pub(crate) fn attach(self, find: impl Fn(&SessionDigest) -> Option<Arc<Slot>>, each: impl Fn(&Slot, u64)) {
        for (digest, (log, _)) in self.logs {
            let Some(slot) = find(&SessionDigest(digest)) else { continue };
            let bytes = log.bytes();
            if slot.attach(Events::new(log)) {
                each(&slot, bytes);
            }
        }
    }
}
