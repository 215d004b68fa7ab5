//! Sessions as records and back: where the live form and the stored form meet.

mod events;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::events::{Logs, carried, grown, part};
use super::core::Core;
use super::measure::{check_names, keys_of, metadata_of, owner_key, principal_of};
use super::owners::OwnerSlot;
use super::planted::Bug;
use super::set_back::SetBack;
use super::slot::{Identity, Role, Slot};
use super::tombstones::Tombstone;
use crate::config::AtCapacity;
use crate::error::{EndReason, Ended, Revision};
use crate::id::{Kind, SessionDigest, SessionId};
use crate::principal::OwnerKey;
use crate::snapshot::{
    self, AppliedRecord, EndRecord, OwnerRecord, SessionRecord, SessionRef, SlidingRecord, TombstoneRecord, WriteError,
    Writer,
};
use crate::state::{Applied, Committed, Entries, Expiry, Json, Lifetime};
use crate::time::{Timestamp, micros};

/// Writes everything: each session at one committed revision, then event logs, each at one moment of its own, then the
/// tombstones, which have the last word.
pub(crate) fn write(core: &Core, writer: &mut Writer<'_>) -> Result<(), WriteError> {
    // The walk clones references only; encoding waits for nobody and nobody for it.
    let mut logs = Vec::new();
    for slot in core.registry.collect(|_| true) {
        if let Some(committed) = slot.peek().map(|committed| core.read_twice(&slot, committed)) {
            let (entries, id) = (committed.entries.packed_bytes(), slot.identity.id());
            // A place in a file that was never written names no session to anybody; its tag does.
            writer.session(&record(&slot, &committed, &entries, id.as_ref())).map_err(|error| match error {
                WriteError::Record { index, detail } => {
                    WriteError::Record { index, detail: format!("session {}: {detail}", slot.identity.digest.tag()) }
                }
                other => other,
            })?;
            // Later than its session, so that no log is in a file without it.
            if let Ok(Some(events)) = slot.events() {
                logs.push((slot.identity.digest, events));
            }
        }
    }
    for (digest, events) in logs {
        let log = events.lock().as_ref().map(|log| log.since(0));
        if let Some(log) = log {
            events::write(digest, &log, writer)?;
        }
    }
    if core.planted(Bug::SnapshotSkipsTombstones) {
        return Ok(());
    }
    core.tombstones.all().iter().try_for_each(|tombstone| writer.tombstone(&bury(tombstone)))
}

/// A session at one revision, as files hold it, borrowed from where it lives.
pub(super) fn record<'a>(
    slot: &'a Slot,
    committed: &'a Committed,
    entries: &'a [u8],
    id: Option<&'a SessionId>,
) -> SessionRef<'a> {
    let identity = &slot.identity;
    let metadata = committed.metadata();
    let used = committed.sliding().last_uses();
    SessionRecord {
        digest: identity.digest.0,
        id: id.map(SessionId::as_str),
        role: match identity.role {
            Role::Session => snapshot::Role::Session,
            Role::Bucket => snapshot::Role::Bucket,
            Role::Global => snapshot::Role::Global,
        },
        owner: identity.owner.principal.as_ref().map(|principal| OwnerRecord {
            issuer: principal.issuer(),
            subject: principal.subject(),
            client: principal.client(),
        }),
        kind: identity.kind(),
        name: identity.name(),
        created_at: identity.created_at.as_micros(),
        last_active_at: slot.last_active().as_micros(),
        idle_timeout: committed.lifetime().idle.map(micros),
        ends_at: committed.lifetime().ends_at.map(Timestamp::as_micros),
        revision: committed.revision.get(),
        label: metadata.label.as_deref(),
        user_agent: metadata.user_agent.as_deref(),
        origin: metadata.origin.as_deref(),
        tags: metadata.tags.iter().map(String::as_str).collect(),
        custom: metadata.custom.as_ref().map(Json::as_str),
        attachment: metadata.attachment.as_ref().map(Json::as_str),
        entries,
        sliding: used.map(|(key, time)| SlidingRecord { key, last_used: time.as_micros() }).collect(),
        idempotency: committed.keys().rows().iter().map(applied).collect(),
    }
}

fn applied(row: &Applied) -> AppliedRecord<&str> {
    AppliedRecord {
        key: u128::from_be_bytes(row.key),
        request: row.request.map(u128::from_be_bytes),
        revision: row.revision.get(),
        at: row.at.as_micros(),
        value: row.value.as_ref().map(Json::as_str),
    }
}

pub(super) fn bury(tombstone: &Tombstone) -> TombstoneRecord {
    TombstoneRecord {
        digest: tombstone.digest.0,
        owner: tombstone.owner.0,
        reason: match tombstone.ended.reason {
            EndReason::Idle => EndRecord::Idle,
            EndReason::Lifetime => EndRecord::Lifetime,
            EndReason::Evicted => EndRecord::Evicted,
            EndReason::Closed => EndRecord::Closed,
        },
        at: tombstone.ended.at.as_micros(),
    }
}

/// A tombstone read back.
pub(crate) fn unearth(record: &TombstoneRecord) -> Tombstone {
    let reason = match record.reason {
        EndRecord::Idle => EndReason::Idle,
        EndRecord::Lifetime => EndReason::Lifetime,
        EndRecord::Evicted => EndReason::Evicted,
        EndRecord::Closed => EndReason::Closed,
    };
    Tombstone {
        digest: SessionDigest(record.digest),
        owner: OwnerKey(record.owner),
        ended: Ended { reason, at: Timestamp::from_micros(record.at) },
    }
}

/// Builds the slot of a recorded session of this owner. It is in no table yet.
///
/// A deadline is the lesser of the recorded one and now plus what was left of the session's own timeout when the file was
/// written, so that a wall clock that went back lengthens no life beyond what [`SetBack`] says of 1970.
pub(crate) fn revive(
    core: &Core,
    owner: Arc<OwnerSlot>,
    record: &SessionRef<'_>,
    saved_at: Timestamp,
    now: Timestamp,
) -> Result<Slot, String> {
    let digest = SessionDigest(record.digest);
    check_names(record, &owner.key)?;
    let metadata = metadata_of(record)?;
    let keys = keys_of(record, carried(saved_at, now))?;
    let mut entries = Entries::from_packed(record.entries).map_err(|error| error.to_string())?;
    let [mut created_at, mut last_active] = [record.created_at, record.last_active_at].map(Timestamp::from_micros);
    let idle = record.idle_timeout.map(Duration::from_micros);
    let mut lifetime = Lifetime { idle, ends_at: record.ends_at.map(Timestamp::from_micros) };
    let set_back = SetBack::of(saved_at, now).filter(|_| !core.planted(Bug::RestoreTrustsClock));
    if let Some(set_back) = set_back {
        (lifetime, last_active) = set_back.life(lifetime, last_active);
        created_at = set_back.past(created_at);
        entries = set_back.entries(&entries);
    }
    lifetime.ends_at = lifetime.ends_at.map(|ends_at| ends_at.min(now.after(ends_at.since(created_at))));
    // Zero stands for an entry that has expired; a wall clock that shows zero must not make one of those.
    let used_at = |last: u64| if last == 0 { 0 } else { last.min(now.as_micros()).max(1) };
    let last_used = |used: &SlidingRecord<&str>| match set_back {
        Some(set_back) => set_back.last_use(&entries, used),
        None => used_at(used.last_used),
    };
    let used: BTreeMap<_, _> = record.sliding.iter().map(|used| (used.key, last_used(used))).collect();
    let last_use = |key: &str| used.get(key).copied().map(Timestamp::from_micros);
    let revision = Revision::new(record.revision);
    let committed = Committed::restored(revision, entries, metadata, lifetime, saved_at.min(now), last_use);
    let committed = if record.idempotency.is_empty() { committed } else { committed.with_keys(keys) };
    let role = match record.role {
        snapshot::Role::Session => Role::Session,
        snapshot::Role::Bucket => Role::Bucket,
        snapshot::Role::Global => Role::Global,
    };
    let evicts = core.limits(role).at_entries == AtCapacity::Evict;
    let committed = if evicts { committed.in_order() } else { committed };
    let kind = Kind::new(record.kind).map_err(|error| error.to_string())?;
    let identity = Identity::new(digest, role, kind, &owner, created_at).with_name(record.name.map(Into::into));
    let identity = match record.id {
        Some(id) => identity.with_id(id),
        None => identity,
    };
    let last_active = match last_active.min(now) {
        _ if core.planted(Bug::LastUseNotPersisted) => identity.created_at.min(now),
        _ if core.planted(Bug::DeadlineFromRestore) => now,
        last if core.planted(Bug::RestoreRevives) && lifetime.ended(last, now).is_some() => now,
        last => last,
    };
    Ok(Slot::new(identity, committed, last_active))
}

/// The owner of a recorded session, made when it is missing.
pub(crate) fn owner_of(core: &Core, record: &SessionRef<'_>) -> Arc<OwnerSlot> {
    let key = owner_key(record);
    // Most owners have several sessions: the names of one are copied once.
    let known = core.owners.find(&key);
    known.unwrap_or_else(|| core.owners.intern(key, principal_of(record).as_ref()))
}

/// The ttl that is left to an entry, for putting it into another session.
pub(crate) fn ttl_left(expiry: Expiry, now: Timestamp) -> Option<crate::state::Ttl> {
    match expiry {
        Expiry::Never => Some(crate::state::Ttl::Never),
        Expiry::At(at) if at > now => Some(crate::state::Ttl::Absolute(at.since(now))),
        Expiry::At(_) => None,
        Expiry::Sliding(ttl) => Some(crate::state::Ttl::Sliding(ttl)),
    }
}
