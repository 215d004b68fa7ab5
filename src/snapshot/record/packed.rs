//! The packed entries buffer, whose layout belongs to the state layer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{EntriesCodec, EntryRecord, SessionRecord, SessionRef};
use crate::error::Revision;
use crate::snapshot::DeltaRecord;
use crate::state::{Entries, Expiry, Json, NewEntry};
use crate::time::{Timestamp, micros};

/// The layout that this release packs entries in.
pub(crate) const fn entries_codec() -> EntriesCodec {
    EntriesCodec { check, unpack, pack }
}

fn check(packed: &[u8]) -> Result<(), String> {
    Entries::from_packed(packed).map(drop).map_err(|error| error.to_string())
}

fn unpack(packed: &[u8]) -> Result<Vec<EntryRecord>, String> {
    let entries = Entries::from_packed(packed).map_err(|error| error.to_string())?;
    let records = entries.iter().map(|entry| {
        let value = RawValue::from_string(entry.value.to_owned()).map_err(|error| error.to_string())?;
        let (expires_at, sliding_micros) = match entry.expiry {
            Expiry::Never => (None, None),
            Expiry::At(at) => (Some(at.as_micros()), None),
            Expiry::Sliding(ttl) => (None, Some(micros(ttl))),
        };
        let (key, revision) = (entry.key.to_owned(), entry.revision.get());
        Ok(EntryRecord { key, value, revision, expires_at, sliding_micros, last_used: None })
    });
    records.collect()
}

fn pack(records: Vec<EntryRecord>) -> Result<Vec<u8>, String> {
    let mut entries = BTreeMap::new();
    for record in records {
        let expiry = match (record.expires_at, record.sliding_micros) {
            (None, None) => Expiry::Never,
            (Some(at), None) => Expiry::At(Timestamp::from_micros(at)),
            (None, Some(ttl)) => Expiry::Sliding(Duration::from_micros(ttl)),
            (Some(_), Some(_)) => return Err("an entry has two ttls; keep one".to_owned()),
        };
        if record.key.chars().any(char::is_control) {
            return Err("a key holds control characters".to_owned());
        }
        let value = Json::parse(record.value.get()).map_err(|error| error.to_string())?;
        let new = NewEntry { value, revision: Revision::new(record.revision), expiry };
        if entries.insert(record.key.into_boxed_str(), new).is_some() {
            return Err("a key stands in it twice".to_owned());
        }
    }
    Ok(Entries::pack(&entries))
}

/// A session with what changed in it since: each change lies on a revision from its base on. `None` where that is nothing.
pub(in crate::snapshot) fn lay_over(
    start: &SessionRef<'_>,
    deltas: &[DeltaRecord],
) -> Result<Option<SessionRecord>, String> {
    let mut entries: Option<Entries> = None;
    let (mut revision, mut last) = (start.revision, None);
    for delta in deltas {
        let DeltaRecord { base, session, removed } = delta;
        if session.revision <= revision {
            continue;
        }
        if revision < *base {
            return Err("a change stands without what it was made on".to_owned());
        }
        let on = match entries.take() {
            Some(entries) => entries,
            None => Entries::from_packed(start.entries).map_err(|error| error.to_string())?,
        };
        let put = Entries::from_packed(&session.entries).map_err(|error| error.to_string())?;
        let laid = on.laid_over(Revision::new(*base), &put, removed.iter().map(String::as_str));
        entries = Some(laid.map_err(|error| error.to_string())?);
        (revision, last) = (session.revision, Some(session));
    }
    let Some((session, entries)) = last.zip(entries) else { return Ok(None) };
    let session = SessionRef { entries: &[], ..session.borrowed() }.owned();
    Ok(Some(SessionRecord { entries: entries.to_packed(), ..session }))
}
