//! The bytes of a record: bounded when they lie, and open to another library.

use wincode::{SchemaRead, SchemaWrite};

use super::fixture::*;
use crate::snapshot::*;

/// The stored form, declared once more for `wincode`.
#[derive(SchemaRead, SchemaWrite)]
struct Mirror {
    digest: [u8; 32],
    id: Option<String>,
    role: MirrorRole,
    owner: Option<MirrorOwner>,
    kind: String,
    name: Option<String>,
    created_at: u64,
    last_active_at: u64,
    idle_timeout: Option<u64>,
    ends_at: Option<u64>,
    revision: u64,
    label: Option<String>,
    user_agent: Option<String>,
    origin: Option<String>,
    tags: Vec<String>,
    custom: Option<String>,
    attachment: Option<String>,
    entries: Vec<u8>,
    sliding: Vec<MirrorSliding>,
    idempotency: Vec<MirrorApplied>,
}

#[derive(SchemaRead, SchemaWrite)]
struct MirrorApplied {
    key: u128,
    request: Option<u128>,
    revision: u64,
    at: u64,
    value: Option<String>,
}

#[derive(SchemaRead, SchemaWrite)]
struct MirrorEvents {
    digest: [u8; 32],
    epoch: u128,
    next: u64,
    trimmed: u64,
    streams: Vec<String>,
    events: Vec<MirrorEvent>,
}

#[derive(SchemaRead, SchemaWrite)]
struct MirrorEvent {
    number: u64,
    before: u64,
    era: u32,
    stream: u32,
    at: u64,
    payload: String,
}

#[derive(SchemaRead, SchemaWrite)]
enum MirrorRole {
    Session,
    Bucket,
    Global,
}

#[derive(SchemaRead, SchemaWrite)]
struct MirrorOwner {
    issuer: String,
    subject: String,
    client: Option<String>,
}

#[derive(SchemaRead, SchemaWrite)]
struct MirrorSliding {
    key: String,
    last_used: u64,
}

#[derive(SchemaRead, SchemaWrite)]
struct MirrorTombstone {
    digest: [u8; 32],
    owner: [u8; 32],
    reason: MirrorEnd,
    at: u64,
}

#[derive(SchemaRead, SchemaWrite)]
enum MirrorEnd {
    Idle,
    Lifetime,
    Evicted,
    Closed,
}

#[test]
fn wincode_reads_and_writes_the_same_bytes() {
    for record in sessions() {
        let mut bytes = Vec::new();
        codec::encode(&record, &mut bytes).unwrap();
        let mirror: Mirror = wincode::deserialize(&bytes).unwrap();
        assert_eq!((mirror.revision, &mirror.entries, &mirror.tags), (record.revision, &record.entries, &record.tags));
        assert_eq!(mirror.sliding.len(), record.sliding.len());
        assert_eq!(wincode::serialize(&mirror).unwrap(), bytes);
    }
    for record in events() {
        let mut bytes = Vec::new();
        codec::encode(&record, &mut bytes).unwrap();
        let mirror: MirrorEvents = wincode::deserialize(&bytes).unwrap();
        assert_eq!((mirror.next, mirror.epoch, &mirror.streams), (record.next, record.epoch, &record.streams));
        assert_eq!(wincode::serialize(&mirror).unwrap(), bytes);
    }
    for record in tombstones() {
        let mut bytes = Vec::new();
        codec::encode(&record, &mut bytes).unwrap();
        let mirror: MirrorTombstone = wincode::deserialize(&bytes).unwrap();
        assert_eq!((mirror.digest, mirror.at), (record.digest, record.at));
        assert_eq!(wincode::serialize(&mirror).unwrap(), bytes);
    }
}

#[test]
fn a_record_takes_up_its_bytes_to_the_last() {
    let mut bytes = Vec::new();
    codec::encode(&full(), &mut bytes).unwrap();
    assert_eq!(codec::decode::<SessionRecord>(&bytes), Ok(full()));
    for length in 0..bytes.len() {
        assert!(codec::decode::<SessionRecord>(&bytes[..length]).is_err());
    }
    bytes.push(0);
    assert!(codec::decode::<SessionRecord>(&bytes).is_err());
}

/// Whatever is in place of a part of an event log comes back as an error or as a record, never as a panic, and what the
/// rules take can be written again.
#[test]
fn any_bytes_of_events_come_back() {
    let mut state = getrandom::u64().unwrap();
    eprintln!("seed {state}");
    let mut draw = move |below: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    };
    let mut original = Vec::new();
    codec::encode(&events()[0], &mut original).unwrap();
    assert_eq!(codec::decode::<EventsRecord>(&original).as_ref(), Ok(&events()[0]));
    let mut taken = 0;
    for _ in 0..100_000 {
        let mut bytes = original.clone();
        for _ in 0..=draw(3) {
            let place = draw(bytes.len() as u64) as usize;
            match draw(4) {
                0 => bytes[place] ^= 1 << draw(8),
                1 => bytes.truncate(place + 1),
                2 => bytes.insert(place, draw(256) as u8),
                _ => bytes[place] = draw(256) as u8,
            }
        }
        let Ok(record) = codec::decode::<EventsRecord>(&bytes) else { continue };
        if record::check(&record).is_ok() {
            taken += 1;
            let mut written = Vec::new();
            codec::encode(&record, &mut written).unwrap();
            assert!(written == bytes, "two spellings of one record");
        }
    }
    assert!(taken > 0);
}

#[test]
fn a_length_that_lies_is_an_error() {
    let mut original = Vec::new();
    codec::encode(&full(), &mut original).unwrap();
    // Every place a length might be, with lengths up to the largest there is; most of them would not fit in memory.
    for lie in [1 << 12, 1 << 24, 1 << 31, 1 << 40, u64::MAX / 2, u64::MAX] {
        for place in 0..original.len() - 8 {
            let mut bytes = original.clone();
            bytes[place..place + 8].copy_from_slice(&u64::to_le_bytes(lie));
            // Some places hold numbers or text, where anything goes; what counts is that it comes back.
            drop(codec::decode::<SessionRecord>(&bytes));
        }
    }
    // The id's length: the limit stops it, before anything is allocated.
    let mut bytes = original.clone();
    bytes[33..41].copy_from_slice(&u64::to_le_bytes(1 << 17));
    assert_eq!(codec::decode::<SessionRecord>(&bytes), Err("LimitExceeded".to_owned()));
    let entries_at = original.len() - bincode_tail(&full());
    original[entries_at..entries_at + 8].copy_from_slice(&u64::to_le_bytes(u64::MAX));
    assert!(codec::decode::<SessionRecord>(&original).is_err());
}

/// Bytes from the length of the entries to the end.
fn bincode_tail(record: &SessionRecord) -> usize {
    let times: usize = record.sliding.iter().map(|time| 8 + time.key.len() + 8).sum();
    let mut keys = Vec::new();
    codec::encode(&record.idempotency, &mut keys).unwrap();
    8 + record.entries.len() + 8 + times + keys.len()
}
