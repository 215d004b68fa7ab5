//! Version 1 of the stored form.
//!
//! bincode writes the fields in this order, without names: no field may be added, moved, skipped or be of a kind that
//! has to be guessed (`untagged`, `RawValue`).

use garde::Validate;
use garde::rules::length::bytes::HasBytes;
use serde::{Deserialize, Serialize};

use super::list::{MOST_ENTRIES, MOST_TAGS, at_most};
use super::rules::{ascending, json, kind_spelling, no_credential, owned, visible};
use super::{bytes, hash};
use crate::config::{MAX_CUSTOM_BYTES, MAX_TAGS, MAX_TEXT_BYTES, MAX_TIMEOUT};
use crate::principal::MAX_IDENTITY_BYTES;

/// The last microsecond of the year 9999: the end of what RFC 3339 can spell.
pub(in crate::snapshot) const MAX_STAMP: u64 = 253_402_300_799_999_999;
/// Revisions stay below 2^63, so that every reader's signed integers hold them.
pub(in crate::snapshot) const MAX_REVISION: u64 = i64::MAX as u64;
/// The longest key.
pub(super) const MAX_KEY_BYTES: usize = 4 << 10;
/// The most bytes of an attachment: 1 MiB.
pub(super) const MAX_ATTACHMENT_BYTES: usize = 1 << 20;
pub(in crate::snapshot) const MAX_TEXT: usize = MAX_TEXT_BYTES as usize;
pub(super) const MAX_TIMEOUT_MICROS: u64 = MAX_TIMEOUT.as_secs() * 1_000_000;

/// Text of a record: its own, or borrowed from a live session or from the bytes of a file.
pub(crate) trait Text: AsRef<str> + HasBytes {}

impl<T: AsRef<str> + HasBytes> Text for T {}

/// What a session is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// A session with an id.
    Session,
    /// The owner's own one.
    Bucket,
    /// The shared one.
    Global,
}

/// The principal that a session is bound to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[cfg_attr(test, derive(Debug))]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnerRecord<S: Text = String> {
    /// Who vouches for the subject.
    #[garde(length(bytes, max = MAX_IDENTITY_BYTES as usize))]
    pub(crate) issuer: S,
    /// Who it is.
    #[garde(length(bytes, max = MAX_IDENTITY_BYTES as usize))]
    pub(crate) subject: S,
    /// The client id, where it belongs to the identity.
    #[garde(inner(length(bytes, max = MAX_IDENTITY_BYTES as usize)))]
    pub(crate) client: Option<S>,
}

/// One session at one committed revision. Times are microseconds since the Unix epoch, durations microseconds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[cfg_attr(test, derive(Debug))]
#[serde(bound(deserialize = "S: Deserialize<'de>, B: From<&'de [u8]>"))]
pub(crate) struct SessionRecord<S: Text = String, B: AsRef<[u8]> = Vec<u8>> {
    /// The hash that names the session.
    #[garde(skip)]
    #[serde(with = "hash")]
    pub(crate) digest: [u8; 32],
    /// The id. An anonymous session's is a credential: its file holds the hash only.
    #[garde(inner(custom(visible)), custom(no_credential(self.role, self.owner.is_none())))]
    pub(crate) id: Option<S>,
    /// What it is to its owner.
    #[garde(custom(owned(self.owner.is_some())))]
    pub(crate) role: Role,
    /// Its owner; `None` for an anonymous and for the shared one.
    #[garde(dive)]
    pub(crate) owner: Option<OwnerRecord<S>>,
    /// Its kind.
    #[garde(custom(kind_spelling))]
    pub(crate) kind: S,
    /// The name its owner gave it.
    #[garde(inner(length(bytes, min = 1, max = MAX_TEXT)))]
    pub(crate) name: Option<S>,
    /// When it was created.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) created_at: u64,
    /// When it was last used; reads count.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) last_active_at: u64,
    /// How long it may be idle.
    #[garde(inner(range(min = 1, max = MAX_TIMEOUT_MICROS)))]
    pub(crate) idle_timeout: Option<u64>,
    /// When its lifetime ends.
    #[garde(inner(range(max = MAX_STAMP)))]
    pub(crate) ends_at: Option<u64>,
    /// Its revision.
    #[garde(range(max = MAX_REVISION))]
    pub(crate) revision: u64,
    /// A label for people.
    #[garde(inner(length(bytes, max = MAX_TEXT)))]
    pub(crate) label: Option<S>,
    /// The client's user agent.
    #[garde(inner(length(bytes, max = MAX_TEXT)))]
    pub(crate) user_agent: Option<S>,
    /// Where it came from.
    #[garde(inner(length(bytes, max = MAX_TEXT)))]
    pub(crate) origin: Option<S>,
    /// Its tags.
    #[garde(length(max = MAX_TAGS as usize), inner(length(bytes, max = MAX_TEXT)))]
    #[serde(deserialize_with = "at_most::<_, _, MOST_TAGS>")]
    pub(crate) tags: Vec<S>,
    /// Its owner's own metadata, as JSON.
    #[garde(inner(length(bytes, max = MAX_CUSTOM_BYTES as usize), custom(json)))]
    pub(crate) custom: Option<S>,
    /// What a layer above keeps with it, as JSON.
    #[garde(inner(length(bytes, max = MAX_ATTACHMENT_BYTES), custom(json)))]
    pub(crate) attachment: Option<S>,
    /// Its entries, in the packed layout of the state layer.
    #[garde(skip)]
    #[serde(with = "bytes")]
    pub(crate) entries: B,
    /// Last-use times of entries with a sliding ttl, in the order of the keys.
    #[garde(dive, custom(ascending))]
    #[serde(deserialize_with = "at_most::<_, _, MOST_ENTRIES>")]
    pub(crate) sliding: Vec<SlidingRecord<S>>,
}

/// When an entry with a sliding ttl was last used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Validate)]
pub(crate) struct SlidingRecord<S: Text = String> {
    /// The entry's key.
    #[garde(length(bytes, min = 1, max = MAX_KEY_BYTES))]
    pub(crate) key: S,
    /// When it was last used.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) last_used: u64,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndRecord {
    /// After its idle timeout.
    Idle,
    /// At the end of its lifetime.
    Lifetime,
    /// To make room.
    Evicted,
    /// On request.
    Closed,
}

/// The remembered end of a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct TombstoneRecord {
    /// The hash that named the session.
    #[garde(skip)]
    #[serde(with = "hash")]
    pub(crate) digest: [u8; 32],
    /// The hash that stands for its owner.
    #[garde(skip)]
    #[serde(with = "hash")]
    pub(crate) owner: [u8; 32],
    /// How it ended.
    #[garde(skip)]
    pub(crate) reason: EndRecord,
    /// When it ended.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) at: u64,
}

/// What the binary format's first block holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[cfg_attr(test, derive(Debug))]
pub(in crate::snapshot) struct HeaderRecord {
    /// When the file was begun.
    #[garde(range(max = MAX_STAMP))]
    pub(in crate::snapshot) created_at: u64,
    /// Its number in the folder; zero for an export.
    #[garde(skip)]
    pub(in crate::snapshot) generation: u64,
    /// The release that wrote it.
    #[garde(length(bytes, max = 64))]
    pub(in crate::snapshot) service: String,
}

/// What the binary format's last block holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
pub(in crate::snapshot) struct TrailerRecord {
    /// Sessions in the file.
    pub(in crate::snapshot) sessions: u64,
    /// Tombstones in the file.
    pub(in crate::snapshot) tombstones: u64,
    /// crc32c of every byte before the last block.
    pub(in crate::snapshot) checksum: u32,
}
