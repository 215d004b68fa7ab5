//! One record in two shapes: with its own text and bytes, or with those of somebody else.

use super::v1::{OwnerRecord, SlidingRecord, Text};
use super::v2::{AppliedRecord, EventRecord, EventsRecord, SessionRecord};

/// A session that is borrowed: written from where it lives, read from where its bytes lie.
pub(crate) type SessionRef<'a> = SessionRecord<&'a str, &'a [u8]>;
/// A part of an event log that is borrowed.
pub(crate) type EventsRef<'a> = EventsRecord<&'a str>;

impl<S: Text, B: AsRef<[u8]>> SessionRecord<S, B> {
    /// The same, borrowed.
    pub(crate) fn borrowed(&self) -> SessionRef<'_> {
        self.with(|text| text, |bytes| bytes)
    }

    /// The same, on its own.
    pub(crate) fn owned(&self) -> SessionRecord {
        self.with(str::to_owned, <[u8]>::to_vec)
    }

    fn with<'a, T: Text, C: AsRef<[u8]>>(
        &'a self,
        text: impl Fn(&'a str) -> T,
        bytes: impl Fn(&'a [u8]) -> C,
    ) -> SessionRecord<T, C> {
        let text = |from: &'a S| text(from.as_ref());
        let some = |from: &'a Option<S>| from.as_ref().map(&text);
        let owner = |owner: &'a OwnerRecord<S>| OwnerRecord {
            issuer: text(&owner.issuer),
            subject: text(&owner.subject),
            client: some(&owner.client),
        };
        let slide = |slide: &'a SlidingRecord<S>| SlidingRecord { key: text(&slide.key), last_used: slide.last_used };
        let applied = |row: &'a AppliedRecord<S>| AppliedRecord {
            key: row.key,
            request: row.request,
            revision: row.revision,
            at: row.at,
            value: some(&row.value),
        };
        SessionRecord {
            digest: self.digest,
            id: some(&self.id),
            role: self.role,
            owner: self.owner.as_ref().map(owner),
            kind: text(&self.kind),
            name: some(&self.name),
            created_at: self.created_at,
            last_active_at: self.last_active_at,
            idle_timeout: self.idle_timeout,
            ends_at: self.ends_at,
            revision: self.revision,
            label: some(&self.label),
            user_agent: some(&self.user_agent),
            origin: some(&self.origin),
            tags: self.tags.iter().map(&text).collect(),
            custom: some(&self.custom),
            attachment: some(&self.attachment),
            entries: bytes(self.entries.as_ref()),
            sliding: self.sliding.iter().map(slide).collect(),
            idempotency: self.idempotency.iter().map(applied).collect(),
        }
    }
}

impl<S: Text> EventsRecord<S> {
    /// The same, borrowed.
    pub(crate) fn borrowed(&self) -> EventsRef<'_> {
        self.with(|text| text)
    }

    /// The same, on its own.
    pub(crate) fn owned(&self) -> EventsRecord {
        self.with(str::to_owned)
    }

    fn with<'a, T: Text>(&'a self, text: impl Fn(&'a str) -> T) -> EventsRecord<T> {
        let event = |event: &'a EventRecord<S>| EventRecord {
            number: event.number,
            before: event.before,
            era: event.era,
            stream: event.stream,
            at: event.at,
            payload: text(event.payload.as_ref()),
        };
        EventsRecord {
            digest: self.digest,
            epoch: self.epoch,
            next: self.next,
            trimmed: self.trimmed,
            streams: self.streams.iter().map(|name| text(name.as_ref())).collect(),
            events: self.events.iter().map(event).collect(),
        }
    }
}
