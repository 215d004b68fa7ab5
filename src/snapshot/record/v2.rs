//! Version 2 of the stored form: sessions remember keyed updates, and have event logs.
//!
//! What is not here is as in [`v1`](super::v1), and the rules of its module hold here too.

use garde::Validate;
use serde::{Deserialize, Serialize};

use super::list::{MOST_ENTRIES, MOST_EVENTS, MOST_KEYS, MOST_TAGS, at_most};
use super::rules::{ascending, each_once, in_sequence, json, kind_spelling, no_credential, owned, visible};
use super::v1::{self, MAX_ATTACHMENT_BYTES, MAX_REVISION, MAX_STAMP, MAX_TEXT, MAX_TIMEOUT_MICROS, Text};
use super::v1::{OwnerRecord, Role, SlidingRecord};
use super::{bytes, hash};
use crate::config::{MAX_CUSTOM_BYTES, MAX_IDEMPOTENCY_KEYS, MAX_REMEMBERED_BYTES, MAX_TAGS};

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
    /// Keyed updates that are remembered, oldest first.
    #[garde(length(max = MAX_IDEMPOTENCY_KEYS as usize), dive, custom(each_once))]
    #[serde(deserialize_with = "at_most::<_, _, MOST_KEYS>")]
    pub(crate) idempotency: Vec<AppliedRecord<S>>,
}

/// One keyed update that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Validate)]
pub(crate) struct AppliedRecord<S: Text = String> {
    /// The first half of the hash of its key, big-endian.
    #[garde(skip)]
    pub(crate) key: u128,
    /// The same of its request, where that was told.
    #[garde(skip)]
    pub(crate) request: Option<u128>,
    /// The revision that it made.
    #[garde(range(max = MAX_REVISION))]
    pub(crate) revision: u64,
    /// When it was applied.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) at: u64,
    /// What it returned, as JSON.
    #[garde(inner(length(bytes, max = MAX_REMEMBERED_BYTES), custom(json)))]
    pub(crate) value: Option<S>,
}

/// A part of one session's event log. The parts of a log stand together, in the order of their events; each says the same
/// of the whole log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[cfg_attr(test, derive(Debug))]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub(crate) struct EventsRecord<S: Text = String> {
    /// The hash that names the session.
    #[garde(skip)]
    #[serde(with = "hash")]
    pub(crate) digest: [u8; 32],
    /// What the ids of its events are sealed with.
    #[garde(skip)]
    pub(crate) epoch: u128,
    /// The number of the event that comes next.
    #[garde(range(min = 1, max = MAX_REVISION))]
    pub(crate) next: u64,
    /// The greatest number of those that were trimmed.
    #[garde(custom(below(self.next)))]
    pub(crate) trimmed: u64,
    /// The names of the streams that the events of this part belong to.
    #[garde(inner(length(bytes, min = 1, max = MAX_TEXT)))]
    #[serde(deserialize_with = "at_most::<_, _, MOST_EVENTS>")]
    pub(crate) streams: Vec<S>,
    /// Its events.
    #[garde(dive, custom(in_sequence(self.next, self.streams.len())))]
    #[serde(deserialize_with = "at_most::<_, _, MOST_EVENTS>")]
    pub(crate) events: Vec<EventRecord<S>>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Validate)]
pub(crate) struct EventRecord<S: Text = String> {
    /// Its number in the log.
    #[garde(skip)]
    pub(crate) number: u64,
    /// The number of the event before it in its stream; where none was kept, that of the last that was trimmed of any.
    /// Zero for none.
    #[garde(custom(below(self.number)))]
    pub(crate) before: u64,
    /// Drawn anew whenever the log was restored.
    #[garde(skip)]
    pub(crate) era: u32,
    /// The place of its stream's name.
    #[garde(skip)]
    pub(crate) stream: u32,
    /// When it was appended.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) at: u64,
    /// What it says, as JSON.
    #[garde(custom(json))]
    pub(crate) payload: S,
}

/// What the binary format's last block holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
pub(in crate::snapshot) struct TrailerRecord {
    /// Sessions in the file.
    pub(in crate::snapshot) sessions: u64,
    /// Parts of event logs in the file.
    pub(in crate::snapshot) events: u64,
    /// Tombstones in the file.
    pub(in crate::snapshot) tombstones: u64,
    /// crc32c of every byte before the last block.
    pub(in crate::snapshot) checksum: u32,
}

fn below(most: u64) -> impl FnOnce(&u64, &()) -> garde::Result {
    move |number, ()| if *number < most { Ok(()) } else { Err(garde::Error::new("is out of order")) }
}

impl<S: Text, B: AsRef<[u8]>> From<v1::SessionRecord<S, B>> for SessionRecord<S, B> {
    fn from(record: v1::SessionRecord<S, B>) -> Self {
        Self {
            digest: record.digest,
            id: record.id,
            role: record.role,
            owner: record.owner,
            kind: record.kind,
            name: record.name,
            created_at: record.created_at,
            last_active_at: record.last_active_at,
            idle_timeout: record.idle_timeout,
            ends_at: record.ends_at,
            revision: record.revision,
            label: record.label,
            user_agent: record.user_agent,
            origin: record.origin,
            tags: record.tags,
            custom: record.custom,
            attachment: record.attachment,
            entries: record.entries,
            sliding: record.sliding,
            idempotency: Vec::new(),
        }
    }
}
