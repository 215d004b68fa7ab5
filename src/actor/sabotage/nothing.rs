//! No sabotage: the shape of the code that ships.

use std::sync::Arc;

use parking_lot::MutexGuard;

use super::Step;
use crate::actor::core::Core;
use crate::actor::mailbox::Permit;
use crate::actor::owners::{Index, OwnerSlot};
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::error::Revision;
use crate::state::{Committed, Draft};

impl Core {
    /// Whether a bug that shows now and then shows now.
    pub(crate) const fn sometimes(&self, _: Bug) -> bool {
        false
    }

    /// Panics, if a test wants it here.
    pub(crate) const fn fail_at(&self, _: Step) {}

    /// How many turns are run in a row.
    pub(crate) const fn budget(&self, own: usize) -> usize {
        own
    }

    /// Frees a place in the mailbox.
    pub(crate) fn give_back(&self, permit: Permit) {
        drop(permit);
    }

    /// What is read.
    pub(crate) fn stale(&self, _: Bug, committed: Arc<Committed>) -> Arc<Committed> {
        committed
    }

    /// Lets go of a revision that another one has replaced.
    pub(crate) fn superseded(&self, old: Arc<Committed>) {
        drop(old);
    }

    /// Whether a revision that nobody reads may be changed where it lies.
    pub(crate) const fn amends(&self) -> bool {
        true
    }

    /// What is done about a turn whose caller has left: nothing.
    pub(crate) const fn cancelled<F>(&self, _: &Arc<Slot>, _: &mut F) {}

    /// What is published before the whole is: nothing.
    pub(crate) const fn publish_half(&self, _: &Arc<Slot>, _: &Draft) {}

    /// What is published, under its number.
    pub(crate) fn renumber(&self, _: Revision, next: Committed) -> Committed {
        next
    }

    /// An owner's index, held from the look to the change.
    pub(crate) fn later<'a>(&self, _: &'a OwnerSlot, held: MutexGuard<'a, Index>) -> MutexGuard<'a, Index> {
        held
    }

    /// Puts a slot into the registry, as [`Registry::insert`](crate::actor::registry::Registry::insert) does.
    pub(crate) fn insert<E>(&self, slot: &Arc<Slot>, check: impl FnOnce(&Slot) -> Result<(), E>) -> Result<bool, E> {
        self.registry.insert(Arc::clone(slot), check)
    }

    /// What a snapshot holds of a session.
    pub(crate) fn read_twice(&self, _: &Arc<Slot>, committed: Arc<Committed>) -> Arc<Committed> {
        committed
    }
}
