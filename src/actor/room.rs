//! Making room at a cap: what has expired goes first, whatever the policy; then, where eviction was chosen, who was used
//! the longest ago. Costs a look at who is first in line, not a walk.

use std::sync::Arc;

use super::capacity::{Need, Scope, Share};
use super::core::Core;
use super::end;
use super::line::Queued;
use super::order::By;
use super::owners::OwnerSlot;
use super::planted::Bug;
use super::reservation::Reservation;
use super::roster::place;
use super::slot::{Role, Slot};
use crate::config::AtCapacity;
use crate::error::{EndReason, Ended, Limit, LimitExceeded};
use crate::time::Timestamp;

/// So often an update that others took the room from makes it again.
pub(crate) const TRIES: usize = 16;

/// Sessions of an owner that are looked up between two chances for others.
const CHUNK: usize = 256;

/// Somebody who needs room.
struct Asker<'a> {
    owner: &'a OwnerSlot,
    need: Need,
    /// The session that grows, which is not evicted for itself.
    spared: Option<&'a Arc<Slot>>,
}

/// Makes room for a session that is in no table yet, if there is none, and reserves its owner's part of it until the
/// session is entered.
pub(crate) fn for_session<'a>(core: &Core, slot: &'a Slot) -> Result<Option<Reservation<'a>>, LimitExceeded> {
    let owner = &*slot.identity.owner;
    let asker = Asker { owner, need: Need::of(slot), spared: None };
    if Scope::both(owner).all(|scope| scope.exceeded(core, asker.need).is_none()) {
        return Ok(None);
    }
    // The owner's own first: what it frees is free for all.
    let mut reserved = if owner.is_anonymous() { None } else { Some(asker.reserve(core)?) };
    if core.planted(Bug::RoomNotHeld) {
        reserved = None;
        std::thread::yield_now();
    }
    asker.make_room(core, Scope::All)?;
    Ok(reserved)
}

/// Makes room for the bytes by which a session grows, which were refused.
pub(crate) fn for_growth(core: &Core, slot: &Arc<Slot>, bytes: u64, met: LimitExceeded) -> Result<(), LimitExceeded> {
    let owner = &*slot.identity.owner;
    let asker = Asker { owner, need: Need::growth(bytes), spared: Some(slot) };
    match met.limit {
        Limit::OwnerBytes => asker.make_room(core, Scope::Own(owner)),
        Limit::TotalBytes => asker.make_room(core, Scope::All),
        _ => Err(met),
    }
}

/// Takes a few places of ended sessions out of line.
pub(crate) fn tend(core: &Core, owner: &OwnerSlot) {
    for scope in Scope::both(owner) {
        let share = scope.share(core);
        share.order.shed(share.sessions());
        let Some(looked) = share.order.look(share.sessions()) else { continue };
        for (by, places) in looked {
            for (place, queued) in places.into_iter().flatten() {
                if core.registry.by_key(&queued.key).is_none() {
                    share.order.lock().forget(by, place, &queued);
                }
            }
        }
    }
}

/// Notes that a session's deadline may be nearer than it was: until then one in line only moves on.
pub(crate) fn may_expire(core: &Core, slot: &Slot) {
    for scope in Scope::both(&slot.identity.owner) {
        scope.share(core).order.lock().queue(slot, By::Deadline);
    }
    tend(core, &slot.identity.owner);
}

impl<'a> Asker<'a> {
    /// Makes room among the owner's own sessions and takes it.
    fn reserve(&self, core: &Core) -> Result<Reservation<'a>, LimitExceeded> {
        let mut room = self.owner.share.room.lock();
        loop {
            self.free(core, Scope::Own(self.owner))?;
            // Others may take what was freed, who found room without making any.
            match Reservation::take(core, self.owner, self.need, room) {
                Ok(reserved) => return Ok(reserved),
                Err(again) => room = again,
            }
        }
    }

    fn make_room(&self, core: &Core, scope: Scope<'_>) -> Result<(), LimitExceeded> {
        if scope.exceeded(core, self.need).is_none() {
            return Ok(());
        }
        let _room = scope.share(core).room.lock();
        self.free(core, scope)
    }

    /// With the lock on making room held.
    fn free(&self, core: &Core, scope: Scope<'_>) -> Result<(), LimitExceeded> {
        let mut aside = Vec::new();
        let freed = self.end_until_it_fits(core, scope, &mut aside);
        let order = &scope.share(core).order;
        aside.into_iter().for_each(|(by, queued)| order.lock().put_back(by, queued));
        freed
    }

    fn end_until_it_fits(
        &self,
        core: &Core,
        scope: Scope<'_>,
        aside: &mut Vec<(By, Queued)>,
    ) -> Result<(), LimitExceeded> {
        let evicts = core.config.at_capacity == AtCapacity::Evict;
        let share = scope.share(core);
        let now = core.clock.now();
        let due_by = if core.planted(Bug::ExpiredStay) { Timestamp::default() } else { now };
        while scope.exceeded(core, self.need).is_some() {
            share.order.ensure(evicts, |look| walk(core, scope, look));
            if self.end_first(core, share, By::Deadline, due_by, aside) {
                continue;
            }
            if evicts {
                // Nobody is evicted in vain. A bucket that grows is among what is kept already.
                let own = self.spared.filter(|slot| slot.identity.role == Role::Session);
                let own = own.map_or(0, |slot| slot.bytes());
                let never = Scope::both(self.owner).find_map(|scope| scope.never_fits(core, self.need, own));
                if let Some(limit) = never {
                    return Err(limit);
                }
                if self.end_first(core, share, By::LastUse, now, aside) {
                    continue;
                }
            }
            // Whether nobody is in line is decided where places are taken: one that counts is in line by then.
            let mut order = share.order.lock();
            let last = if evicts { By::LastUse } else { By::Deadline };
            if !order.waits(last, due_by) {
                return scope.exceeded(core, self.need).map_or(Ok(()), Err);
            }
        }
        Ok(())
    }

    /// Ends the first in line whose turn it truly is; false when there is none.
    fn end_first(&self, core: &Core, share: &Share, by: By, now: Timestamp, aside: &mut Vec<(By, Queued)>) -> bool {
        loop {
            let Some(queued) = share.order.lock().pop(by, now) else { return false };
            let Some(slot) = core.registry.by_key(&queued.key) else { continue };
            if self.spares(core, &slot) {
                aside.push((by, queued));
                continue;
            }
            // Decided under the slot's lock: a use until then saves it.
            let ended = end::end_if(core, &slot, |slot| match by {
                By::Deadline => slot.due(now),
                By::LastUse => {
                    let unused = slot.last_active() <= queued.at || core.planted(Bug::NoSecondLook);
                    let evicted = Ended { reason: EndReason::Evicted, at: now };
                    unused.then(|| slot.due(now).unwrap_or(evicted))
                }
            });
            if ended.is_some() {
                return true;
            }
            if slot.ended().is_none() {
                // Used since it was queued: back in line as it stands now.
                share.order.lock().queue(&slot, by);
            }
        }
    }

    fn spares(&self, core: &Core, slot: &Arc<Slot>) -> bool {
        self.spared.is_some_and(|spared| Arc::ptr_eq(spared, slot)) && !core.planted(Bug::EvictsTheGrowing)
    }
}

/// Shows every session of a scope.
fn walk(core: &Core, scope: Scope<'_>, look: &mut dyn FnMut(&Slot)) {
    match scope {
        Scope::All => core.registry.each(look),
        Scope::Own(owner) => {
            let bucket = owner.index.lock().bucket;
            bucket.and_then(|key| core.registry.by_key(&key)).iter().for_each(|slot| look(slot));
            let mut after = None;
            loop {
                let batch = owner.index.lock().sessions.after(after, CHUNK);
                let Some(last) = batch.last() else { return };
                after = Some(place(last));
                batch.iter().for_each(|slot| look(slot));
            }
        }
    }
}
