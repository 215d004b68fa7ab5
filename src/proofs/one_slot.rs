//! What is published in a slot stays in order and ends once: its own lock under a model checker.
//!
//! Readers, one who publishes, one who takes out what has expired and two who end the session meet in one slot; every look
//! and every change takes the slot's lock, and there the checker may let another one go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::hand::Hand;
use super::proving::{Verdict, caught, holds, quiet_panics};
use super::schedules;
use crate::actor::commit::{CommitError, commit};
use crate::actor::core::Core;
use crate::actor::end;
use crate::actor::explored::in_two_locks;
use crate::actor::lookup::access;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::error::{EndReason, Ended};
use crate::service::SessionService;
use crate::state::{Committed, Draft, Ttl};

const READERS: usize = 2;
const LOOKS: usize = 3;
const COMMITS: u64 = 3;

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// A change looks under one lock and writes under another.
    PublishInTwoLocks,
    PurgeInTwoLocks,
    EndInTwoLocks,
    /// What is published comes in two steps, under one number.
    PublishTorn,
    Other(Bug),
}

/// One exploration's slot, and what is known of it.
struct Scene {
    core: Arc<Core>,
    hand: Hand,
    slot: Arc<Slot>,
    planted: Planted,
    /// The last revision whose commit was answered.
    published: AtomicU64,
    ends: AtomicUsize,
}

impl Scene {
    fn change<R>(&self, bug: Planted, change: impl FnOnce() -> R) -> R {
        if self.planted == bug { in_two_locks(change) } else { change() }
    }

    fn look(&self) -> Result<Arc<Committed>, Ended> {
        access(&self.core, &self.slot, false).map(|(committed, _)| committed)
    }

    /// Publishes the next revision: its number under two keys, and an entry that expires at once.
    fn publish(&self) -> Result<(), Ended> {
        let (base, now) = access(&self.core, &self.slot, true)?;
        let number = base.revision.get() + 1;
        let mut draft = Draft::stage(base, now, self.core.limits(self.slot.identity.role));
        for key in ["a", "b"] {
            draft.set(key, &number).unwrap();
        }
        draft.set_with(&format!("gone {number}"), &number, Ttl::Absolute(Duration::from_micros(1))).unwrap();
        if self.planted == Planted::PublishTorn {
            let half = draft.half().finish().unwrap().unwrap();
            let _ = commit(&self.core, &self.slot, half);
        }
        let next = draft.finish().unwrap().unwrap();
        match self.change(Planted::PublishInTwoLocks, || commit(&self.core, &self.slot, next)) {
            Ok(()) => {}
            Err(CommitError::Ended(ended)) => return Err(ended),
            Err(CommitError::LimitExceeded(limit)) => panic!("{limit}"),
        }
        self.published.store(number, Ordering::SeqCst);
        self.hand.advance(Duration::from_secs(1));
        let found = self.look()?.revision.get();
        assert_eq!(found, number, "the revision after a commit that was answered");
        Ok(())
    }

    /// As a sweep does.
    fn purge(&self) {
        let Some(base) = self.slot.peek() else { return };
        let Some(purged) = base.purged(self.core.clock.now()) else { return };
        let freed = self.change(Planted::PurgeInTwoLocks, || self.slot.purge(&base, Arc::new(purged)));
        self.core.capacity.release(&self.slot.identity, freed.unwrap_or_default());
    }

    fn end(&self) {
        let asked = Ended { reason: EndReason::Closed, at: self.core.clock.now() };
        let ended = self.change(Planted::EndInTwoLocks, || end::end(&self.core, &self.slot, asked));
        self.ends.fetch_add(usize::from(ended.is_some()), Ordering::SeqCst);
        assert!(self.slot.ended().is_some() && self.look().is_err(), "alive after its end");
    }

    /// Reads again and again: whole revisions, in order, then the end.
    fn read(&self) {
        let (mut last, mut ended) = (0, None);
        for _ in 0..LOOKS {
            let answered = self.published.load(Ordering::SeqCst);
            match self.look() {
                Ok(committed) => {
                    whole(&committed);
                    let revision = committed.revision.get();
                    assert_eq!(ended, None, "read after the end");
                    assert!(
                        revision >= last.max(answered),
                        "revision {revision} after {last}, {answered} was answered"
                    );
                    last = revision;
                }
                Err(now) => assert_eq!(*ended.get_or_insert(now), now, "two ends"),
            }
        }
    }
}

/// The number of a revision is in both of its keys.
fn whole(committed: &Committed) {
    let revision = committed.revision.get();
    for key in ["a", "b"] {
        let value: u64 = committed.entries.get(key).map_or(0, |entry| entry.value.parse().unwrap());
        assert_eq!(value, revision, "{key} at a revision");
    }
}

fn meet(core: &Arc<Core>, hand: &Hand, planted: Planted) {
    let slot = schedules::slot(core);
    let (core, hand, ends) = (Arc::clone(core), hand.clone(), AtomicUsize::new(0));
    let scene = Arc::new(Scene { core, hand, slot, planted, published: AtomicU64::new(0), ends });
    // Where nobody ends it all commits have to be there.
    let enders = [0, 1, 2][thread_rng().gen_range(0..3)];
    let mut threads = Vec::new();
    let mut start = |run: fn(&Scene)| {
        let scene = Arc::clone(&scene);
        threads.push(thread::spawn(move || run(&scene)));
    };
    start(|scene| while scene.published.load(Ordering::SeqCst) < COMMITS && scene.publish().is_ok() {});
    (0..READERS).for_each(|_| start(Scene::read));
    start(|scene| (0..COMMITS).for_each(|_| scene.purge()));
    (0..enders).for_each(|_| start(Scene::end));
    threads.into_iter().for_each(|thread| thread.join().unwrap());

    let Scene { core, slot, published, ends, .. } = &*scene;
    assert_eq!(ends.load(Ordering::SeqCst), enders.min(1), "ends that were told");
    if enders > 0 {
        assert!(slot.peek().is_none(), "alive after its end");
    } else {
        let (committed, now) = (slot.peek().unwrap(), core.clock.now());
        whole(&committed);
        assert_eq!((committed.revision.get(), published.load(Ordering::SeqCst)), (COMMITS, COMMITS), "commits");
        assert_eq!(core.capacity.bytes(), committed.bytes, "bytes that are counted");
        assert_eq!(slot.may_purge(now), committed.quiet_until() <= now, "whether an entry may have expired");
        end::end(core, slot, Ended { reason: EndReason::Closed, at: now });
    }
    assert_eq!((core.capacity.sessions(), core.capacity.bytes()), (0, 0), "sessions and bytes that are counted still");
}

fn explored(seed: u64, planted: Planted, schedules: usize) -> Verdict {
    quiet_panics();
    let hand = Hand::new();
    let builder = SessionService::builder().clock(hand.clock()).idle_timeout(None).max_lifetime(None);
    let bugs = if let Planted::Other(bug) = planted { vec![bug] } else { Vec::new() };
    let (_runtime, service) = schedules::still(builder, &bugs);
    let core = Arc::clone(service.core());
    let scene = move || meet(&core, &hand, planted);
    let explored = schedules::explore(seed, schedules, planted != Planted::Nothing, scene)?;
    Ok(format!("{explored} schedules of {READERS} readers, {COMMITS} commits, a sweep and at most two ends"))
}

#[test]
fn what_is_published_in_a_slot_stays_in_order_and_ends_once() {
    holds(|seed| explored(seed, Planted::Nothing, 20_000));
}

#[test]
fn changes_in_two_locks_and_torn_ones_are_caught() {
    use Planted::{EndInTwoLocks, Other, PublishInTwoLocks, PublishTorn, PurgeInTwoLocks};
    let planted = [PublishInTwoLocks, PurgeInTwoLocks, EndInTwoLocks, PublishTorn, Other(Bug::CommitOverwritesEnd)];
    for planted in planted {
        println!("{planted:?}");
        caught(1, |seed| explored(seed, planted, 10_000));
    }
}
