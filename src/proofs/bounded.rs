//! Bounded under flood: what is offered beyond the caps holds no memory, and a session that is not flooded does not notice.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::proving::{Verdict, caught, holds, service};
use super::random::Random;
use crate::actor::core::Core;
use crate::actor::mailbox::Mailbox;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::actor::token::CALLER_BUDGET;
use crate::actor::turn::Updated;
use crate::error::{DraftError, Overload, UpdateError};
use crate::id::generated_digest;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;

const TURNS: u64 = 8;
const LINE: u64 = 24;
const IN_FLIGHT: u64 = 40;
/// How often what there is room for is offered.
const TIMES: u64 = 10;

type Outcome = Result<Updated<()>, UpdateError>;
type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A service with small caps, and sessions on it.
async fn small(bugs: &[Bug]) -> (SessionService, impl AsyncFn(&str) -> (Session, Arc<Slot>)) {
    let builder = SessionService::builder()
        .mailbox_turns(TURNS as usize)
        .mailbox_line(LINE as u32)
        .max_in_flight(IN_FLIGHT)
        .recorder(Arc::new(metrics::NoopRecorder));
    let service = service(builder, bugs).await;
    let owners = service.clone();
    let session = async move |subject: &str| {
        let owner = owners.owner(&Principal::new("i", subject));
        let session = owner.create(NewSession::default()).await.unwrap();
        let slot = owners.core().registry.find(&generated_digest(session.id())).unwrap();
        (session, slot)
    };
    (service, session)
}

fn run<T>(proof: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(proof)
}

fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// What a waiting update holds on to, counted for as long as it lives.
struct Payload(Arc<AtomicU64>);

impl Payload {
    fn new(alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(alive))
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn offer(session: &Session, alive: &Arc<AtomicU64>, waits: bool) -> Pending {
    let (session, payload) = (session.clone(), Payload::new(alive));
    let run = move |draft: &mut crate::Draft| {
        let _held = &payload;
        draft.increment("n", 1).map(drop)
    };
    Box::pin(async move { if waits { session.update(run).await } else { session.try_update(run).await } })
}

/// Nothing of a flood is held past a cap.
fn within(core: &Core, slot: &Slot, alive: &AtomicU64) -> Result<(), String> {
    let (accepted, in_line) = core.in_flight.counts();
    let found = [
        ("turns in a mailbox", slot.mailbox.waiting() as u64, TURNS),
        ("callers in one line", u64::from(slot.mailbox.in_line()), LINE),
        ("updates in flight", accepted + in_line, IN_FLIGHT),
        ("payloads held", alive.load(Ordering::SeqCst), IN_FLIGHT),
    ];
    match found.iter().find(|(_, count, cap)| count > cap) {
        Some((what, count, cap)) => Err(format!("{count} {what}, where at most {cap} may be")),
        None => Ok(()),
    }
}

/// Ten times what two sessions have room for is offered while nobody runs them: the rest is shed at once, and told why.
fn flood(seed: u64, bugs: &[Bug]) -> Verdict {
    let mut random = Random(seed);
    run(async {
        let (service, session) = small(bugs).await;
        let core = service.core();
        let alive = Arc::new(AtomicU64::new(0));
        let mut quiet = session("quiet").await.0;
        let (mut kept, mut shed) = (Vec::new(), 0_u64);
        let mut tokens = Vec::new();
        for subject in ["flooded", "flooded too"] {
            // One flooded session leaves room for others; two leave none.
            let free = quiet.increment("n", 1).await.map(drop);
            let (flooded, slot) = session(subject).await;
            tokens.push(Mailbox::try_run(core, &slot).unwrap());
            for _ in 0..TIMES * (TURNS + LINE) {
                let mut offered = offer(&flooded, &alive, random.below(4) != 0);
                match poll(&mut offered) {
                    Poll::Pending => kept.push(offered),
                    Poll::Ready(Err(UpdateError::Overloaded { .. })) => shed += 1,
                    Poll::Ready(other) => return Err(format!("a flooded session answered {other:?}")),
                }
                within(core, &slot, &alive)?;
            }
            free.map_err(|error| format!("beside one flooded session: {error}"))?;
        }
        let full = quiet.increment("n", 1).await;
        if !matches!(full, Err(UpdateError::Overloaded { met: Overload::Service, .. })) {
            return Err(format!("with the service full: {full:?}"));
        }
        // Some give up, whether they have a place or wait for one; all others are run.
        let total = kept.len();
        let mut left = Vec::new();
        for waiting in kept {
            if random.below(3) != 0 {
                left.push(tokio::spawn(waiting));
            }
        }
        let stayed = left.len();
        tokens.into_iter().for_each(crate::actor::token::Token::finish);
        for waiting in left {
            waiting.await.unwrap().map_err(|error| format!("one that waited: {error}"))?;
        }
        core.in_flight.settled().await;
        let ends = (core.in_flight.counts(), alive.load(Ordering::SeqCst));
        if ends != ((0, 0), 0) {
            return Err(format!("after the flood there are still {ends:?}"));
        }
        quiet = session("late").await.0;
        quiet.increment("n", 1).await.map_err(|error| format!("after the flood: {error}"))?;
        Ok(format!("{shed} shed, {total} waited, {stayed} of them to the end"))
    })
}

/// A quiet session's update is answered in the poll that asked, with no turn of a flooded session in between.
fn quiet(seed: u64, bugs: &[Bug]) -> Verdict {
    let mut random = Random(seed);
    run(async {
        let (service, session) = small(bugs).await;
        let core = service.core();
        let ((quiet, _), (flooded, slot)) = (session("quiet").await, session("flooded").await);
        let ran = Arc::new(AtomicU64::new(0));
        let flood: Vec<_> = (0..TURNS + LINE / 2)
            .map(|_| {
                let (flooded, ran) = (flooded.clone(), Arc::clone(&ran));
                tokio::spawn(async move {
                    loop {
                        let ran = Arc::clone(&ran);
                        let turn = flooded.update(move |draft| {
                            ran.fetch_add(1, Ordering::SeqCst);
                            draft.increment("n", 1).map(drop)
                        });
                        drop(turn.await);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let (mut full, mut between) = (0_u64, 0_u64);
        for _ in 0..1_000 {
            // Now and then nobody runs the flooded session for a while, so that its mailbox fills to the brim.
            let token = (random.below(2) == 0).then(|| Mailbox::try_run(core, &slot)).flatten();
            for _ in 0..random.below(4) {
                tokio::task::yield_now().await;
            }
            full += u64::from(slot.mailbox.waiting() as u64 == TURNS);
            let before = ran.load(Ordering::SeqCst);
            if let Some(token) = token {
                // As a caller that has done its own turn and its share of the others' hands over to an actor.
                crate::actor::activation::lend(token);
            }
            quiet.increment("n", 1).await.map_err(|error| error.to_string())?;
            between += ran.load(Ordering::SeqCst) - before;
        }
        flood.iter().for_each(tokio::task::JoinHandle::abort);
        let turns = ran.load(Ordering::SeqCst);
        match between {
            0 if full > 100 && turns > 1_000 => {
                Ok(format!("0 of {turns} turns of the flooded session in between, {full} times full"))
            }
            0 => Err(format!("no flood: {turns} turns, {full} times full")),
            _ => Err(format!("{between} turns of the flooded session while the quiet one waited")),
        }
    })
}

/// Whoever brings an update runs a few of the turns behind it, and no more.
fn budget(_seed: u64, bugs: &[Bug]) -> Verdict {
    const BEHIND: usize = 60;
    run(async {
        let service = service(SessionService::builder(), bugs).await;
        let session = service.owner(&Principal::new("i", "s")).create(NewSession::default()).await.unwrap();
        let ran = Arc::new(AtomicU64::new(0));
        let behind: Arc<Mutex<Vec<Pending>>> = Arc::default();
        let (filled, into, count) = (session.clone(), Arc::clone(&behind), Arc::clone(&ran));
        let own = session.update(move |_| {
            // In its own turn it holds the run token, so these are queued behind it.
            for _ in 0..BEHIND {
                let (session, ran) = (filled.clone(), Arc::clone(&count));
                let mut turn: Pending = Box::pin(async move {
                    let turn = session.update(move |_| {
                        ran.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, DraftError>(())
                    });
                    turn.await
                });
                assert!(poll(&mut turn).is_pending());
                into.lock().push(turn);
            }
            Ok::<_, DraftError>(())
        });
        own.await.map_err(|error| error.to_string())?;
        let by_the_caller = ran.load(Ordering::SeqCst);
        let turns = std::mem::take(&mut *behind.lock());
        for turn in turns {
            turn.await.map_err(|error| error.to_string())?;
        }
        let all = ran.load(Ordering::SeqCst);
        match (by_the_caller, all) {
            (few, 60) if few <= CALLER_BUDGET as u64 => Ok(format!("{few} by the caller, the others by an actor")),
            _ => Err(format!("{by_the_caller} of {all} turns by one caller, where at most {CALLER_BUDGET} may be")),
        }
    })
}

#[test]
fn a_flood_is_bounded_and_told_so() {
    holds(|seed| flood(seed, &[]));
}

#[test]
fn without_the_permit_it_fails() {
    caught(1, |seed| flood(seed, &[Bug::NoPermit]));
}

#[test]
fn without_the_cap_on_the_line_it_fails() {
    caught(1, |seed| flood(seed, &[Bug::NoLineCap]));
}

#[test]
fn without_the_services_cap_it_fails() {
    caught(1, |seed| flood(seed, &[Bug::NoServiceCap]));
}

#[test]
fn a_quiet_session_waits_for_no_turn_of_a_flooded_one() {
    holds(|seed| quiet(seed, &[]));
}

#[test]
fn where_an_actor_runs_every_turn_it_waits() {
    caught(1, |seed| quiet(seed, &[Bug::NoCallerRun]));
}

#[test]
fn a_caller_runs_a_few_turns_of_others() {
    holds(|seed| budget(seed, &[]));
}

#[test]
fn without_the_callers_budget_it_runs_them_all() {
    caught(1, |seed| budget(seed, &[Bug::NoCallerBudget]));
}
