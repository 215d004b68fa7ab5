//! What few sessions have beside their entries.

use std::sync::Arc;

use super::idempotency::AppliedKeys;
use super::metadata::{Metadata, SILENT};
use super::recency::Recency;
use super::sliding::Sliding;

/// One part for all of it: a session that has none of it pays for one pointer.
#[derive(Clone)]
pub(super) struct Uncommon {
    /// Nothing for a session that says nothing about itself.
    pub(super) metadata: Option<Arc<Metadata>>,
    /// Has a row for every entry with a sliding ttl; an entry without one counts as expired.
    pub(super) sliding: Sliding,
    /// Has a row for every entry where the session evicts at its cap of entries.
    pub(super) recency: Option<Recency>,
    /// Keyed updates that were applied.
    pub(super) keys: AppliedKeys,
}

/// What most sessions have.
pub(super) static NOTHING: Uncommon =
    Uncommon { metadata: None, sliding: Sliding::none(), recency: None, keys: AppliedKeys::none() };

impl Uncommon {
    /// What the session says about itself.
    pub(super) fn metadata(&self) -> &Metadata {
        self.metadata.as_deref().unwrap_or(&SILENT)
    }

    /// As the next revision holds it: nothing where there is nothing, and what the one `before` holds where it is the same.
    pub(super) fn kept(self, before: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        if self.metadata.is_none() && self.sliding.is_none() && self.recency.is_none() && self.keys.is_none() {
            return None;
        }
        let same = before.filter(|before| before.is(&self));
        Some(same.map_or_else(|| Arc::new(self), Arc::clone))
    }

    /// Whether both share every part.
    fn is(&self, other: &Self) -> bool {
        let metadata = |of: &Self| of.metadata.as_ref().map(Arc::as_ptr);
        let recency = match (&self.recency, &other.recency) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is(other),
            _ => false,
        };
        recency && metadata(self) == metadata(other) && self.sliding.is(&other.sliding) && self.keys.is(&other.keys)
    }
}

/// Metadata as a revision holds it.
pub(super) fn kept(metadata: Metadata) -> Option<Arc<Metadata>> {
    (metadata != SILENT).then(|| Arc::new(metadata))
}
