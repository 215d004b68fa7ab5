//! Id to slot: the table of all sessions.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher, RandomState};
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::slot::Slot;
use crate::id::{SessionDigest, SessionKey};

/// With this many shards a walk over a million sessions stalls no writer for longer than a thousandth of the walk.
const SHARDS: usize = 1_024;

/// All slots of one service. No guard of the map ever leaves this file.
pub(crate) struct Registry {
    slots: DashMap<Held, (), RandomState>,
}

/// A slot under the key that it holds itself: a pointer a session, where key and pointer would be three times as much.
struct Held(Arc<Slot>);

impl Held {
    fn key(&self) -> &[u8] {
        self.0.identity.digest.0.split_at(size_of::<SessionKey>()).0
    }
}

impl Borrow<[u8]> for Held {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { slots: DashMap::with_hasher_and_shard_amount(RandomState::new(), SHARDS) }
    }

    /// The slot of this very digest: equal keys of different digests do not meet.
    pub(crate) fn find(&self, digest: &SessionDigest) -> Option<Arc<Slot>> {
        self.by_key(&digest.key()).filter(|slot| slot.identity.digest == *digest)
    }

    pub(crate) fn by_key(&self, key: &SessionKey) -> Option<Arc<Slot>> {
        self.slots.get(key.0.as_slice()).map(|slot| Arc::clone(&slot.key().0))
    }

    /// Puts a slot in, unless its key is taken or `check` refuses; nobody sees it before `check` is done.
    ///
    /// `check` runs with the key held: what an end wrote down before it freed the key is seen by it. It must not block.
    pub(crate) fn insert<E>(&self, slot: Arc<Slot>, check: impl FnOnce(&Slot) -> Result<(), E>) -> Result<bool, E> {
        match self.slots.entry(Held(Arc::clone(&slot))) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(free) => {
                check(&slot)?;
                free.insert(());
                Ok(true)
            }
        }
    }

    /// Puts a slot in, whatever is there: what a bug that tests plant does.
    #[cfg(test)]
    pub(crate) fn overwrite(&self, slot: &Arc<Slot>) {
        self.slots.remove(slot.identity.digest.key().0.as_slice());
        self.slots.insert(Held(Arc::clone(slot)), ());
    }

    /// Takes this very slot out.
    pub(crate) fn remove(&self, slot: &Arc<Slot>) {
        self.slots.remove_if(slot.identity.digest.key().0.as_slice(), |held, ()| Arc::ptr_eq(&held.0, slot));
    }

    /// Slots that `keep` picks, in no order. One shard at a time is held, for `keep` alone, which must not block.
    pub(crate) fn collect(&self, keep: impl Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        self.slots.iter().filter(|slot| keep(&slot.key().0)).map(|slot| Arc::clone(&slot.key().0)).collect()
    }

    /// Shows every slot, in no order. One shard at a time is held, for `look` alone, which must not block.
    pub(crate) fn each(&self, look: &mut dyn FnMut(&Slot)) {
        self.slots.iter().for_each(|slot| look(&slot.key().0));
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}
