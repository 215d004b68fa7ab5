//! From a draft to the next revision.

use super::Draft;
use crate::config::{AtCapacity, StateLimits};
use crate::error::{Limit, LimitExceeded};
use crate::state::changes::Changes;
use crate::state::committed::Committed;
use crate::state::lifetime::Expiry;
use crate::state::metadata::at_most;
use crate::state::recency::Recency;
use crate::state::uncommon::{Uncommon, kept};

impl Draft {
    /// Every second of its staged entries and nothing else: what a bug that tests plant publishes.
    #[cfg(test)]
    pub(crate) fn half(&self) -> Self {
        let (base, limits, now) = (std::sync::Arc::clone(&self.base), self.limits, self.now);
        let staged = self.staged.iter().step_by(2).map(|(key, new)| (key.into(), new.cloned())).collect();
        Self { staged, ..Self::stage(base, now, limits) }
    }

    /// The next revision; `None` when nothing has changed. Expired entries are dropped on the way, which alone is no
    /// change. A session above a cap, because the cap was lowered, can still be made smaller.
    ///
    /// Nothing in here looks at entries that neither changed nor expired nor are about to be evicted.
    pub(crate) fn finish(self) -> Result<Option<Committed>, LimitExceeded> {
        let Self { base, now, limits, mut staged, near: _, metadata, lifetime, keys } = self;
        let metadata = metadata.map(|metadata| *metadata).filter(|metadata| metadata != base.metadata());
        if staged.is_empty() && metadata.is_none() && keys.is_none() && lifetime == base.lifetime() {
            return Ok(None);
        }
        if let Some(metadata) = &metadata {
            metadata.check()?;
        }
        let mut sliding = base.sliding().clone();
        if base.quiet_until() <= now {
            let (expired, quiet_until) = base.due(now);
            for key in expired {
                if !staged.contains(&key) {
                    staged.insert(&key, None);
                }
            }
            sliding.settle(quiet_until);
        }
        let recency = match limits.at_entries {
            AtCapacity::Reject => None,
            AtCapacity::Evict => Some(make_room(&base, &limits, &mut staged)),
        };
        for (key, new) in staged.iter() {
            match new.map(|new| new.expiry) {
                Some(Expiry::Sliding(ttl)) => sliding.put(key, ttl, now),
                _ => sliding.remove(key),
            }
        }
        let entries = base.entries.apply(staged);
        let (metadata, metadata_bytes) = match metadata {
            Some(metadata) => {
                let bytes = metadata.bytes();
                (kept(metadata), bytes)
            }
            None => (base.uncommon().metadata.clone(), base.bytes - base.entries.payload_bytes() - base.keys().bytes()),
        };
        let keys = keys.unwrap_or_else(|| base.keys().clone());
        let bytes = entries.payload_bytes() + metadata_bytes + keys.bytes();
        at_most(Limit::Entries, limits.entries.max(base.entries.len() as u64), entries.len() as u64)
            .map_err(|error| LimitExceeded { allowed: limits.entries, ..error })?;
        at_most(Limit::SessionBytes, limits.bytes.max(base.bytes), bytes)
            .map_err(|error| LimitExceeded { allowed: limits.bytes, ..error })?;
        Ok(Some(Committed {
            revision: base.revision.next(),
            entries,
            lifetime: lifetime.into(),
            uncommon: Uncommon { metadata, sliding, recency, keys }.kept(base.uncommon.as_ref()),
            bytes,
        }))
    }
}

/// Stages the end of the least recently used entries until the others fit, and gives the order of what is left. What
/// this update wrote is not evicted by it; where that alone is too much, the cap refuses it.
fn make_room(base: &Committed, limits: &StateLimits, staged: &mut Changes) -> Recency {
    let mut recency = base.uncommon().recency.clone().unwrap_or_else(|| Recency::of(&base.entries));
    let mut len = base.entries.len() as u64;
    for (key, new) in staged.iter() {
        let was = base.entries.get(key).is_some();
        len = (len + u64::from(new.is_some())).saturating_sub(u64::from(was));
    }
    let over = usize::try_from(len.saturating_sub(limits.entries)).unwrap_or(usize::MAX);
    if over > 0 {
        for key in recency.least(over, |key| !staged.contains(key)) {
            staged.insert(&key, None);
        }
    }
    for (key, new) in staged.iter() {
        if new.is_some() { recency.put(key) } else { recency.remove(key) }
    }
    recency
}
