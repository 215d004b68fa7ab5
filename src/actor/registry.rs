//! Id to slot: the table of all sessions.

use std::sync::Arc;

use super::shards::{Keyed, Shards};
use super::slot::Slot;
use crate::id::{SessionDigest, SessionKey};

/// All slots of one service.
pub(crate) struct Registry {
    slots: Shards<Slot>,
}

impl Keyed for Slot {
    type Key = SessionKey;

    fn key(&self) -> SessionKey {
        self.identity.digest.key()
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { slots: Shards::new() }
    }

    /// The slot of this very digest: equal keys of different digests do not meet.
    pub(crate) fn find(&self, digest: &SessionDigest) -> Option<Arc<Slot>> {
        self.by_key(&digest.key()).filter(|slot| slot.identity.digest == *digest)
    }

    pub(crate) fn by_key(&self, key: &SessionKey) -> Option<Arc<Slot>> {
        self.slots.find(key)
    }

    /// Puts a slot in, unless its key is taken or `check` refuses; nobody sees it before `check` is done.
    ///
    /// `check` runs with the key held: what an end wrote down before it freed the key is seen by it. It must not block.
    pub(crate) fn insert<E>(&self, slot: Arc<Slot>, check: impl FnOnce(&Slot) -> Result<(), E>) -> Result<bool, E> {
        self.slots.insert(slot, check)
    }

    /// Puts a slot in, whatever is there: what a bug that tests plant does.
    #[cfg(test)]
    pub(crate) fn overwrite(&self, slot: &Arc<Slot>) {
        self.slots.remove_if(&slot.key(), |_| true);
        let _ = self.slots.insert(Arc::clone(slot), |_| Ok::<_, std::convert::Infallible>(()));
    }

    /// Takes this very slot out.
    pub(crate) fn remove(&self, slot: &Arc<Slot>) {
        self.slots.remove_if(&slot.key(), |held| Arc::ptr_eq(held, slot));
    }

    /// Slots that `keep` picks, in no order. One shard at a time is held, for `keep` alone, which must not block.
    pub(crate) fn collect(&self, keep: impl Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        let mut kept = Vec::new();
        self.slots.each(|slot| {
            if keep(slot) {
                kept.push(Arc::clone(slot));
            }
        });
        kept
    }

    /// Shows every slot, in no order. One shard at a time is held, for `look` alone, which must not block.
    pub(crate) fn each(&self, look: &mut dyn FnMut(&Slot)) {
        self.slots.each(|slot| look(slot));
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}
