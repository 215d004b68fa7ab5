//! What a recorded session holds, and whether it could be restored: every rule that needs no running service.

use crate::id::SessionDigest;
use crate::principal::{OwnerKey, Principal};
use crate::snapshot::{Role, SessionRecord};
use crate::state::{Entries, Json, Metadata};

/// Counts entries and bytes of a record that could be restored; otherwise tells what is wrong with it.
pub(crate) fn measure(record: &SessionRecord) -> Result<(u64, u64), String> {
    check_names(record, &owner_key(record))?;
    let metadata = metadata_of(record)?;
    let entries = Entries::from_packed(record.entries.clone()).map_err(|error| format!("its entries: {error}"))?;
    Ok((entries.len() as u64, entries.payload_bytes() + metadata.bytes()))
}

/// Whom a recorded session belongs to; nobody where it is anonymous or shared.
pub(crate) fn principal_of(record: &SessionRecord) -> Option<Principal> {
    let owner = record.owner.as_ref()?;
    let principal = Principal::new(owner.issuer.as_str(), owner.subject.as_str());
    Some(match &owner.client {
        Some(client) => principal.with_client(client.as_str()),
        None => principal,
    })
}

/// The key of its owner.
pub(crate) fn owner_key(record: &SessionRecord) -> OwnerKey {
    match (principal_of(record), record.role) {
        (Some(principal), _) => principal.key(),
        (None, Role::Global) => OwnerKey::GLOBAL,
        (None, _) => OwnerKey::ANONYMOUS,
    }
}

/// What it says about itself, checked.
pub(crate) fn metadata_of(record: &SessionRecord) -> Result<Metadata, String> {
    let metadata = Metadata {
        label: record.label.clone(),
        user_agent: record.user_agent.clone(),
        origin: record.origin.clone(),
        tags: record.tags.iter().cloned().collect(),
        custom: json(record.custom.as_deref())?,
        attachment: json(record.attachment.as_deref())?,
    };
    metadata.check().map_err(|error| error.to_string())?;
    Ok(metadata)
}

/// An edited file must not put a session under somebody else's id.
pub(crate) fn check_names(record: &SessionRecord, owner: &OwnerKey) -> Result<(), String> {
    if let Some(name) = &record.name {
        super::new_session::check_name(name).map_err(|error| error.to_string())?;
    }
    let Some(id) = &record.id else {
        return if *owner == OwnerKey::ANONYMOUS { Ok(()) } else { Err("an owned session has an id".to_owned()) };
    };
    let (_, expected) = super::lookup::digest(owner, id).map_err(|error| error.to_string())?;
    if expected == SessionDigest(record.digest) { Ok(()) } else { Err("its digest is not that of its id".to_owned()) }
}

fn json(text: Option<&str>) -> Result<Option<Json>, String> {
    text.map(Json::parse).transpose().map_err(|error| error.to_string())
}
