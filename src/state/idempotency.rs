//! Which keyed updates were applied: a small table that is committed together with the update it tells of, so that no
//! crash comes between the two.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::value::Json;
use crate::config::{MAX_IDEMPOTENCY_KEY_BYTES, MAX_REMEMBERED_BYTES};
use crate::error::{IdError, KeyReused, Revision};
use crate::time::Timestamp;

/// What one row counts as, beside its value.
const ROW_BYTES: u64 = 64;

/// A caller's name for one request, by which a repeat of it is known. Kept as a hash, never as text.
///
/// Choose one that nobody else of this session chooses: a UUID does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: [u8; 16],
    request: Option<[u8; 16]>,
}

impl IdempotencyKey {
    /// A key of 1 to 128 visible ASCII characters.
    ///
    /// # Errors
    /// [`IdError::IdempotencyKey`] for anything else.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let fits = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdError::IdempotencyKey { max: MAX_IDEMPOTENCY_KEY_BYTES });
        }
        Ok(Self { key: hash(b"key", text.as_bytes()), request: None })
    }

    /// The same for a request of this content: the key is refused for another content, where both are told.
    #[must_use]
    pub fn of_request(self, content: impl AsRef<[u8]>) -> Self {
        Self { request: Some(hash(b"request", content.as_ref())), ..self }
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKey").finish_non_exhaustive()
    }
}

/// Sixteen bytes are enough: whoever finds two keys of one hash harms requests of their own.
fn hash(what: &[u8], content: &[u8]) -> [u8; 16] {
    let hash = Sha256::new().chain_update(b"sessile idempotency ").chain_update(what).chain_update([0]);
    let hash: [u8; 32] = hash.chain_update(content).finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// One keyed update that was applied.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) key: [u8; 16],
    pub(crate) request: Option<[u8; 16]>,
    /// The revision that it made.
    pub(crate) revision: Revision,
    pub(crate) at: Timestamp,
    /// What it returned; nothing where that is no JSON, is larger than 4 KiB, or is not what its own type reads.
    pub(crate) value: Option<Json>,
}

impl Applied {
    pub(super) fn new(key: &IdempotencyKey, revision: Revision, at: Timestamp, value: Option<Json>) -> Self {
        let value = value.filter(|value| value.as_str().len() <= MAX_REMEMBERED_BYTES);
        Self { key: key.key, request: key.request, revision, at, value }
    }

    /// Refuses a key that comes with another request than the one that was applied.
    pub(crate) fn check(&self, key: &IdempotencyKey) -> Result<(), KeyReused> {
        match (self.request, key.request) {
            (Some(applied), Some(asked)) if applied != asked => Err(KeyReused { revision: self.revision, at: self.at }),
            _ => Ok(()),
        }
    }

    /// Whether both tell their content, and it is the same.
    pub(crate) fn is_request_of(&self, key: &IdempotencyKey) -> bool {
        self.request.is_some() && self.request == key.request
    }

    fn bytes(&self) -> u64 {
        ROW_BYTES + self.value.as_ref().map_or(0, |value| value.as_str().len() as u64)
    }
}

/// The keyed updates that are remembered, oldest first. Nothing for most sessions.
#[derive(Clone)]
pub(crate) struct AppliedKeys(Option<Arc<Rows>>);

struct Rows {
    rows: Box<[Applied]>,
    bytes: u64,
}

impl AppliedKeys {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// The same, as updates of one revision: where a commit takes over the state that they made elsewhere.
    pub(super) fn of_revision(&self, revision: Revision) -> Self {
        Self::of(self.rows().iter().map(|row| Applied { revision, ..row.clone() }))
    }

    /// Rows from the oldest on, each key once.
    pub(crate) fn of(rows: impl IntoIterator<Item = Applied>) -> Self {
        let rows: Box<[Applied]> = rows.into_iter().collect();
        let bytes = rows.iter().map(Applied::bytes).sum();
        Self((!rows.is_empty()).then(|| Arc::new(Rows { rows, bytes })))
    }

    pub(crate) fn rows(&self) -> &[Applied] {
        self.0.as_deref().map_or(&[], |rows| &rows.rows)
    }

    /// What they count as.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.as_deref().map_or(0, |rows| rows.bytes)
    }

    pub(super) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether both share their rows.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }

    /// The update of this key, if it was applied less than `window` ago.
    pub(crate) fn find(&self, key: &IdempotencyKey, now: Timestamp, window: Duration) -> Option<&Applied> {
        self.rows().iter().find(|row| row.key == key.key && now.since(row.at) < window)
    }

    /// The same with one more. Those past the window go, and so do the oldest beyond `most`.
    pub(super) fn with(&self, applied: Applied, window: Duration, most: u64) -> Self {
        let now = applied.at;
        let kept = |row: &&Applied| now.since(row.at) < window && row.key != applied.key;
        let kept: Vec<_> = self.rows().iter().filter(kept).collect();
        let room = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(1);
        let over = kept.len().saturating_sub(room);
        Self::of(kept.into_iter().skip(over).cloned().chain([applied]))
    }
}
