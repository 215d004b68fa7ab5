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
    8 + record.entries.len() + 8 + times
}
