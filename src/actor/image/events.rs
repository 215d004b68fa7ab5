//! Event logs as records and back, in parts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::events::{Events, era};
use crate::actor::planted::Bug;
use crate::actor::set_back::SetBack;
use crate::actor::slot::Slot;
use crate::config::{EventLimits, MAX_EVENTS, MAX_EVENTS_BYTES};
use crate::error::IdError;
use crate::id::SessionDigest;
use crate::snapshot::{
    EventRecord, EventsRecord, EventsRef, GrowthRecord, Item, LogChange, RecordError, Replay, TrimRecord, WriteError,
    Writer,
};
use crate::state::{Continuity, EventEntry, EventLog, EventsPart, EventsSince, Json};
use crate::time::Timestamp;

/// A part is closed once its events count as so much.
const PART_BYTES: u64 = 256 << 10;

/// Writes a log to a snapshot.
pub(super) fn write(digest: SessionDigest, log: &EventsSince, writer: &mut Writer<'_>) -> Result<(), WriteError> {
    in_parts(digest, log, |part, _| writer.events(&part))
}

/// Writes what was appended to a log to a journal. Other than in a snapshot each part tells the log as it was after its own
/// last event, so that what follows it is taken for what it is: later.
pub(crate) fn grown<'a>(
    digest: SessionDigest,
    log: &'a EventsSince,
    mut put: impl FnMut(GrowthRecord<&'a str>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    in_parts(digest, log, |mut part, is_last| {
        if let Some(last) = part.events.last().filter(|_| !is_last) {
            part.next = last.number.saturating_add(1);
            part.trimmed = part.trimmed.min(last.number);
        }
        put(GrowthRecord { oldest: log.oldest, part })
    })
}

/// Hands on a log in parts, each with whether it is the last; one part where it holds no event, since what was trimmed is
/// told too.
fn in_parts<'a, E>(
    digest: SessionDigest,
    log: &'a EventsSince,
    mut put: impl FnMut(EventsRef<'a>, bool) -> Result<(), E>,
) -> Result<(), E> {
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
        let is_last = events.peek().is_none();
        put(part.record, is_last)?;
        if is_last {
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
pub(crate) fn carried(saved_at: Timestamp, now: Timestamp) -> impl Fn(Timestamp) -> Timestamp + Copy {
    let back = SetBack::of(saved_at, now);
    move |at| back.map_or_else(|| at.min(now), |back| back.past(at))
}

/// The logs of a file while it is read: never more of one than this service keeps, once all that is said of it is known.
pub(crate) struct Logs<'a> {
    limits: EventLimits,
    /// What journals say of them, to be laid over.
    replay: Option<&'a Replay>,
    continuity: Continuity,
    /// Each with the number of its first record in the file, where that holds any of it.
    logs: HashMap<[u8; 32], (EventLog, Option<u64>)>,
    one_era: bool,
}

impl<'a> Logs<'a> {
    /// For a service, of a file by itself.
    pub(crate) fn new(core: &Core) -> Self {
        Self { one_era: core.planted(Bug::OneEra), ..Self::within(core.config.events, None) }
    }

    /// For a service, of a file that journals go on from.
    pub(crate) fn under(core: &Core, replay: &'a Replay) -> Self {
        Self { replay: Some(replay), ..Self::new(core) }
    }

    /// For no service: as much of each as any may keep.
    pub(crate) fn whole(replay: &'a Replay) -> Self {
        Self::within(EventLimits { events: MAX_EVENTS, bytes: MAX_EVENTS_BYTES }, Some(replay))
    }

    fn within(limits: EventLimits, replay: Option<&'a Replay>) -> Self {
        Self { limits, replay, continuity: Continuity::default(), logs: HashMap::new(), one_era: false }
    }

    /// Takes in the next part of the file, the record of this number.
    pub(crate) fn add(&mut self, digest: [u8; 32], part: EventsPart, index: u64) -> Result<(), RecordError> {
        let tell = |problem: &dyn std::fmt::Display| {
            RecordError(format!("session {}: {problem}", SessionDigest(digest).tag()))
        };
        if self.continuity.follow(digest, &part).map_err(|problem| tell(&problem))? {
            let era = self.era(&part).map_err(|error| tell(&error))?;
            self.logs.insert(digest, (EventLog::restored(&part, era), Some(index)));
        }
        if let Some((log, _)) = self.logs.get_mut(&digest) {
            log.extend(part);
            // What journals trim makes room: where they change a log, the caps are met once all of it is laid over.
            if !self.replay.is_some_and(|replay| replay.changes_log(&digest)) {
                log.settle(&self.limits);
            }
        }
        Ok(())
    }

    /// Lays over what journals say, each time as `at` has it.
    pub(crate) fn lay_over(&mut self, at: impl Fn(Timestamp) -> Timestamp + Copy) -> Result<(), RecordError> {
        for (digest, ended, changes) in self.replay.into_iter().flat_map(Replay::logs) {
            if ended {
                self.logs.remove(digest);
            }
            for change in changes {
                let laid = match change {
                    LogChange::Growth(growth) => self.grow(*digest, growth, at),
                    LogChange::Trim(trim) => {
                        self.trim(trim);
                        Ok(())
                    }
                };
                laid.map_err(|detail| RecordError(format!("session {}: {detail}", SessionDigest(*digest).tag())))?;
            }
            if let Some((log, _)) = self.logs.get_mut(digest) {
                log.settle(&self.limits);
            }
        }
        Ok(())
    }

    fn grow(
        &mut self,
        digest: [u8; 32],
        growth: &GrowthRecord,
        at: impl Fn(Timestamp) -> Timestamp,
    ) -> Result<(), String> {
        let part = EventsPart { oldest: growth.oldest, ..part(&growth.part.borrowed(), at)? };
        if !self.logs.contains_key(&digest) {
            let era = self.era(&part).map_err(|error| error.to_string())?;
            self.logs.insert(digest, (EventLog::new(part.epoch, era), None));
        }
        if let Some((log, _)) = self.logs.get_mut(&digest) {
            log.apply(part);
        }
        Ok(())
    }

    fn trim(&mut self, trim: &TrimRecord) {
        let log = self.logs.get_mut(&trim.digest).map(|(log, _)| log);
        if let Some(log) = log.filter(|log| log.epoch() == trim.epoch) {
            log.trim_stream(&trim.stream, trim.before);
        }
    }

    /// What a log that begins with this part seals the ids of later events under.
    fn era(&self, part: &EventsPart) -> Result<u32, IdError> {
        match part.events.first() {
            Some(event) if self.one_era => Ok(event.era),
            _ => era(),
        }
    }

    /// The first record of the file whose session is not among these.
    pub(crate) fn stray(&self, is_there: impl Fn(&SessionDigest) -> bool) -> Option<(u64, SessionDigest)> {
        let stray = self.logs.iter().filter_map(|(digest, (_, index))| Some(((*index)?, SessionDigest(*digest))));
        stray.filter(|(_, digest)| !is_there(digest)).min_by_key(|(index, _)| *index)
    }

    /// Hands on the logs in parts, as files hold them: those of the file, and those of these sessions.
    pub(crate) fn hand_on(
        self,
        is_there: impl Fn(&[u8; 32]) -> bool,
        each: &mut dyn FnMut(Item<'_>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let mut logs: Vec<_> = self.logs.into_iter().collect();
        logs.retain(|(digest, (_, index))| index.is_some() || is_there(digest));
        logs.sort_by_key(|(digest, _)| *digest);
        logs.iter().try_for_each(|(digest, (log, _))| {
            in_parts(SessionDigest(*digest), &log.since(0), |part, _| each(Item::Events(&part)))
        })
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
            if slot.attach(Events::restored(log)) {
                each(&slot, bytes);
            }
        }
    }
}
