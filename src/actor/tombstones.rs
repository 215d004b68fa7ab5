//! Remembered ends, so that an owner hears "expired 12 minutes ago" and not "unknown".

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::error::Ended;
use crate::id::{SessionDigest, SessionKey};
use crate::principal::OwnerKey;

/// The end of one session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone {
    pub(crate) digest: SessionDigest,
    pub(crate) owner: OwnerKey,
    pub(crate) ended: Ended,
}

/// All remembered ends, bounded in all and per owner; the oldest go first.
pub(crate) struct Tombstones {
    inner: Mutex<Inner>,
    most: usize,
    most_per_owner: usize,
}

#[derive(Default)]
struct Inner {
    by_key: HashMap<SessionKey, (u64, Tombstone)>,
    /// In order of burial.
    order: BTreeSet<(u64, SessionKey)>,
    by_owner: HashMap<OwnerKey, BTreeSet<(u64, SessionKey)>>,
    next: u64,
}

impl Tombstones {
    pub(crate) fn new(most: usize, most_per_owner: usize) -> Self {
        Self { inner: Mutex::default(), most, most_per_owner }
    }

    /// Remembers an end; the first one told of a session stays.
    pub(crate) fn bury(&self, tombstone: Tombstone) {
        let mut inner = self.inner.lock();
        let key = tombstone.digest.key();
        if inner.by_key.contains_key(&key) {
            return;
        }
        let stamp = inner.next;
        inner.next += 1;
        inner.by_key.insert(key, (stamp, tombstone));
        inner.order.insert((stamp, key));
        let own = inner.by_owner.entry(tombstone.owner).or_default();
        own.insert((stamp, key));
        // Anonymous sessions share one owner; they are bounded in all only.
        let full = own.len() > self.most_per_owner && tombstone.owner != OwnerKey::ANONYMOUS;
        let oldest = if full { own.first().copied() } else { None };
        if let Some((_, key)) = oldest {
            inner.forget(&key);
        }
        if inner.order.len() > self.most
            && let Some((_, key)) = inner.order.first().copied()
        {
            inner.forget(&key);
        }
    }

    pub(crate) fn find(&self, digest: &SessionDigest) -> Option<Tombstone> {
        let inner = self.inner.lock();
        inner.by_key.get(&digest.key()).map(|(_, tombstone)| *tombstone).filter(|found| found.digest == *digest)
    }

    /// A copy of all, oldest first, for files.
    pub(crate) fn all(&self) -> Vec<Tombstone> {
        let inner = self.inner.lock();
        inner.order.iter().filter_map(|(_, key)| inner.by_key.get(key)).map(|(_, tombstone)| *tombstone).collect()
    }

    /// Takes a remembered end back, for a bug that a proof plants.
    #[cfg(test)]
    pub(crate) fn unbury(&self, digest: &SessionDigest) {
        self.inner.lock().forget(&digest.key());
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.lock().by_key.len()
    }
}

impl Inner {
    fn forget(&mut self, key: &SessionKey) {
        let Some((stamp, tombstone)) = self.by_key.remove(key) else { return };
        self.order.remove(&(stamp, *key));
        if let Some(own) = self.by_owner.get_mut(&tombstone.owner) {
            own.remove(&(stamp, *key));
            if own.is_empty() {
                self.by_owner.remove(&tombstone.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::EndReason;
    use crate::time::Timestamp;

    fn tombstone(owner: u8, number: u64) -> Tombstone {
        let mut digest = [0; 32];
        digest[0] = owner;
        digest[8..16].copy_from_slice(&number.to_be_bytes());
        let ended = Ended { reason: EndReason::Closed, at: Timestamp::from_micros(number) };
        Tombstone { digest: SessionDigest(digest), owner: OwnerKey([owner; 32]), ended }
    }

    #[test]
    fn the_oldest_are_forgotten_per_owner_and_in_all() {
        let tombstones = Tombstones::new(10, 4);
        for number in 0..6 {
            tombstones.bury(tombstone(1, number));
        }
        assert!(tombstones.find(&tombstone(1, 1).digest).is_none());
        assert!(tombstones.find(&tombstone(1, 2).digest).is_some());
        for owner in 2..12 {
            tombstones.bury(tombstone(owner, 0));
        }
        assert_eq!(tombstones.len(), 10);
        assert!(tombstones.find(&tombstone(1, 5).digest).is_none());
        assert_eq!(tombstones.inner.lock().by_owner.len(), 10);
    }

    #[test]
    fn the_first_end_told_stays() {
        let tombstones = Tombstones::new(10, 10);
        let first = tombstone(1, 1);
        tombstones.bury(first);
        tombstones.bury(Tombstone { ended: Ended { reason: EndReason::Idle, at: Timestamp::default() }, ..first });
        assert_eq!(tombstones.find(&first.digest).unwrap().ended, first.ended);
    }
}
