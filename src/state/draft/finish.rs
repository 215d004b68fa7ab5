//! From a draft to the next revision.

use std::sync::Arc;

use super::Draft;
use crate::error::{Limit, LimitExceeded};
use crate::state::committed::Committed;
use crate::state::lifetime::Expiry;
use crate::state::metadata::at_most;

impl Draft {
    /// Every second of its staged entries and nothing else: what a bug that tests plant publishes.
    #[cfg(test)]
    pub(crate) fn half(&self) -> Self {
        let (base, limits, now) = (Arc::clone(&self.base), self.limits, self.now);
        let staged = self.staged.iter().step_by(2).map(|(key, new)| (key.clone(), new.clone())).collect();
        Self { staged, ..Self::stage(base, now, limits) }
    }

    /// The next revision; `None` when nothing has changed. Expired entries are dropped on the way, which alone is no
    /// change. A session above a cap, because the cap was lowered, can still be made smaller.
    pub(crate) fn finish(self) -> Result<Option<Committed>, LimitExceeded> {
        let Self { base, now, limits, mut staged, metadata, lifetime } = self;
        let metadata = metadata.filter(|metadata| *metadata != *base.metadata);
        if staged.is_empty() && metadata.is_none() && lifetime == base.lifetime {
            return Ok(None);
        }
        if let Some(metadata) = &metadata {
            metadata.check()?;
        }
        for key in base.expired(now) {
            if !staged.contains_key(key) {
                staged.insert(key.into(), None);
            }
        }
        let mut sliding = base.sliding.clone();
        for (key, new) in &staged {
            match new.as_ref().map(|new| new.expiry) {
                Some(Expiry::Sliding(ttl)) => sliding.put(key, ttl, now),
                _ => sliding.remove(key),
            }
        }
        sliding.settle(now);
        let entries = base.entries.apply(staged);
        let metadata = metadata.map_or_else(|| Arc::clone(&base.metadata), Arc::new);
        let bytes = entries.payload_bytes() + metadata.bytes();
        at_most(Limit::Entries, limits.entries.max(base.entries.len() as u64), entries.len() as u64)
            .map_err(|error| LimitExceeded { allowed: limits.entries, ..error })?;
        at_most(Limit::SessionBytes, limits.bytes.max(base.bytes), bytes)
            .map_err(|error| LimitExceeded { allowed: limits.bytes, ..error })?;
        Ok(Some(Committed { revision: base.revision.next(), entries, metadata, lifetime, sliding, bytes }))
    }
}
