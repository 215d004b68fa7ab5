//! Id to slot: the table of all sessions.

use std::hash::BuildHasher;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::planted::{self, Order};
use super::slot::Slot;
use crate::id::{SessionDigest, SessionKey};

/// With this many shards a walk over a million sessions, or owners, stalls no writer for longer than a thousandth of the
/// walk.
pub(crate) const SHARDS: usize = 1_024;

/// All slots of one service. No guard of the map ever leaves this file.
pub(crate) struct Registry {
    slots: DashMap<SessionKey, Arc<Slot>, Order>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { slots: DashMap::with_hasher_and_shard_amount(planted::order(), SHARDS) }
    }

    /// The slot of this very digest: equal keys of different digests do not meet.
    pub(crate) fn find(&self, digest: &SessionDigest) -> Option<Arc<Slot>> {
        self.by_key(&digest.key()).filter(|slot| slot.identity.digest == *digest)
    }

    pub(crate) fn by_key(&self, key: &SessionKey) -> Option<Arc<Slot>> {
        self.slots.get(key).map(|slot| Arc::clone(slot.value()))
    }

    /// Puts a slot in, unless its key is taken or `check` refuses; nobody sees it before `check` is done.
    ///
    /// `check` runs with the key held: what an end wrote down before it freed the key is seen by it. It must not block.
    pub(crate) fn insert<E>(&self, slot: Arc<Slot>, check: impl FnOnce(&Slot) -> Result<(), E>) -> Result<bool, E> {
        match self.slots.entry(slot.identity.digest.key()) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(free) => {
                check(&slot)?;
                free.insert(slot);
                Ok(true)
            }
        }
    }

    /// Where in the table a key lies, below [`SHARDS`]: who puts many slots in goes from place to place and finds each in
    /// the processor's cache.
    pub(crate) fn place(&self, key: &SessionKey) -> usize {
        // As the map takes its shards from a hash; were it otherwise, only the cache would miss.
        let hash = self.slots.hasher().hash_one(key) << 7;
        (hash >> (u64::BITS - SHARDS.ilog2())) as usize
    }

    /// Puts a restored slot in under its own key; gives it back when that is taken.
    pub(crate) fn enter(&self, key: SessionKey, slot: Arc<Slot>) -> Result<(), Arc<Slot>> {
        match self.slots.entry(key) {
            Entry::Occupied(_) => Err(slot),
            Entry::Vacant(free) => {
                free.insert(slot);
                Ok(())
            }
        }
    }

    /// Puts a slot in, whatever is there: what a bug that tests plant does.
    #[cfg(test)]
    pub(crate) fn overwrite(&self, slot: &Arc<Slot>) {
        self.slots.insert(slot.identity.digest.key(), Arc::clone(slot));
    }

    /// Takes this very slot out.
    pub(crate) fn remove(&self, slot: &Arc<Slot>) {
        self.slots.remove_if(&slot.identity.digest.key(), |_, held| Arc::ptr_eq(held, slot));
    }

    /// Slots that `keep` picks, in no order. One shard at a time is held, for `keep` alone, which must not block.
    pub(crate) fn collect(&self, keep: impl Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        self.slots.iter().filter(|slot| keep(slot.value())).map(|slot| Arc::clone(slot.value())).collect()
    }

    /// Shows every slot, in no order. One shard at a time is held, for `look` alone, which must not block.
    pub(crate) fn each(&self, look: &mut dyn FnMut(&Slot)) {
        self.slots.iter().for_each(|slot| look(slot.value()));
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}
