//! A part of an event log on its line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{raw, spelled};
use crate::snapshot::record::list::{MOST_EVENTS, at_most};
use crate::snapshot::record::v2::{EventRecord, EventsRecord};
use crate::snapshot::record::{EventsRef, text};

/// The whole line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct EventsView {
    #[serde(with = "text::hex")]
    digest: [u8; 32],
    #[serde(with = "text::short")]
    epoch: u128,
    next: u64,
    trimmed: u64,
    #[serde(deserialize_with = "at_most::<_, _, MOST_EVENTS>")]
    events: Vec<EventView>,
}

/// One event, with the name of its stream in its place.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventView {
    number: u64,
    before: u64,
    era: u32,
    stream: String,
    #[serde(with = "text::stamp")]
    at: u64,
    payload: Box<RawValue>,
}

impl EventsView {
    /// Spells a part out.
    pub(in crate::snapshot) fn of(record: &EventsRef<'_>) -> Result<Self, String> {
        let events = record.events.iter().map(|event| {
            let stream = record.streams.get(event.stream as usize).ok_or("an event is of no stream")?;
            let payload = raw(Some(event.payload.to_owned()))?.ok_or("an event says nothing")?;
            let EventRecord { number, before, era, at, .. } = *event;
            Ok(EventView { number, before, era, stream: (*stream).to_owned(), at, payload })
        });
        let EventsRecord { digest, epoch, next, trimmed, .. } = *record;
        Ok(Self { digest, epoch, next, trimmed, events: events.collect::<Result<_, String>>()? })
    }

    /// Turns the line back into a record.
    pub(in crate::snapshot) fn into_record(self) -> Result<EventsRecord, String> {
        let (mut streams, mut places) = (Vec::new(), BTreeMap::new());
        let events = self.events.into_iter().map(|event| {
            let EventView { number, before, era, stream, at, payload } = event;
            let stream = match places.get(&stream) {
                Some(place) => *place,
                None => {
                    let place = u32::try_from(streams.len()).map_err(|error| error.to_string())?;
                    streams.push(stream.clone());
                    places.insert(stream, place);
                    place
                }
            };
            Ok(EventRecord { number, before, era, stream, at, payload: spelled(payload) })
        });
        let events = events.collect::<Result<_, String>>()?;
        let Self { digest, epoch, next, trimmed, .. } = self;
        Ok(EventsRecord { digest, epoch, next, trimmed, streams, events })
    }
}
