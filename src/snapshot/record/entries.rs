//! Entries of a session: packed in the binary format, readable in JSON.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::text;
use super::v1::{MAX_KEY_BYTES, MAX_REVISION, MAX_STAMP};

/// How the packed entries buffer is checked, taken apart and put together.
///
/// The packed layout belongs to the state layer; this one carries it as bytes and is handed the three functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntriesCodec {
    /// Checks the whole layout: offsets, order, UTF-8, JSON.
    pub(crate) check: fn(&[u8]) -> Result<(), String>,
    /// Takes a buffer apart, in the order of the keys.
    pub(crate) unpack: fn(&[u8]) -> Result<Vec<EntryRecord>, String>,
    /// Puts entries together. They come from outside, in any order: it sorts them, and refuses a key twice and
    /// whatever the state layer would refuse.
    pub(crate) pack: fn(Vec<EntryRecord>) -> Result<Vec<u8>, String>,
}

/// One entry, spelled out.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryRecord {
    /// Its key.
    #[garde(length(bytes, min = 1, max = MAX_KEY_BYTES))]
    pub(crate) key: String,
    /// Its value: compact JSON, verbatim.
    #[garde(skip)]
    pub(crate) value: Box<RawValue>,
    /// The session's revision that last changed it.
    #[garde(range(max = MAX_REVISION))]
    pub(crate) revision: u64,
    /// When it expires, in microseconds since the Unix epoch.
    #[garde(inner(range(max = MAX_STAMP)))]
    #[serde(default, with = "text::stamp_option", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<u64>,
    /// Its sliding ttl in microseconds.
    #[garde(inner(range(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sliding_micros: Option<u64>,
    /// When it was last used, where that moves its ttl.
    #[garde(inner(range(max = MAX_STAMP)))]
    #[serde(default, with = "text::stamp_option", skip_serializing_if = "Option::is_none")]
    pub(crate) last_used: Option<u64>,
}
