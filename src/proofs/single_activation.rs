//! One runs a mailbox at a time, and nobody waits for nobody: the mailbox's own code under a model checker.
//!
//! The checker schedules the threads; every lock of the mailbox, every look at its mark, every hand-over of the run token
//! and the middle of every turn is a place where it may let another one go on. A turn that waits while nobody runs is a
//! deadlock to it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use shuttle::rand::{Rng, thread_rng};

use super::proving::{Verdict, caught, holds, quiet_panics};
use super::schedules;
use crate::actor::core::Core;
use crate::actor::end;
use crate::actor::explored::all_at_rest;
use crate::actor::mailbox::Mailbox;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::actor::turn::{Patience, Place, update};
use crate::error::{EndReason, Ended, UpdateError};
use crate::service::SessionService;
use crate::state::Draft;

/// Places in the mailbox: fewer than clients, so that some wait in line.
const PLACES: usize = 2;
const CLIENTS: usize = 3;
const CALLS: usize = 2;

/// What the turns of one exploration left behind.
#[derive(Default)]
struct Seen {
    inside: AtomicBool,
    met: AtomicBool,
    ran: [AtomicU64; CLIENTS * CALLS],
}

impl Seen {
    /// A turn, with others let go on in its middle.
    fn turn(self: &Arc<Self>, number: usize) -> impl FnMut(&mut Draft) -> Result<i64, ()> + Send + 'static {
        let seen = Arc::clone(self);
        move |draft| {
            if seen.inside.swap(true, Ordering::SeqCst) {
                seen.met.store(true, Ordering::SeqCst);
            }
            shuttle::thread::yield_now();
            seen.ran[number].fetch_add(1, Ordering::SeqCst);
            let count = draft.increment("n", 1).unwrap();
            seen.inside.store(false, Ordering::SeqCst);
            Ok(count)
        }
    }
}

/// Explores so many schedules of clients on one mailbox.
fn explored(seed: u64, bugs: &[Bug], schedules: usize) -> Verdict {
    quiet_panics();
    let (runtime, service) = schedules::still(SessionService::builder().mailbox_turns(PLACES), bugs);
    let core = Arc::clone(service.core());
    let sabotage = &core.planted.sabotage;
    // A token is handed over after every turn, and bugs show at each place.
    sabotage.budget.store(1, Ordering::SeqCst);
    sabotage.one_in.store(1, Ordering::SeqCst);
    let scene = move || explore(&core);
    let explored = match schedules::explore(seed, schedules, !bugs.is_empty(), scene) {
        Ok(explored) => explored,
        Err(violated) => {
            // What hangs on the schedule that failed must not be woken, which the end of the runtime would do.
            std::mem::forget((runtime, service));
            return Err(violated);
        }
    };
    Ok(format!("{explored} schedules of {CLIENTS} clients with {CALLS} calls each on {PLACES} places"))
}

fn explore(core: &Arc<Core>) {
    let slot = schedules::slot(core);
    let seen = Arc::new(Seen::default());
    let failing = [0, 0, 1, 2, 3][thread_rng().gen_range(0..5)];
    core.planted.failing_starts.store(failing, Ordering::SeqCst);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (core, slot, seen) = (Arc::clone(core), Arc::clone(&slot), Arc::clone(&seen));
            shuttle::thread::spawn(move || {
                (0..CALLS).for_each(|call| client_calls(&core, &slot, &seen, client * CALLS + call, failing));
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    all_at_rest();

    assert!(!seen.met.load(Ordering::SeqCst), "two run one mailbox");
    let ran = seen.ran.iter().map(|ran| ran.load(Ordering::SeqCst)).sum();
    let committed = slot.peek().unwrap();
    let count: u64 = committed.entries.get("n").map_or(0, |entry| entry.value.parse().unwrap());
    assert_eq!((committed.revision.get(), count), (ran, ran), "revision, sum and turns that ran");
    assert_eq!(
        (slot.mailbox.waiting(), slot.mailbox.free(PLACES)),
        (0, PLACES),
        "turns that wait, places that are free"
    );
    let settled = std::pin::pin!(core.in_flight.settled()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(settled.is_ready(), "something is in flight still");
    drop(Mailbox::try_run(core, &slot).expect("nobody runs the mailbox, and its token is gone"));
    end::end(core, &slot, Ended { reason: EndReason::Closed, at: core.clock.now() });
}

fn client_calls(core: &Arc<Core>, slot: &Arc<Slot>, seen: &Arc<Seen>, number: usize, failing: u64) {
    let ran = || seen.ran[number].load(Ordering::SeqCst);
    let (patience, place, polls) = match thread_rng().gen_range(0..8) {
        0 => return dropped_token(core, slot),
        1 => (Patience::Wait, Place::Anywhere, thread_rng().gen_range(1..3)),
        2 => (Patience::Wait, Place::Blocking, u64::MAX),
        3 => (Patience::Never, Place::Anywhere, u64::MAX),
        _ => (Patience::Wait, Place::Anywhere, u64::MAX),
    };
    let update = update(core, slot, None, patience, place, seen.turn(number));
    let Some(answer) = answered(update, polls) else {
        // Given up before it started or after: it may still run, once. The sum at the end tells.
        return;
    };
    match answer {
        Ok(updated) => {
            assert_eq!(ran(), 1, "a turn that was answered");
            assert_eq!(updated.value as u64, updated.revision.get(), "the sum at a revision");
        }
        Err(UpdateError::Overloaded { .. }) => assert!(matches!(patience, Patience::Never) && ran() == 0),
        // Three starts in a row have to fail; a token that somebody loses counts as one.
        Err(UpdateError::Unavailable) => {
            assert!(failing >= 2 && ran() == 0, "a turn was given up: {failing}, {}", ran())
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// The answer, unless it is not there after so many polls; then the future is dropped.
fn answered<F: Future>(future: F, polls: u64) -> Option<F::Output> {
    if polls == u64::MAX {
        return Some(shuttle::future::block_on(future));
    }
    let mut future = Box::pin(future);
    (0..polls).find_map(|_| match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => {
            shuttle::thread::yield_now();
            None
        }
    })
}

/// Somebody takes the token and loses it, as a panic outside a turn would have it.
fn dropped_token(core: &Arc<Core>, slot: &Arc<Slot>) {
    let token = Mailbox::try_run(core, slot);
    shuttle::thread::yield_now();
    drop(token);
}

#[test]
fn one_runs_a_mailbox_and_nobody_waits_for_nobody() {
    holds(|seed| explored(seed, &[], 50_000));
}

#[test]
fn two_tokens_a_lost_one_a_rest_in_two_steps_and_a_lane_untold_are_caught() {
    for bug in [Bug::TwoTokens, Bug::NoRearm, Bug::RestInTwoSteps, Bug::LaneUntold, Bug::PermitLeaked] {
        println!("{bug:?}");
        caught(1, |seed| explored(seed, &[bug], 20_000));
    }
}
