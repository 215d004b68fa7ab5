//! What a recorded session holds, and whether it could be restored: every rule that needs no running service.

use crate::error::Revision;
use crate::id::SessionDigest;
use crate::principal::{OwnerKey, Principal};
use crate::snapshot::{Role, SessionRef};
use crate::state::{Applied, AppliedKeys, Entries, Json, Metadata};
use crate::time::Timestamp;

/// Counts entries and bytes of a record that could be restored; otherwise tells what is wrong with it.
pub(crate) fn measure(record: &SessionRef<'_>) -> Result<(u64, u64), String> {
    check_names(record, &owner_key(record))?;
    let metadata = metadata_of(record)?;
    let entries = Entries::from_packed(record.entries).map_err(|error| format!("its entries: {error}"))?;
    let keys = keys_of(record, |at| at)?;
    Ok((entries.len() as u64, entries.payload_bytes() + metadata.bytes() + keys.bytes()))
}

/// Whom a recorded session belongs to; nobody where it is anonymous or shared.
pub(crate) fn principal_of(record: &SessionRef<'_>) -> Option<Principal> {
    let owner = record.owner.as_ref()?;
    let principal = Principal::new(owner.issuer, owner.subject);
    Some(match owner.client {
        Some(client) => principal.with_client(client),
        None => principal,
    })
}

/// The key of its owner.
pub(crate) fn owner_key(record: &SessionRef<'_>) -> OwnerKey {
    match (&record.owner, record.role) {
        (Some(owner), _) => OwnerKey::of(owner.issuer, owner.subject, owner.client),
        (None, Role::Global) => OwnerKey::GLOBAL,
        (None, _) => OwnerKey::ANONYMOUS,
    }
}

/// What it says about itself, checked.
pub(crate) fn metadata_of(record: &SessionRef<'_>) -> Result<Metadata, String> {
    let metadata = Metadata {
        label: record.label.map(str::to_owned),
        user_agent: record.user_agent.map(str::to_owned),
        origin: record.origin.map(str::to_owned),
        tags: record.tags.iter().map(|tag| (*tag).to_owned()).collect(),
        custom: json(record.custom)?,
        attachment: json(record.attachment)?,
    };
    metadata.check().map_err(|error| error.to_string())?;
    Ok(metadata)
}

/// The keyed updates that it remembers, with each time as `at` has it.
pub(crate) fn keys_of(record: &SessionRef<'_>, at: impl Fn(Timestamp) -> Timestamp) -> Result<AppliedKeys, String> {
    let rows = record.idempotency.iter().map(|row| {
        Ok(Applied {
            key: row.key.to_be_bytes(),
            request: row.request.map(u128::to_be_bytes),
            revision: Revision::new(row.revision),
            at: at(Timestamp::from_micros(row.at)),
            value: json(row.value)?,
        })
    });
    Ok(AppliedKeys::of(rows.collect::<Result<Vec<_>, String>>()?))
}

/// An edited file must not put a session under somebody else's id.
pub(crate) fn check_names(record: &SessionRef<'_>, owner: &OwnerKey) -> Result<(), String> {
    if let Some(name) = record.name {
        super::new_session::check_name(name).map_err(|error| error.to_string())?;
    }
    let Some(id) = record.id else {
        return if *owner == OwnerKey::ANONYMOUS { Ok(()) } else { Err("an owned session has an id".to_owned()) };
    };
    let (_, expected) = super::lookup::digest(owner, id).map_err(|error| error.to_string())?;
    if expected == SessionDigest(record.digest) { Ok(()) } else { Err("its digest is not that of its id".to_owned()) }
}

fn json(text: Option<&str>) -> Result<Option<Json>, String> {
    text.map(Json::parse).transpose().map_err(|error| error.to_string())
}
