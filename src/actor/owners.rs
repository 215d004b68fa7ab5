//! The owner table: what belongs to whom, so that listing, closing all and caps per owner are cheap and atomic.

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::Mutex;

use super::capacity::Share;
use super::registry::SHARDS;
use super::roster::{Roster, place};
use super::slot::{Role, Slot};
use crate::id::SessionKey;
use crate::principal::{OwnerKey, Principal};

/// One owner that has sessions.
pub(crate) struct OwnerSlot {
    pub(crate) key: OwnerKey,
    /// `None` for the owner of anonymous sessions and for the global one.
    pub(crate) principal: Option<Principal>,
    pub(crate) share: Share,
    pub(crate) index: Mutex<Index>,
}

/// An owner's sessions. Locked for look-ups and changes alone; a registry shard may be locked inside it, never outside.
#[derive(Default)]
pub(crate) struct Index {
    /// By creation, for listing; the bucket is not among them.
    pub(crate) sessions: Roster,
    pub(crate) names: BTreeMap<Box<str>, SessionKey>,
    pub(crate) bucket: Option<SessionKey>,
}

impl Index {
    pub(crate) fn add(&mut self, slot: &Arc<Slot>) {
        let key = slot.identity.digest.key();
        if slot.identity.role == Role::Session {
            self.sessions.insert(slot);
        } else {
            self.bucket = Some(key);
        }
        if let Some(name) = slot.identity.name() {
            self.names.insert(name.into(), key);
        }
    }

    /// Adds sessions without names: in order, each comes last.
    pub(crate) fn add_many(&mut self, mut sessions: Vec<Arc<Slot>>) {
        sessions.sort_unstable_by_key(|slot| place(slot));
        sessions.iter().for_each(|slot| self.sessions.insert(slot));
    }

    pub(crate) fn remove(&mut self, slot: &Slot) {
        let key = slot.identity.digest.key();
        self.sessions.remove(slot);
        if self.bucket == Some(key) {
            self.bucket = None;
        }
        if let Some(name) = slot.identity.name()
            && self.names.get(name) == Some(&key)
        {
            self.names.remove(name);
        }
    }

    fn is_empty(&self) -> bool {
        self.sessions.len() == 0 && self.bucket.is_none()
    }
}

/// All owners that have sessions.
pub(crate) struct Owners {
    slots: DashMap<OwnerKey, Arc<OwnerSlot>>,
    anonymous: Arc<OwnerSlot>,
}

impl Owners {
    pub(crate) fn new() -> Self {
        let slots = DashMap::with_hasher_and_shard_amount(RandomState::new(), SHARDS);
        Self { slots, anonymous: Arc::new(OwnerSlot::new(OwnerKey::ANONYMOUS, None)) }
    }

    /// The owner's slot, if it has sessions.
    pub(crate) fn find(&self, key: &OwnerKey) -> Option<Arc<OwnerSlot>> {
        self.slots.get(key).map(|slot| Arc::clone(slot.value()))
    }

    /// The owner's slot, made when it is missing.
    pub(crate) fn intern(&self, key: OwnerKey, principal: Option<&Principal>) -> Arc<OwnerSlot> {
        if key == OwnerKey::ANONYMOUS {
            return Arc::clone(&self.anonymous);
        }
        let slot = self.slots.entry(key).or_insert_with(|| Arc::new(OwnerSlot::new(key, principal.cloned())));
        Arc::clone(slot.value())
    }

    /// Lets go of an owner that may have no session: at once if this was the last to refer to it.
    pub(crate) fn let_go(&self, owner: Arc<OwnerSlot>) {
        let key = owner.key;
        // Before the look: of two that let go at a time, the second finds itself alone.
        drop(owner);
        self.slots.remove_if(&key, |_, slot| is_idle(slot));
    }

    /// Forgets owners that have no session and that nobody refers to.
    pub(crate) fn forget_idle(&self) {
        self.slots.retain(|_, slot| {
            slot.share.order.shed(slot.share.sessions());
            !is_idle(slot)
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

/// Sessions refer to their owner, and an owner to its sessions: one of the two has to let go first.
impl Drop for Owners {
    fn drop(&mut self) {
        // Turns still queued in them hold what callers captured: that is let go under no lock.
        let indexes: Vec<_> = self.slots.iter().map(|slot| std::mem::take(&mut *slot.index.lock())).collect();
        drop(indexes);
    }
}

/// Under the shard's lock: nobody can take a new reference then, so a count of one stays one.
fn is_idle(slot: &Arc<OwnerSlot>) -> bool {
    Arc::strong_count(slot) == 1 && slot.index.lock().is_empty()
}

impl OwnerSlot {
    fn new(key: OwnerKey, principal: Option<Principal>) -> Self {
        Self { key, principal, share: Share::default(), index: Mutex::default() }
    }

    /// Anonymous sessions are reached by id alone: nobody lists them, no cap counts them together.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.key == OwnerKey::ANONYMOUS
    }
}
