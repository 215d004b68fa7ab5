//! Remembered ends, so that an owner hears "expired 12 minutes ago" and not "unknown".

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

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
///
/// Trees, not hash tables: an end is written down under its slot's lock, and no table may grow all at once there.
pub(crate) struct Tombstones {
    inner: Mutex<Inner>,
    most: usize,
    most_per_owner: usize,
}

#[derive(Default)]
struct Inner {
    /// In order of burial.
    order: BTreeMap<u64, Tombstone>,
    by_key: BTreeMap<SessionKey, u64>,
    /// Oldest first. Who is forgotten is always its owner's oldest. Anonymous sessions share one owner and are bounded in all
    /// only, so they are not here.
    by_owner: BTreeMap<OwnerKey, VecDeque<u64>>,
    next: u64,
}

/// Tombstones copied between two chances for others.
const CHUNK: usize = 256;

impl Tombstones {
    pub(crate) fn new(most: usize, most_per_owner: usize) -> Self {
        Self { inner: Mutex::default(), most, most_per_owner }
    }

    /// Remembers an end; the first one told of a session stays.
    pub(crate) fn bury(&self, tombstone: Tombstone) {
        let mut inner = self.inner.lock();
        let stamp = inner.next;
        match inner.by_key.entry(tombstone.digest.key()) {
            Entry::Occupied(_) => return,
            Entry::Vacant(free) => free.insert(stamp),
        };
        inner.next += 1;
        inner.order.insert(stamp, tombstone);
        if tombstone.owner != OwnerKey::ANONYMOUS {
            let own = inner.by_owner.entry(tombstone.owner).or_default();
            own.push_back(stamp);
            if own.len() > self.most_per_owner {
                let oldest = own.front().copied();
                inner.forget(oldest);
            }
        }
        if inner.order.len() > self.most {
            let oldest = inner.order.first_key_value().map(|(stamp, _)| *stamp);
            inner.forget(oldest);
        }
    }

    pub(crate) fn find(&self, digest: &SessionDigest) -> Option<Tombstone> {
        let inner = self.inner.lock();
        let stamp = inner.by_key.get(&digest.key())?;
        inner.order.get(stamp).filter(|found| found.digest == *digest).copied()
    }

    /// A copy of all, oldest first, for files. What is buried meanwhile is in it as well.
    pub(crate) fn all(&self) -> Vec<Tombstone> {
        let mut all = Vec::new();
        let mut start = Bound::Unbounded;
        loop {
            let inner = self.inner.lock();
            let before = all.len();
            let mut last = None;
            for (stamp, tombstone) in inner.order.range((start, Bound::Unbounded)).take(CHUNK) {
                all.push(*tombstone);
                last = Some(*stamp);
            }
            drop(inner);
            match last {
                Some(last) if all.len() - before == CHUNK => start = Bound::Excluded(last),
                _ => return all,
            }
        }
    }

    /// Takes a remembered end back, for a bug that a proof plants.
    #[cfg(test)]
    pub(crate) fn unbury(&self, digest: &SessionDigest) {
        let mut inner = self.inner.lock();
        let Some(stamp) = inner.by_key.remove(&digest.key()) else { return };
        let tombstone = inner.order.remove(&stamp).unwrap();
        if let Some(own) = inner.by_owner.get_mut(&tombstone.owner) {
            own.retain(|own| *own != stamp);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.lock().order.len()
    }
}

impl Inner {
    fn forget(&mut self, stamp: Option<u64>) {
        let Some(tombstone) = stamp.and_then(|stamp| self.order.remove(&stamp)) else { return };
        self.by_key.remove(&tombstone.digest.key());
        if let Some(own) = self.by_owner.get_mut(&tombstone.owner) {
            own.pop_front();
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
