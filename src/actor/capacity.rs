//! Caps on what all sessions take together, and who makes room at the cap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::core::Core;
use super::end;
use super::owners::OwnerSlot;
use super::slot::{Role, Slot};
use crate::config::{AtCapacity, Config};
use crate::error::{EndReason, Ended, Limit, LimitExceeded};
use crate::id::SessionKey;
use crate::time::Timestamp;

/// Sessions by their stamps, the oldest first out.
type Recency = BinaryHeap<Reverse<(Timestamp, SessionKey)>>;

/// Totals of one service.
pub(crate) struct Capacity {
    sessions: AtomicU64,
    bytes: AtomicU64,
    /// Who was used least recently: stamps as of queueing, put right when they are looked at.
    recency: Option<Mutex<Recency>>,
    /// Before this time no session expires: at the cap nobody walks over all of them in vain.
    quiet_until: AtomicU64,
    /// Held by whoever walks; others at the cap wait for what it frees.
    walking: Mutex<()>,
}

/// A reserved place for one session; given back unless kept.
pub(crate) struct Place<'a>(Option<&'a Capacity>);

impl Capacity {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            sessions: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            recency: (config.at_capacity == AtCapacity::Evict).then(Mutex::default),
            quiet_until: AtomicU64::new(0),
            walking: Mutex::default(),
        }
    }

    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Reserves a place for one session, making room where that policy was chosen.
    pub(crate) fn place(core: &Arc<Core>, now: Timestamp) -> Result<Place<'_>, LimitExceeded> {
        loop {
            match reserve(&core.capacity.sessions, 1, core.config.max_sessions, Limit::Sessions) {
                Ok(()) => return Ok(Place(Some(&core.capacity))),
                Err(limit) => {
                    // An expired session holds no place, whatever the policy and whether or not it was swept.
                    if !core.capacity.expire_some(core, now) && !core.capacity.evict_one(core, now) {
                        return Err(limit);
                    }
                }
            }
        }
    }

    /// Counts a restored session, whatever the caps are now.
    pub(crate) fn count_restored(&self, slot: &Slot) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.queue(slot);
    }

    /// Notes that a session may end by its deadline at `at`, earlier than was known.
    pub(crate) fn may_expire(&self, at: Timestamp) {
        self.quiet_until.fetch_min(at.as_micros(), Ordering::Relaxed);
    }

    /// Ends the sessions whose deadline has passed; whether there were any.
    fn expire_some(&self, core: &Core, now: Timestamp) -> bool {
        let _walking = self.walking.lock();
        if self.sessions() < core.config.max_sessions {
            return true;
        }
        if self.quiet_until.load(Ordering::Relaxed) > now.as_micros() {
            return false;
        }
        // Taken before the walk, so that what is noted during it stands.
        self.quiet_until.store(u64::MAX, Ordering::Relaxed);
        let mut freed = false;
        for slot in core.registry.collect(|slot| {
            // The deadline is a use old at worst: uses move it on alone.
            let deadline = slot.deadline().map(|(at, _)| at);
            deadline.filter(|at| *at > now).into_iter().for_each(|at| self.may_expire(at));
            deadline.is_some_and(|at| at <= now)
        }) {
            freed |= end::end_if(core, &slot, |slot| slot.due(now)).is_some();
        }
        freed
    }

    /// Enters a session into the order of eviction; buckets never are.
    pub(crate) fn queue(&self, slot: &Slot) {
        if let Some((at, _)) = slot.deadline() {
            self.may_expire(at);
        }
        if let Some(recency) = &self.recency
            && slot.identity.role == Role::Session
        {
            recency.lock().push(Reverse((slot.last_active(), slot.identity.digest.key())));
        }
    }

    /// Frees the place of an ended session.
    pub(crate) fn leave(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends the least recently used session; false when there is none to end, or when nobody chose eviction.
    fn evict_one(&self, core: &Arc<Core>, now: Timestamp) -> bool {
        let Some(recency) = &self.recency else { return false };
        loop {
            let Some(Reverse((stamp, key))) = recency.lock().pop() else { return false };
            let Some(slot) = core.registry.by_key(&key) else { continue };
            let last_active = slot.last_active();
            if last_active > stamp {
                // Used since it was queued: back in line under its true stamp.
                recency.lock().push(Reverse((last_active, key)));
                continue;
            }
            if end::end(core, &slot, Ended { reason: EndReason::Evicted, at: now }).is_some() {
                return true;
            }
        }
    }

    /// Lets go of stale places in the order of eviction, so that it stays as long as the registry.
    pub(crate) fn tidy(&self, core: &Core) {
        if let Some(recency) = &self.recency {
            let mut recency = recency.lock();
            if recency.len() as u64 > self.sessions().saturating_mul(2).max(1_024) {
                recency.retain(|Reverse((_, key))| core.registry.by_key(key).is_some());
            }
        }
    }

    /// Settles the bytes of a session that went from `before` to `after`; refuses growth past a cap.
    pub(crate) fn settle(
        &self,
        config: &Config,
        owner: &OwnerSlot,
        before: u64,
        after: u64,
    ) -> Result<(), LimitExceeded> {
        if before == after {
            return Ok(());
        }
        if let Some(freed) = before.checked_sub(after) {
            self.release(owner, freed);
            return Ok(());
        }
        let grown = after.saturating_sub(before);
        reserve(&self.bytes, grown, config.max_total_bytes, Limit::TotalBytes)?;
        let owner_cap = if owner.is_anonymous() { u64::MAX } else { config.max_owner_bytes };
        reserve(&owner.bytes, grown, owner_cap, Limit::OwnerBytes).inspect_err(|_| {
            self.bytes.fetch_sub(grown, Ordering::Relaxed);
        })
    }

    /// Counts the bytes of a restored session, whatever the caps are now.
    pub(crate) fn count_bytes(&self, owner: &OwnerSlot, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        owner.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn release(&self, owner: &OwnerSlot, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        owner.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Place<'_> {
    /// The session exists: its place stays taken until it ends.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(capacity) = self.0 {
            capacity.leave();
        }
    }
}

fn reserve(total: &AtomicU64, more: u64, cap: u64, limit: Limit) -> Result<(), LimitExceeded> {
    let grow = |now: u64| now.checked_add(more).filter(|after| *after <= cap || more == 0);
    match total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow) {
        Ok(_) => Ok(()),
        Err(now) => Err(LimitExceeded { limit, allowed: cap, attempted: now.saturating_add(more) }),
    }
}
