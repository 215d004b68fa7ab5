//! Records and files that the tests share.

use std::io::Write;

use serde_json::value::RawValue;

use crate::config::Format;
use crate::snapshot::record::{EntriesCodec, EntryRecord};
use crate::snapshot::*;

pub(super) const FORMATS: [Format; 2] = [Format::Bincode, Format::Json];
/// 2023-11-14, and six microseconds with digits in every place.
pub(super) const NOW: u64 = 1_700_000_000_123_456;

/// The state layer's packed layout.
pub(super) const CODEC: EntriesCodec = entries_codec();
pub(super) const OPTIONS: ReadOptions = ReadOptions { entries: CODEC, accept_edited: false };
pub(super) const EDITED: ReadOptions = ReadOptions { entries: CODEC, accept_edited: true };

/// A packed buffer of these entries.
pub(super) fn pack(entries: Vec<EntryRecord>) -> Vec<u8> {
    (CODEC.pack)(entries).unwrap()
}

pub(super) fn entry(key: &str, value: &str) -> EntryRecord {
    EntryRecord {
        key: key.to_owned(),
        value: RawValue::from_string(value.to_owned()).unwrap(),
        revision: 7,
        expires_at: None,
        sliding_micros: None,
        last_used: None,
    }
}

/// A session with nothing optional.
pub(super) fn bare(digest: u8) -> SessionRecord {
    SessionRecord {
        digest: [digest; 32],
        id: None,
        role: Role::Session,
        owner: None,
        kind: "session".to_owned(),
        name: None,
        created_at: NOW,
        last_active_at: NOW,
        idle_timeout: None,
        ends_at: None,
        revision: 0,
        label: None,
        user_agent: None,
        origin: None,
        tags: Vec::new(),
        custom: None,
        attachment: None,
        entries: pack(Vec::new()),
        sliding: Vec::new(),
        idempotency: Vec::new(),
    }
}

/// A session with everything optional.
pub(super) fn full() -> SessionRecord {
    let sliding = EntryRecord { sliding_micros: Some(60_000_000), ..entry("a \"quoted\" key", "[1,null,\"\\n\"]") };
    let expiring = EntryRecord { expires_at: Some(NOW + 5), ..entry("größe", "{\"x\":1e300,\"y\":\"z\"}") };
    SessionRecord {
        id: Some("cart_0123".to_owned()),
        owner: Some(OwnerRecord {
            issuer: "https://id.example".to_owned(),
            subject: "alice".to_owned(),
            client: Some("client-1".to_owned()),
        }),
        kind: "cart".to_owned(),
        name: Some("groceries".to_owned()),
        last_active_at: NOW + 1,
        idle_timeout: Some(1_800_000_000),
        ends_at: Some(NOW + 86_400_000_000),
        revision: 7,
        label: Some("the week's shopping".to_owned()),
        user_agent: Some("client/1.0".to_owned()),
        origin: Some("http://localhost".to_owned()),
        tags: vec!["one".to_owned(), "two".to_owned()],
        custom: Some("{\"colour\":\"red\"}".to_owned()),
        attachment: Some("null".to_owned()),
        entries: pack(vec![expiring, sliding, entry("n", "-0.50")]),
        sliding: vec![SlidingRecord { key: "a \"quoted\" key".to_owned(), last_used: NOW + 2 }],
        idempotency: vec![
            AppliedRecord { key: 7, request: Some(u128::MAX), revision: 6, at: NOW, value: Some("null".to_owned()) },
            AppliedRecord { key: 1 << 100, request: None, revision: 7, at: NOW + 1, value: None },
        ],
        ..bare(1)
    }
}

pub(super) fn sessions() -> Vec<SessionRecord> {
    let bucket = SessionRecord {
        role: Role::Bucket,
        owner: Some(OwnerRecord { issuer: String::new(), subject: "bob".to_owned(), client: None }),
        ..bare(3)
    };
    vec![full(), bare(2), bucket, SessionRecord { role: Role::Global, ..bare(4) }]
}

/// What version 1 keeps of the sessions.
pub(super) fn sessions_of_version_1() -> Vec<SessionRecord> {
    let without = |session| SessionRecord { idempotency: Vec::new(), ..session };
    sessions().into_iter().map(without).collect()
}

/// Two parts of one log, and a log that was trimmed to nothing.
pub(super) fn events() -> Vec<EventsRecord> {
    let event = |number, before, stream, payload: &str| EventRecord {
        number,
        before,
        era: 0xfeed_beef,
        stream,
        at: NOW + number,
        payload: payload.to_owned(),
    };
    let streams = vec!["get".to_owned(), "größe".to_owned()];
    let first = vec![event(4, 2, 0, "{\"x\":1e300}"), event(5, 0, 1, "[]")];
    let part = EventsRecord { digest: [1; 32], epoch: u128::MAX - 5, next: 9, trimmed: 3, streams, events: first };
    let second =
        EventsRecord { streams: vec!["größe".to_owned()], events: vec![event(7, 5, 0, "null")], ..part.clone() };
    let none = EventsRecord { digest: [2; 32], epoch: 1, next: 2, trimmed: 1, streams: Vec::new(), events: Vec::new() };
    vec![part, second, none]
}

pub(super) fn tombstones() -> Vec<TombstoneRecord> {
    let reasons = [EndRecord::Idle, EndRecord::Lifetime, EndRecord::Evicted, EndRecord::Closed];
    (0xa0..)
        .zip(reasons)
        .map(|(byte, reason)| TombstoneRecord { digest: [byte; 32], owner: [9; 32], reason, at: NOW })
        .collect()
}

/// Writes a file of these records.
pub(super) fn write_all(
    output: &mut dyn Write,
    header: FileHeader,
    sessions: &[SessionRecord],
    tombstones: &[TombstoneRecord],
) -> Result<Summary, WriteError> {
    let mut writer = Writer::new(output, header, CODEC)?;
    fill(&mut writer, sessions, tombstones)?;
    writer.finish()
}

pub(super) fn fill(
    writer: &mut Writer<'_>,
    sessions: &[SessionRecord],
    tombstones: &[TombstoneRecord],
) -> Result<(), WriteError> {
    sessions.iter().try_for_each(|record| writer.session(&record.borrowed()))?;
    tombstones.iter().try_for_each(|record| writer.tombstone(record))
}

/// The bytes of a small file with every kind of record.
pub(super) fn sample(format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = FileHeader { service: "0.1.0".to_owned(), ..FileHeader::new(format, NOW, 12) };
    let mut writer = Writer::new(&mut bytes, header, CODEC).unwrap();
    fill(&mut writer, &sessions(), &[]).unwrap();
    events().iter().try_for_each(|record| writer.events(&record.borrowed())).unwrap();
    fill(&mut writer, &[], &tombstones()).unwrap();
    writer.finish().unwrap();
    bytes
}

/// The parts of event logs in a file.
pub(super) fn read_events(bytes: &[u8]) -> Vec<EventsRecord> {
    let mut parts = Vec::new();
    let each = &mut |item: Item<'_>| {
        if let Item::Events(record) = item {
            parts.push(record.owned());
        }
        Ok(())
    };
    read(&mut &*bytes, &OPTIONS, each).unwrap();
    parts
}

pub(super) fn verified(bytes: &[u8]) -> Result<Summary, FileError> {
    verify(&mut &*bytes, &OPTIONS)
}

pub(super) type Records = (Vec<SessionRecord>, Vec<TombstoneRecord>);

/// Everything in a file.
pub(super) fn read_all(bytes: &[u8], options: &ReadOptions) -> Result<(Summary, Records), FileError> {
    let mut records = Records::default();
    let summary = read(&mut &*bytes, options, &mut |item| {
        match item {
            Item::Session(record) => records.0.push(record.owned()),
            Item::Events(_) => {}
            Item::Tombstone(record) => records.1.push(record.clone()),
        }
        Ok(())
    })?;
    Ok((summary, records))
}
