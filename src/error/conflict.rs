//! Updates that came too late, or for the second time.

use super::Revision;
use crate::time::Timestamp;

/// The session had moved on: an update asked for one revision and found another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("conflict: revision {expected} was expected, {current} is current; read again and retry")]
pub struct Conflict {
    /// What the caller expected.
    pub expected: Revision,
    /// What is there.
    pub current: Revision,
}

/// An idempotency key came with another request than the one that was applied under it; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this idempotency key was used for another request, applied at revision {revision}; send a key of its own with each request"
)]
pub struct KeyReused {
    /// The revision that the other request made.
    pub revision: Revision,
    /// When it was applied.
    pub at: Timestamp,
}
