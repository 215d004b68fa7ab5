//! What is taken of the caps, in all and by each owner. Making room is `room.rs`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::core::Core;
use super::order::Order;
use super::owners::OwnerSlot;
use super::planted::Bug;
use super::reservation::Reservation;
use super::slot::{Identity, Role, Slot};
use crate::config::Config;
use crate::error::{Limit, LimitExceeded};

/// What all sessions together, or those of one owner, have taken.
#[derive(Default)]
pub(crate) struct Share {
    sessions: AtomicU64,
    bytes: AtomicU64,
    /// The part of it that no eviction frees: buckets.
    kept_sessions: AtomicU64,
    kept_bytes: AtomicU64,
    pub(crate) order: Order,
    /// Held by whoever makes room; others at the cap wait for what it frees.
    pub(crate) room: Mutex<()>,
}

/// What somebody asks for: places and bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    sessions: u64,
    /// Buckets take no place of their owner's.
    own_sessions: u64,
    bytes: u64,
}

/// Whose share is meant.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// Everybody's.
    All,
    /// One owner's.
    Own(&'a OwnerSlot),
}

/// The shares of a service that are nobody's own.
#[derive(Default)]
pub(crate) struct Capacity {
    pub(crate) all: Share,
}

impl Need {
    /// What a session needs that is in no table yet.
    pub(crate) fn of(slot: &Slot) -> Self {
        Self { sessions: 1, own_sessions: u64::from(slot.identity.role == Role::Session), bytes: slot.bytes() }
    }

    /// What a session needs that grows.
    pub(crate) fn growth(bytes: u64) -> Self {
        Self { sessions: 0, own_sessions: 0, bytes }
    }
}

impl<'a> Scope<'a> {
    /// The scopes that hold for an owner; anonymous sessions are counted together with all alone.
    pub(crate) fn both(owner: &'a OwnerSlot) -> impl Iterator<Item = Self> {
        (!owner.is_anonymous()).then_some(Self::Own(owner)).into_iter().chain([Self::All])
    }

    pub(crate) fn share(self, core: &'a Core) -> &'a Share {
        match self {
            Self::All => &core.capacity.all,
            Self::Own(owner) => &owner.share,
        }
    }

    /// The cap that `need` would pass, if it passes one.
    pub(crate) fn exceeded(self, core: &Core, need: Need) -> Option<LimitExceeded> {
        let share = self.share(core);
        self.over(core, share.sessions.load(Relaxed), share.bytes.load(Relaxed), need)
    }

    /// The cap that `need` would pass though everybody were evicted but a session of `own` bytes.
    pub(crate) fn never_fits(self, core: &Core, need: Need, own: u64) -> Option<LimitExceeded> {
        let share = self.share(core);
        let bytes = share.kept_bytes.load(Relaxed).saturating_add(own);
        self.over(core, share.kept_sessions.load(Relaxed), bytes, need)?;
        self.exceeded(core, need)
    }

    fn over(self, core: &Core, sessions: u64, bytes: u64, need: Need) -> Option<LimitExceeded> {
        let (config, all) = (&core.config, matches!(self, Self::All));
        if !all && core.planted(Bug::IgnoresOwnerCap) {
            return None;
        }
        let places = if all { need.sessions } else { need.own_sessions };
        let sessions = if all {
            exceeds(sessions, places, config.max_sessions, Limit::Sessions)
        } else {
            exceeds(sessions, places, config.max_sessions_per_owner, Limit::SessionsPerOwner)
        };
        sessions.or_else(|| {
            let (cap, limit) = self.byte_cap(config);
            exceeds(bytes, need.bytes, cap, limit)
        })
    }

    fn byte_cap(self, config: &Config) -> (u64, Limit) {
        match self {
            Self::All => (config.max_total_bytes, Limit::TotalBytes),
            Self::Own(owner) if owner.is_anonymous() => (u64::MAX, Limit::OwnerBytes),
            Self::Own(_) => (config.max_owner_bytes, Limit::OwnerBytes),
        }
    }
}

impl Capacity {
    pub(crate) fn sessions(&self) -> u64 {
        self.all.sessions()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.all.bytes.load(Relaxed)
    }

    /// Takes what a session needs, with what is reserved for it, and puts it in line, or takes nothing. No other create does
    /// so meanwhile, so that a place that is taken, and not reserved, is in line, and none is taken for a moment only.
    pub(crate) fn enter(core: &Core, slot: &Slot, reserved: Option<&mut Reservation<'_>>) -> Result<(), LimitExceeded> {
        let (identity, need) = (&slot.identity, Need::of(slot));
        let own = &identity.owner.share;
        let mut own_order = (!identity.owner.is_anonymous()).then(|| own.order.lock());
        reserved.into_iter().for_each(Reservation::give_back);
        let mut order = core.capacity.all.order.lock();
        let exceeded = Scope::both(&identity.owner).find_map(|scope| scope.exceeded(core, need));
        if let Some(limit) = exceeded.filter(|_| !core.planted(Bug::ChecksThenTakes)) {
            return Err(limit);
        }
        // Bytes may still be refused: updates take them meanwhile. Places cannot.
        core.capacity.settle(core, identity, 0, need.bytes)?;
        core.capacity.take_place(identity);
        own_order.iter_mut().for_each(|order| order.enter(slot));
        order.enter(slot);
        Ok(())
    }

    /// Takes what a session that is to be created needs of its owner's caps; nothing where one of them would be passed.
    pub(super) fn reserve(core: &Core, owner: &OwnerSlot, need: Need) -> Result<(), LimitExceeded> {
        let _order = owner.share.order.lock();
        Scope::Own(owner).exceeded(core, need).map_or(Ok(()), Err)?;
        take_own_bytes(core, owner, need.bytes)?;
        owner.share.sessions.fetch_add(need.own_sessions, Relaxed);
        Ok(())
    }

    /// Gives back what was reserved.
    pub(super) fn unreserve(owner: &OwnerSlot, need: Need) {
        owner.share.sessions.fetch_sub(need.own_sessions, Relaxed);
        owner.share.bytes.fetch_sub(need.bytes, Relaxed);
    }

    fn take_place(&self, identity: &Identity) {
        self.all.sessions.fetch_add(1, Relaxed);
        match identity.role {
            Role::Session => identity.owner.share.sessions.fetch_add(1, Relaxed),
            Role::Bucket | Role::Global => self.all.kept_sessions.fetch_add(1, Relaxed),
        };
    }

    /// Counts a restored session, whatever the caps are now.
    pub(crate) fn count_restored(&self, slot: &Slot) {
        let (identity, bytes) = (&slot.identity, slot.bytes());
        self.take_place(identity);
        self.all.bytes.fetch_add(bytes, Relaxed);
        identity.owner.share.bytes.fetch_add(bytes, Relaxed);
        self.keep(identity, bytes);
    }

    /// Counts the event log of a restored session, whatever the caps are now.
    pub(crate) fn count_restored_events(&self, identity: &Identity, bytes: u64) {
        self.all.bytes.fetch_add(bytes, Relaxed);
        identity.owner.share.bytes.fetch_add(bytes, Relaxed);
        self.keep(identity, bytes);
    }

    /// Counts restored sessions of one owner, none of them a bucket, whatever the caps are now.
    pub(crate) fn count_many_restored(&self, owner: &OwnerSlot, sessions: u64, bytes: u64) {
        for share in [&self.all, &owner.share] {
            share.sessions.fetch_add(sessions, Relaxed);
            share.bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// Gives back what a session has taken that ends. Under the slot's lock: who finds it ended finds its place free.
    pub(crate) fn leave(&self, identity: &Identity, bytes: u64) {
        self.release(identity, bytes);
        match identity.role {
            Role::Session => identity.owner.share.sessions.fetch_sub(1, Relaxed),
            Role::Bucket | Role::Global => self.all.kept_sessions.fetch_sub(1, Relaxed),
        };
        self.all.sessions.fetch_sub(1, Relaxed);
    }

    /// Settles the bytes of a session that went from `before` to `after`; refuses growth past a cap.
    pub(crate) fn settle(
        &self,
        core: &Core,
        identity: &Identity,
        before: u64,
        after: u64,
    ) -> Result<(), LimitExceeded> {
        if after <= before {
            if after < before {
                self.release(identity, before.saturating_sub(after));
            }
            return Ok(());
        }
        let grown = after.saturating_sub(before);
        let (cap, limit) = Scope::All.byte_cap(&core.config);
        take_own_bytes(core, &identity.owner, grown)?;
        take(&self.all.bytes, grown, cap, limit).inspect_err(|_| {
            identity.owner.share.bytes.fetch_sub(grown, Relaxed);
        })?;
        self.keep(identity, grown);
        Ok(())
    }

    /// Takes back a settlement from `before` to `after`, whatever the caps are now.
    pub(crate) fn unsettle(&self, identity: &Identity, before: u64, after: u64) {
        let again = before.saturating_sub(after);
        if again > 0 {
            self.all.bytes.fetch_add(again, Relaxed);
            identity.owner.share.bytes.fetch_add(again, Relaxed);
            self.keep(identity, again);
        } else {
            self.release(identity, after - before);
        }
    }

    /// Gives back bytes of a session that shrank.
    pub(crate) fn release(&self, identity: &Identity, bytes: u64) {
        if identity.role != Role::Session {
            self.all.kept_bytes.fetch_sub(bytes, Relaxed);
            identity.owner.share.kept_bytes.fetch_sub(bytes, Relaxed);
        }
        self.all.bytes.fetch_sub(bytes, Relaxed);
        identity.owner.share.bytes.fetch_sub(bytes, Relaxed);
    }

    fn keep(&self, identity: &Identity, bytes: u64) {
        if identity.role != Role::Session {
            self.all.kept_bytes.fetch_add(bytes, Relaxed);
            identity.owner.share.kept_bytes.fetch_add(bytes, Relaxed);
        }
    }
}

impl Share {
    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

fn exceeds(now: u64, more: u64, allowed: u64, limit: Limit) -> Option<LimitExceeded> {
    let attempted = now.saturating_add(more);
    (more > 0 && attempted > allowed).then_some(LimitExceeded { limit, allowed, attempted })
}

fn take_own_bytes(core: &Core, owner: &OwnerSlot, more: u64) -> Result<(), LimitExceeded> {
    let scope = if core.planted(Bug::IgnoresOwnerCap) { Scope::All } else { Scope::Own(owner) };
    let (cap, limit) = scope.byte_cap(&core.config);
    take(&owner.share.bytes, more, cap, limit)
}

fn take(total: &AtomicU64, more: u64, allowed: u64, limit: Limit) -> Result<(), LimitExceeded> {
    let grow = |now: u64| exceeds(now, more, allowed, limit).is_none().then(|| now.saturating_add(more));
    match total.fetch_update(Relaxed, Relaxed, grow) {
        Ok(_) => Ok(()),
        Err(now) => Err(LimitExceeded { limit, allowed, attempted: now.saturating_add(more) }),
    }
}
