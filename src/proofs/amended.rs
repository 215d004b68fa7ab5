//! A revision that nobody reads is amended where it lies, and nobody sees that: under a model checker.
//!
//! One who commits, readers who keep what they have read and one who may end the session meet in one slot. A reader that
//! keeps a revision makes the next commit one of a new revision; both ways have to be taken for the proof to count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::hand::Hand;
use super::proving::{Verdict, caught, holds, quiet_panics};
use super::schedules;
use crate::actor::commit::{amend, commit};
use crate::actor::core::Core;
use crate::actor::end;
use crate::actor::lookup::access;
use crate::actor::slot::Slot;
use crate::error::{EndReason, Ended};
use crate::service::SessionService;
use crate::state::{Committed, Draft};

const COMMITS: u64 = 4;
const LOOKS: usize = 3;

/// What all schedules of one exploration did.
#[derive(Default)]
struct Tally {
    amended: AtomicU64,
    whole: AtomicU64,
}

struct Scene {
    core: Arc<Core>,
    slot: Arc<Slot>,
    /// Whether a commit is planted to come in two steps.
    torn: bool,
    published: AtomicU64,
    tally: Arc<Tally>,
}

impl Scene {
    fn look(&self) -> Result<Arc<Committed>, Ended> {
        access(&self.core, &self.slot, false).map(|(committed, _)| committed)
    }

    /// Commits the next revision, with `number` under its key.
    fn commit(&self, number: impl Fn(u64) -> u64) -> Result<u64, Ended> {
        let (base, now) = access(&self.core, &self.slot, true)?;
        let revision = base.revision.get() + 1;
        let mut draft = Draft::stage(base, now, self.core.limits(self.slot.identity.role));
        draft.set("a", &spelled(number(revision))).unwrap();
        match amend(&self.core, &self.slot, draft) {
            Ok(_) => self.tally.amended.fetch_add(1, Ordering::Relaxed),
            Err(draft) => {
                let next = draft.finish().unwrap().unwrap();
                assert_eq!(next.revision.get(), revision, "the revision of a draft that was handed back");
                if commit(&self.core, &self.slot, next).is_err() {
                    return Err(self.slot.ended().unwrap());
                }
                self.tally.whole.fetch_add(1, Ordering::Relaxed)
            }
        };
        Ok(revision)
    }

    fn publish(&self) -> Result<(), Ended> {
        if self.torn {
            self.commit(|revision| revision + 1)?;
        }
        let revision = self.commit(|revision| revision)?;
        self.published.store(revision, Ordering::SeqCst);
        Ok(())
    }

    /// Reads again and again, now and then with the last revision still in hand: it stays what it was.
    fn read(&self) {
        let (mut last, mut held): (u64, Option<(u64, Arc<Committed>)>) = (0, None);
        for _ in 0..LOOKS {
            let answered = self.published.load(Ordering::SeqCst);
            let Ok(committed) = self.look() else { break };
            let revision = whole(&committed);
            assert!(revision >= last.max(answered), "revision {revision} after {last}, {answered} was answered");
            if let Some((revision, held)) = &held {
                assert_eq!(whole(held), *revision, "a revision that is being read");
            }
            last = revision;
            held = thread_rng().gen_bool(0.5).then_some((revision, committed));
        }
    }
}

/// A number as text that is always as long.
fn spelled(number: u64) -> String {
    format!("{number:04}")
}

/// The revision, which is under its key too.
fn whole(committed: &Committed) -> u64 {
    let entry = committed.entries.get("a").unwrap();
    let revision = committed.revision.get();
    assert_eq!(entry.value, format!("\"{}\"", spelled(revision)), "the value at revision {revision}");
    assert_eq!(entry.revision, committed.revision, "the revision of the entry");
    assert_eq!(committed.bytes, committed.entries.payload_bytes(), "the bytes at revision {revision}");
    revision
}

fn meet(core: &Arc<Core>, torn: bool, tally: &Arc<Tally>) {
    let slot = schedules::slot(core);
    // The entry of the lowest revision is another one: that one is never amended.
    let (base, now) = access(core, &slot, true).unwrap();
    let mut draft = Draft::stage(base, now, core.limits(slot.identity.role));
    draft.set("z", &0).unwrap();
    assert!(commit(core, &slot, draft.finish().unwrap().unwrap()).is_ok());
    let published = AtomicU64::new(0);
    let scene = Arc::new(Scene { core: Arc::clone(core), slot, torn, published, tally: Arc::clone(tally) });
    scene.commit(|revision| revision).unwrap();
    let ends = thread_rng().gen_bool(0.3);
    let mut threads = Vec::new();
    let mut start = |run: fn(&Scene)| {
        let scene = Arc::clone(&scene);
        threads.push(thread::spawn(move || run(&scene)));
    };
    start(|scene| while scene.published.load(Ordering::SeqCst) < 2 + COMMITS && scene.publish().is_ok() {});
    (0..2).for_each(|_| start(Scene::read));
    if ends {
        start(|scene| {
            let closed = Ended { reason: EndReason::Closed, at: scene.core.clock.now() };
            assert!(
                end::end(&scene.core, &scene.slot, closed).is_some() && scene.look().is_err(),
                "alive after its end"
            );
        });
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    if ends {
        assert!(scene.slot.peek().is_none(), "alive after its end");
    } else {
        assert!(whole(&scene.slot.peek().unwrap()) >= 2 + COMMITS, "commits");
        end::end(core, &scene.slot, Ended { reason: EndReason::Closed, at: core.clock.now() });
    }
    assert_eq!((core.capacity.sessions(), core.capacity.bytes()), (0, 0), "sessions and bytes that are counted still");
}

fn explored(seed: u64, torn: bool, schedules: usize) -> Verdict {
    quiet_panics();
    let builder = SessionService::builder().clock(Hand::new().clock()).idle_timeout(None).max_lifetime(None);
    let (_runtime, service) = schedules::still(builder, &[]);
    let (core, tally) = (Arc::clone(service.core()), Arc::<Tally>::default());
    let scene = {
        let tally = Arc::clone(&tally);
        move || meet(&core, torn, &tally)
    };
    let explored = schedules::explore(seed, schedules, torn, scene)?;
    let (amended, whole) = (tally.amended.load(Ordering::Relaxed), tally.whole.load(Ordering::Relaxed));
    assert!(amended > explored as u64 && whole > explored as u64, "{amended} amended, {whole} committed whole");
    Ok(format!("{explored} schedules: {amended} commits amended a revision, {whole} made one"))
}

#[test]
fn nobody_sees_a_revision_that_is_amended() {
    holds(|seed| explored(seed, false, 10_000));
}

#[test]
fn an_amendment_in_two_steps_is_caught() {
    caught(1, |seed| explored(seed, true, 10_000));
}
