//! The records as the JSON format shows them: named members, readable times and hashes, entries as a list.

mod events;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::entries::{EntriesCodec, EntryRecord};
use super::list::{MOST_ENTRIES, MOST_KEYS, MOST_TAGS, at_most};
use super::v1::{EndRecord, OwnerRecord, Role, SlidingRecord, TombstoneRecord};
use super::v2::{AppliedRecord, SessionRecord};
use super::{SessionRef, check, text};

pub(in crate::snapshot) use events::EventsView;

/// The header's members. The first two are the same in every version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct HeaderView {
    pub(in crate::snapshot) format: String,
    pub(in crate::snapshot) version: u32,
    #[serde(with = "text::stamp")]
    pub(in crate::snapshot) created_at: u64,
    pub(in crate::snapshot) generation: u64,
    pub(in crate::snapshot) service: String,
}

/// A session on its line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct SessionView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(with = "text::hex")]
    digest: [u8; 32],
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerRecord>,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(with = "text::stamp")]
    created_at: u64,
    #[serde(with = "text::stamp")]
    last_active_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle_timeout_micros: Option<u64>,
    #[serde(default, with = "text::stamp_option", skip_serializing_if = "Option::is_none")]
    ends_at: Option<u64>,
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, deserialize_with = "at_most::<_, _, MOST_TAGS>", skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    custom: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    attachment: Option<Box<RawValue>>,
    #[serde(deserialize_with = "at_most::<_, _, MOST_ENTRIES>")]
    entries: Vec<EntryRecord>,
    #[serde(default, deserialize_with = "at_most::<_, _, MOST_KEYS>", skip_serializing_if = "Vec::is_empty")]
    idempotency: Vec<AppliedView>,
}

/// A keyed update that is remembered.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppliedView {
    #[serde(with = "text::short")]
    key: u128,
    #[serde(default, with = "text::short_option", skip_serializing_if = "Option::is_none")]
    request: Option<u128>,
    revision: u64,
    #[serde(with = "text::stamp")]
    at: u64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
}

impl SessionView {
    /// Spells a session out.
    pub(in crate::snapshot) fn of(record: &SessionRef<'_>, codec: EntriesCodec) -> Result<Self, String> {
        let mut entries = (codec.unpack)(record.entries)?;
        let times: BTreeMap<_, _> = record.sliding.iter().map(|time| (time.key, time.last_used)).collect();
        let record = record.owned();
        for entry in &mut entries {
            // The times beside the state are newer than whatever is packed with it.
            entry.last_used = times.get(entry.key.as_str()).copied().or(entry.last_used);
        }
        Ok(Self {
            id: record.id,
            digest: record.digest,
            role: record.role,
            owner: record.owner,
            kind: record.kind,
            name: record.name,
            created_at: record.created_at,
            last_active_at: record.last_active_at,
            idle_timeout_micros: record.idle_timeout,
            ends_at: record.ends_at,
            revision: record.revision,
            label: record.label,
            user_agent: record.user_agent,
            origin: record.origin,
            tags: record.tags,
            custom: raw(record.custom)?,
            attachment: raw(record.attachment)?,
            entries,
            idempotency: record.idempotency.into_iter().map(AppliedView::of).collect::<Result<_, _>>()?,
        })
    }

    /// Whether it has members that version 1 has not.
    pub(in crate::snapshot) fn is_later(&self) -> bool {
        !self.idempotency.is_empty()
    }

    /// Turns the line back into a record.
    pub(in crate::snapshot) fn into_record(self, codec: EntriesCodec) -> Result<SessionRecord, String> {
        for entry in &self.entries {
            check(entry).map_err(|flaws| format!("entry {:?}: {flaws}", entry.key))?;
        }
        let time =
            |entry: &EntryRecord| entry.last_used.map(|at| SlidingRecord { key: entry.key.clone(), last_used: at });
        let mut sliding: Vec<_> = self.entries.iter().filter_map(time).collect();
        sliding.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(SessionRecord {
            digest: self.digest,
            id: self.id,
            role: self.role,
            owner: self.owner,
            kind: self.kind,
            name: self.name,
            created_at: self.created_at,
            last_active_at: self.last_active_at,
            idle_timeout: self.idle_timeout_micros,
            ends_at: self.ends_at,
            revision: self.revision,
            label: self.label,
            user_agent: self.user_agent,
            origin: self.origin,
            tags: self.tags,
            custom: self.custom.map(spelled),
            attachment: self.attachment.map(spelled),
            entries: (codec.pack)(self.entries)?,
            sliding,
            idempotency: self.idempotency.into_iter().map(AppliedView::into_record).collect(),
        })
    }
}

impl AppliedView {
    fn of(record: AppliedRecord) -> Result<Self, String> {
        let AppliedRecord { key, request, revision, at, value } = record;
        Ok(Self { key, request, revision, at, value: raw(value)? })
    }

    fn into_record(self) -> AppliedRecord {
        let Self { key, request, revision, at, value } = self;
        AppliedRecord { key, request, revision, at, value: value.map(spelled) }
    }
}

/// A tombstone on its line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct TombstoneView {
    #[serde(with = "text::hex")]
    digest: [u8; 32],
    #[serde(with = "text::hex")]
    owner: [u8; 32],
    reason: EndRecord,
    #[serde(with = "text::stamp")]
    at: u64,
}

impl From<&TombstoneRecord> for TombstoneView {
    fn from(record: &TombstoneRecord) -> Self {
        let TombstoneRecord { digest, owner, reason, at } = *record;
        Self { digest, owner, reason, at }
    }
}

impl From<TombstoneView> for TombstoneRecord {
    fn from(view: TombstoneView) -> Self {
        let TombstoneView { digest, owner, reason, at } = view;
        Self { digest, owner, reason, at }
    }
}

pub(super) fn raw(text: Option<String>) -> Result<Option<Box<RawValue>>, String> {
    text.map(|text| RawValue::from_string(text).map_err(|error| error.to_string())).transpose()
}

/// The text itself, not a copy of it.
pub(super) fn spelled(json: Box<RawValue>) -> String {
    Box::<str>::from(json).into()
}

/// Reads a member that is there: its `null` is a value.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}
