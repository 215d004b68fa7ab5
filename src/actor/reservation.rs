//! What a session that is to be created takes of its owner's caps before there is room for it among all: nobody is evicted
//! from among all for a session that its own owner's caps would then keep out.

use parking_lot::MutexGuard;

use super::capacity::{Capacity, Need};
use super::core::Core;
use super::owners::OwnerSlot;

/// An owner's place and bytes, taken ahead; given back when dropped. Nobody else makes room for this owner meanwhile:
/// what is reserved is in no line yet, and who looked there would find nobody to evict.
pub(crate) struct Reservation<'a> {
    owner: &'a OwnerSlot,
    need: Need,
    /// Cleared when it was given back.
    held: bool,
    _room: MutexGuard<'a, ()>,
}

impl<'a> Reservation<'a> {
    /// Takes what is needed; where it is not there, `room` comes back to make more.
    pub(crate) fn take(
        core: &Core,
        owner: &'a OwnerSlot,
        need: Need,
        room: MutexGuard<'a, ()>,
    ) -> Result<Self, MutexGuard<'a, ()>> {
        match Capacity::reserve(core, owner, need) {
            Ok(()) => Ok(Self { owner, need, held: true, _room: room }),
            Err(_) => Err(room),
        }
    }

    /// Gives it back to whoever enters the session, which takes it anew in the same breath: others who make room for this
    /// owner go on waiting.
    pub(crate) fn give_back(&mut self) {
        if std::mem::take(&mut self.held) {
            Capacity::unreserve(self.owner, self.need);
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}
