//! A panic harms one turn: wherever in it, every other turn is exact, and nothing stays taken.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::proving::{Verdict, caught, holds, quiet_panics, service};
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::sabotage::{Step, mix};
use crate::actor::turn::Updated;
use crate::error::UpdateError;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;
use crate::state::Draft;

const TASKS: u64 = 16;
const SESSIONS: u64 = 2;
const PLACES: usize = 12;
const IN_CLOSURE: &str = "planted in the closure";

/// How often what panicked, and what the turns came to.
#[derive(Default)]
struct Counts {
    closures: AtomicU64,
    drops: AtomicU64,
    wakers: AtomicU64,
    told: AtomicU64,
    /// Turns whose caller got no answer, and that were done, or not.
    unknown: [AtomicU64; 2],
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Panics when it is dropped; not in the midst of another panic, which would end the process.
struct Bomb(Option<Arc<Counts>>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(counts) = self.0.take().filter(|_| !std::thread::panicking()) {
            count(&counts.drops);
            panic!("planted in the drop of the closure");
        }
    }
}

/// Wakes, and panics then.
struct Alarm(Waker, Arc<Counts>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        if !std::thread::panicking() {
            count(&self.1.wakers);
            panic!("planted in the caller's waker");
        }
    }
}

/// What a future gives, or its panic; woken by a waker that panics, if asked.
async fn outcome<F: Future>(future: F, alarm: Option<Arc<Counts>>) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = Box::pin(future);
    let polled = std::future::poll_fn(|context| {
        let alarm = alarm.clone().map(|counts| Waker::from(Arc::new(Alarm(context.waker().clone(), counts))));
        let mut context = Context::from_waker(alarm.as_ref().unwrap_or(context.waker()));
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    let result = polled.await;
    // Its remains are let go with their panics.
    let rest = catch_unwind(AssertUnwindSafe(|| drop(future)));
    result.and_then(|output| rest.map(|()| output))
}

/// One of several that update one session; each turn leaves its number under the task's own key.
struct Task {
    session: Session,
    name: String,
    seed: u64,
    counts: Arc<Counts>,
}

type Count = Result<Updated<i64>, UpdateError<()>>;

impl Task {
    async fn run(mut self, turns: u64) -> Result<(), String> {
        let mut last = 0;
        for number in 1..=turns {
            let planned = self.plan();
            let outcome = self.turn(number, planned).await;
            let done = self.session.get::<u64>(&self.name).unwrap().unwrap_or_default();
            let applied = done == number;
            if !applied && done != last {
                return Err(format!("{} is at {done}, neither {number} nor {last}", self.name));
            }
            last = done;
            self.judge(outcome, planned, applied).map_err(|error| format!("{} {number}: {error}", self.name))?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn plan(&mut self) -> u64 {
        self.seed = mix(self.seed);
        self.seed % 24
    }

    /// One turn: with a panic in the closure, in the closure's drop, in the waker, or as it comes.
    async fn turn(&self, number: u64, planned: u64) -> Result<Count, Box<dyn Any + Send>> {
        let bomb = Bomb((planned == 1).then(|| Arc::clone(&self.counts)));
        let (name, counts) = (self.name.clone(), Arc::clone(&self.counts));
        let update = move |draft: &mut Draft| {
            let _held = &bomb;
            draft.set(&name, &number).unwrap();
            if planned == 0 {
                count(&counts.closures);
                panic!("{IN_CLOSURE}");
            }
            if number.is_multiple_of(8) {
                std::thread::yield_now();
            }
            Ok(draft.increment("count", 1).unwrap())
        };
        // In line for a place the waker is not the mailbox's business but the semaphore's.
        if planned != 2 {
            return outcome(self.session.update(update), None).await;
        }
        outcome(self.session.try_update(update), Some(Arc::clone(&self.counts))).await
    }

    fn judge(&self, outcome: Result<Count, Box<dyn Any + Send>>, planned: u64, applied: bool) -> Result<(), String> {
        match outcome {
            Ok(Ok(told)) => {
                count(&self.counts.told);
                // Every turn that is done counts one and is one revision.
                if told.value as u64 != told.revision.get() || !told.changed || !applied {
                    return Err(format!("told {told:?}, applied: {applied}"));
                }
            }
            Ok(Err(UpdateError::Panicked { message })) => {
                if message != IN_CLOSURE || planned != 0 || applied {
                    return Err(format!("told of a panic {message:?}, applied: {applied}"));
                }
            }
            Ok(Err(UpdateError::Unavailable)) => count(&self.counts.unknown[usize::from(applied)]),
            Ok(Err(UpdateError::Overloaded { .. })) if planned == 2 && !applied => {}
            Ok(Err(other)) => return Err(format!("{other:?}")),
            Err(panic) if panic.downcast_ref::<&str>().is_some_and(|text| *text == IN_CLOSURE) => {
                return Err("the closure's panic reached its caller".to_owned());
            }
            Err(panic) if panic.downcast_ref::<String>().is_some_and(|text| *text == IN_CLOSURE) => {
                return Err("the closure's panic reached its caller".to_owned());
            }
            Err(_) => count(&self.counts.unknown[usize::from(applied)]),
        }
        Ok(())
    }
}

/// So many turns at once, about one in six with a panic somewhere.
fn panics(seed: u64, bugs: &[Bug], turns: u64) -> Verdict {
    quiet_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let service = service(SessionService::builder().mailbox_turns(PLACES), bugs).await;
        let sabotage = &service.core().planted.sabotage;
        sabotage.draws.store(mix(seed), Ordering::Relaxed);
        sabotage.fail_one_in.store(40, Ordering::Relaxed);
        // Few leaks, so that places are left.
        sabotage.one_in.store(turns / 4, Ordering::Relaxed);
        // Actors get their share.
        sabotage.budget.store(1, Ordering::Relaxed);
        let owner = service.owner(&Principal::new("i", "s"));
        let (counts, mut sessions) = (Arc::new(Counts::default()), Vec::new());
        for _ in 0..SESSIONS {
            sessions.push(owner.create(NewSession::default()).await.unwrap());
        }
        let tasks = (0..TASKS).map(|number| {
            let session = sessions[(number % SESSIONS) as usize].clone();
            let (name, seed) = (format!("task-{number}"), mix(seed ^ mix(number)));
            tokio::spawn(Task { session, name, seed, counts: Arc::clone(&counts) }.run(turns / TASKS))
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        sabotage.fail_one_in.store(0, Ordering::Relaxed);
        // Whoever hands something back may be at it still; one more turn comes after it all.
        let mut revisions = 0;
        for session in &sessions {
            let last = session.update(|draft| draft.increment("count", 1)).await.map_err(|error| error.to_string())?;
            if last.value as u64 != last.revision.get() {
                return Err(format!("{} turns were done in {} revisions", last.value, last.revision));
            }
            revisions += last.revision.get();
        }
        service.core().in_flight.settled().await;
        for session in &sessions {
            let free = session.slot().mailbox.free(PLACES);
            if free != PLACES {
                return Err(format!("{free} of {PLACES} places are free"));
            }
        }
        let steps = [Step::Stage, Step::Finish, Step::Publish, Step::Reply, Step::Handle];
        let mut failed: Vec<_> = steps
            .iter()
            .map(|step| (format!("{step:?}"), sabotage.failed[*step as usize].load(Ordering::Relaxed)))
            .collect();
        let others = [("closure", &counts.closures), ("drop", &counts.drops), ("waker", &counts.wakers)];
        failed.extend(others.map(|(name, counter)| (name.to_owned(), counter.load(Ordering::Relaxed))));
        if let Some((step, _)) = failed.iter().find(|(_, times)| *times == 0 && bugs.is_empty()) {
            return Err(format!("nothing panicked at {step}: this tells nothing"));
        }
        let told = counts.told.load(Ordering::Relaxed);
        let [lost, done] = [0, 1].map(|index: usize| counts.unknown[index].load(Ordering::Relaxed));
        Ok(format!(
            "{turns} turns: {told} answered, {done} done and {lost} not done without an answer, {revisions} revisions; panics {failed:?}"
        ))
    })
}

#[test]
fn a_panic_harms_one_turn_wherever_it_comes() {
    holds(|seed| panics(seed, &[], 40_000));
}

#[test]
fn a_panic_that_escapes_and_a_place_that_leaks_are_caught() {
    caught(3, |seed| panics(seed, &[Bug::NoCatch], 4_000));
    caught(3, |seed| panics(seed, &[Bug::PermitLeaked], 4_000));
}
