//! Of many that create at once under one id, one name or as one bucket, one wins and the others get what it made.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::proving::{Verdict, caught, holds, service};
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::sabotage::mix;
use crate::error::CreateError;
use crate::owner::Owner;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;
use crate::time::{Clock, TimeSource, Timestamp};

const RACERS: u64 = 64;
const TIMEOUT: Duration = Duration::from_secs(60);

/// A clock that racers move on.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl TimeSource for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// What a racer came to: a session, and whether it created it; or nothing, since there was one, or had been.
type Outcome = Result<(Session, bool), CreateError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prize {
    Id,
    Name,
    NewName,
    Bucket,
}

/// What a racer does once it has its outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Rest,
    Close,
    /// Lets everything expire.
    Expire,
}

/// What a future gives that waits for nothing.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a creation or an end had to wait"),
    }
}

fn race(owner: &Owner, prize: Prize) -> Outcome {
    match prize {
        Prize::Id => ready(owner.create_with_id("the-one", NewSession::default())).map(|session| (session, true)),
        Prize::Name => ready(owner.get_or_create("the one")),
        Prize::NewName => ready(owner.create(NewSession::default().name("the one"))).map(|session| (session, true)),
        // A bucket does not tell who made it.
        Prize::Bucket => ready(owner.bucket()).map(|session| (session, false)),
    }
}

/// So many rounds for each prize; in some of them the prize ends while it is raced for.
fn races(seed: u64, bugs: &[Bug], rounds: u64, prizes: &[Prize], ends: bool) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let hand = Hand(Arc::new(AtomicU64::new(1_700_000_000_000_000)));
    let builder = SessionService::builder().clock(Clock::from_source(hand.clone())).idle_timeout(TIMEOUT);
    let builder = builder.bucket_idle_timeout(TIMEOUT);
    let service = runtime.block_on(service(builder, bugs));
    let (barrier, over, outcomes) = (Barrier::new(RACERS as usize), AtomicBool::new(false), Mutex::new(Vec::new()));
    let (violated, ended) = (Mutex::new(None), AtomicU64::new(0));
    let racer = |racer: u64| {
        for round in 0..rounds * prizes.len() as u64 {
            let prize = prizes[(round % prizes.len() as u64) as usize];
            let owner = service.owner(&Principal::new("i", round.to_string()));
            barrier.wait();
            if over.load(Ordering::SeqCst) {
                return;
            }
            let then = match mix(seed ^ mix(round * RACERS + racer)) % 16 {
                0 | 1 if ends => Then::Close,
                2 if ends => Then::Expire,
                _ => Then::Rest,
            };
            let outcome = race(&owner, prize);
            match (&outcome, then) {
                (Ok((session, _)), Then::Close) => {
                    ended.fetch_add(u64::from(ready(session.close()).unwrap()), Ordering::SeqCst);
                }
                (_, Then::Expire) => drop(hand.0.fetch_add(TIMEOUT.as_micros() as u64, Ordering::SeqCst)),
                _ => {}
            }
            outcomes.lock().unwrap().push(outcome);
            if barrier.wait().is_leader() {
                let outcomes = std::mem::take(&mut *outcomes.lock().unwrap());
                if let Err(error) = judge(&outcomes, prize, ends) {
                    *violated.lock().unwrap() = Some(format!("round {round}, {prize:?}: {error}"));
                    over.store(true, Ordering::SeqCst);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        (0..RACERS).for_each(|number| drop(scope.spawn(move || racer(number))));
    });
    if let Some(violated) = violated.into_inner().unwrap() {
        return Err(violated);
    }
    let core = service.core();
    let (counted, there) = (core.capacity.sessions(), core.registry.len() as u64);
    if counted != there || core.in_flight.count() > 0 {
        return Err(format!(
            "{counted} sessions counted, {there} in the registry, {} in flight",
            core.in_flight.count()
        ));
    }
    let ended = ended.into_inner();
    Ok(format!("{RACERS} racers, {rounds} rounds for each of {prizes:?}, {ended} closed meanwhile, {there} left"))
}

/// Who won a round, if all went well.
fn judge(outcomes: &[Outcome], prize: Prize, ends: bool) -> Result<(), String> {
    let mut sessions = std::collections::BTreeMap::new();
    let mut created = 0;
    for outcome in outcomes {
        match outcome {
            Ok((session, new)) => {
                created += u64::from(*new);
                sessions.insert(session.id().as_str().to_owned(), session.clone());
            }
            Err(CreateError::AlreadyExists) if matches!(prize, Prize::Id | Prize::NewName) => {}
            Err(CreateError::Ended(_)) if prize == Prize::Id && ends => {}
            Err(other) => return Err(format!("{other:?}")),
        }
    }
    let alive = sessions.values().filter(|session| session.info().is_ok()).count();
    let made = sessions.len() as u64;
    if alive > 1 {
        return Err(format!("{alive} live at once"));
    }
    // A bucket does not tell; an id is created once, whatever happens to it; else every session has one maker.
    let makers = if prize == Prize::Bucket { 0 } else { made };
    if made == 0 || created != makers || ((!ends || prize == Prize::Id) && made != 1) || (!ends && alive != 1) {
        return Err(format!("{made} sessions by {created} makers, {alive} live"));
    }
    Ok(())
}

const ALL: [Prize; 4] = [Prize::Id, Prize::Name, Prize::NewName, Prize::Bucket];

#[test]
fn one_wins_and_the_others_get_what_it_made() {
    holds(|seed| races(seed, &[], 1_000, &ALL, false));
}

#[test]
fn one_lives_at_a_time_whoever_ends_it() {
    holds(|seed| races(seed, &[], 1_000, &ALL, true));
}

#[test]
fn a_check_before_the_insert_is_caught() {
    for prize in ALL {
        println!("{prize:?}");
        caught(5, |seed| races(seed, &[Bug::CheckThenInsert], 100, &[prize], false));
        caught(5, |seed| races(seed, &[Bug::CheckThenInsert], 100, &[prize], true));
    }
}
