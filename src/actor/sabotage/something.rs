//! Sabotage: what the planted bugs do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::Step;
use crate::actor::commit::commit;
use crate::actor::core::Core;
use crate::actor::mailbox::Permit;
use crate::actor::owners::{Index, OwnerSlot};
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::actor::turn::perform;
use crate::error::Revision;
use crate::state::{Committed, Draft};

/// What bugs and faults go by.
#[derive(Default)]
pub(crate) struct Sabotage {
    /// Where the draws start.
    pub(crate) draws: AtomicU64,
    /// A bug that shows now and then shows at one of so many places; 0 stands for 32.
    pub(crate) one_in: AtomicU64,
    /// A turn panics at one of so many places; 0 for never.
    pub(crate) fail_one_in: AtomicU64,
    /// How often it did, by step.
    pub(crate) failed: [AtomicU64; 5],
    /// So many turns are run in a row; 0 for the code's own budgets.
    pub(crate) budget: AtomicUsize,
    superseded: Mutex<Option<Arc<Committed>>>,
}

/// A number as good as random, by splitmix64.
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Sabotage {
    /// A number that nobody foresees, and that one thread's seed repeats.
    fn draw(&self, below: u64) -> u64 {
        mix(self.draws.fetch_add(1, Ordering::Relaxed)) % below
    }
}

impl Core {
    pub(crate) fn sometimes(&self, bug: Bug) -> bool {
        let sabotage = &self.planted.sabotage;
        let one_in = || Some(sabotage.one_in.load(Ordering::Relaxed)).filter(|one_in| *one_in > 0).unwrap_or(32);
        self.planted(bug) && sabotage.draw(one_in()) == 0
    }

    pub(crate) fn fail_at(&self, step: Step) {
        let sabotage = &self.planted.sabotage;
        let one_in = sabotage.fail_one_in.load(Ordering::Relaxed);
        if one_in > 0 && sabotage.draw(one_in) == 0 {
            sabotage.failed[step as usize].fetch_add(1, Ordering::Relaxed);
            panic!("planted at {step:?}");
        }
    }

    pub(crate) fn budget(&self, own: usize) -> usize {
        Some(self.planted.sabotage.budget.load(Ordering::Relaxed)).filter(|budget| *budget > 0).unwrap_or(own)
    }

    pub(crate) fn give_back(&self, permit: Permit) {
        if self.sometimes(Bug::PermitLeaked) { std::mem::forget(permit) } else { drop(permit) }
    }

    pub(crate) fn stale(&self, bug: Bug, committed: Arc<Committed>) -> Arc<Committed> {
        let old = self.sometimes(bug).then(|| self.planted.sabotage.superseded.lock().clone()).flatten();
        match old {
            // The number is right and what stands under it is not: an update is lost.
            Some(old) if bug == Bug::StaleBase => Arc::new(old.renumbered(committed.revision)),
            Some(old) => old,
            None => committed,
        }
    }

    pub(crate) fn superseded(&self, old: Arc<Committed>) {
        if self.planted(Bug::StaleBase) || self.planted(Bug::StaleRead) {
            *self.planted.sabotage.superseded.lock() = Some(old);
        }
    }

    /// Not where a bug is in what makes a whole revision.
    pub(crate) fn amends(&self) -> bool {
        let whole = [Bug::StaleBase, Bug::StaleRead, Bug::RevisionStands, Bug::CommitOverwritesEnd];
        !whole.into_iter().any(|bug| self.planted(bug))
    }

    pub(crate) fn cancelled<R, E, F>(self: &Arc<Self>, slot: &Arc<Slot>, run: &mut F)
    where
        F: FnMut(&mut Draft) -> Result<R, E>,
    {
        if self.planted(Bug::CancelledTwice) {
            let _ = perform(self, slot, None, run);
            let _ = perform(self, slot, None, run);
        }
        if self.planted(Bug::CancelledHalf) {
            let _ = perform(self, slot, None, &mut |draft: &mut Draft| {
                let result = run(draft);
                *draft = draft.half();
                result
            });
        }
    }

    pub(crate) fn publish_half(&self, slot: &Arc<Slot>, draft: &Draft) {
        if self.sometimes(Bug::PublishInTwoSteps)
            && let Ok(Some(half)) = draft.half().finish()
        {
            let _ = commit(self, slot, half);
            std::thread::yield_now();
        }
    }

    pub(crate) fn renumber(&self, current: Revision, next: Committed) -> Committed {
        if self.sometimes(Bug::RevisionStands) { next.renumbered(current) } else { next }
    }

    pub(crate) fn later<'a>(&self, owner: &'a OwnerSlot, held: MutexGuard<'a, Index>) -> MutexGuard<'a, Index> {
        if !self.planted(Bug::CheckThenInsert) {
            return held;
        }
        drop(held);
        std::thread::yield_now();
        owner.index.lock()
    }

    pub(crate) fn insert<E>(&self, slot: &Arc<Slot>, check: impl FnOnce(&Slot) -> Result<(), E>) -> Result<bool, E> {
        if !self.planted(Bug::CheckThenInsert) {
            return self.registry.insert(Arc::clone(slot), check);
        }
        // The look was long ago, before the owner's index was let go in between.
        check(slot)?;
        self.registry.overwrite(slot);
        Ok(true)
    }

    pub(crate) fn read_twice(&self, slot: &Arc<Slot>, committed: Arc<Committed>) -> Arc<Committed> {
        if !self.planted(Bug::EntriesReadTwice) {
            return committed;
        }
        std::thread::yield_now();
        let Some(again) = slot.peek() else { return committed };
        Arc::new(committed.mixed(&again))
    }
}
