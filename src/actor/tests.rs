//! Mailbox, token and activations from within: what a caller cannot plant.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;

use super::core::Core;
use super::create::{self, Creator};
use super::enter::enter;
use super::in_flight::{InFlight, Refused};
use super::mailbox::Mailbox;
use super::new_session::NewSession;
use super::slot::{Identity, Role, Slot};
use super::supervisor;
use super::turn::{Patience, Place, Updated, update};
use crate::config::Config;
use crate::error::UpdateError;
use crate::id::{Kind, SessionId, generated_digest};
use crate::principal::Principal;
use crate::state::{Committed, Draft, Entries, Lifetime, Metadata};
use crate::telemetry::Telemetry;
use crate::time::Clock;

async fn started() -> (Arc<Core>, Arc<Slot>) {
    started_with(Config::default()).await
}

async fn started_with(config: Config) -> (Arc<Core>, Arc<Slot>) {
    let core = Arc::new(Core::new(config, Clock::system(), Telemetry::register(&[]), Handle::current()));
    supervisor::start(&core).await.unwrap();
    let principal = Principal::new("i", "s");
    let creator = Creator { key: principal.key(), principal: Some(&principal) };
    let found = create::session(&core, creator, NewSession::default(), None, false).unwrap();
    (core, found.slot)
}

type Counted = Pin<Box<dyn Future<Output = Result<Updated<i64>, UpdateError>> + Send>>;

fn count(core: &Arc<Core>, slot: &Arc<Slot>) -> Counted {
    let (core, slot) = (Arc::clone(core), Arc::clone(slot));
    Box::pin(async move {
        update(&core, &slot, None, Patience::Wait, Place::Anywhere, |draft| draft.increment("n", 1)).await
    })
}

#[tokio::test]
async fn a_revision_is_amended_where_it_lies_unless_somebody_reads_it() {
    let (core, slot) = started().await;
    let set = |draft: &mut Draft| draft.set("beside", &0).and_then(|()| draft.set("n", &10));
    update(&core, &slot, None, Patience::Wait, Place::Anywhere, set).await.unwrap();
    count(&core, &slot).await.unwrap();
    let held = slot.peek().unwrap();
    assert_eq!(count(&core, &slot).await.unwrap().value, 12);
    let current = slot.peek().unwrap();
    assert_eq!((held.revision.get(), held.entries.get("n").unwrap().value), (2, "11"));
    assert_eq!((current.revision.get(), current.entries.get("n").unwrap().value), (3, "12"));
    drop((held, current));
    // Nobody reads it now, and the old one is held until the new one stands: at another address where it is another.
    let lies = || slot.peek().map(|committed| (Arc::as_ptr(&committed).addr(), committed.entries.to_packed())).unwrap();
    let amended = async |key: &'static str, value: String| {
        let set = move |draft: &mut Draft| draft.set(key, &value);
        let (before, was) = lies();
        assert!(update(&core, &slot, None, Patience::Wait, Place::Anywhere, set).await.unwrap().changed);
        let (after, is) = lies();
        assert!(was != is && Entries::from_packed(is).is_ok());
        after == before
    };
    assert!(!amended("short", "a".repeat(20)).await, "a new key");
    assert!(amended("short", "b".repeat(20)).await, "a value as long as the old one");
    assert!(!amended("short", "b".repeat(21)).await, "a longer one");
    assert!(!amended("long", "a".repeat(300)).await, "a new key");
    assert!(!amended("long", "b".repeat(300)).await, "a value that takes its time to be written");
    assert_eq!(slot.peek().unwrap().revision.get(), 8);
}

/// Turns that wait while somebody else holds the run token.
fn waiting(core: &Arc<Core>, slot: &Arc<Slot>, turns: usize) -> Vec<Counted> {
    let mut queued: Vec<_> = (0..turns).map(|_| count(core, slot)).collect();
    let mut context = Context::from_waker(Waker::noop());
    assert!(queued.iter_mut().all(|turn| turn.as_mut().poll(&mut context).is_pending()));
    assert_eq!(slot.mailbox.waiting(), turns);
    queued
}

#[tokio::test]
async fn starts_that_fail_are_survived() {
    for failing in 0..3 {
        let (core, slot) = started().await;
        let token = Mailbox::try_run(&core, &slot).unwrap();
        let turns = waiting(&core, &slot, 40);
        core.planted.failing_starts.store(failing, Ordering::SeqCst);
        token.finish();
        for (turn, place) in turns.into_iter().zip(1..) {
            assert_eq!(turn.await.unwrap().value, place);
        }
        assert_eq!(core.planted.failing_starts.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn after_three_failed_starts_in_a_row_the_turns_are_answered_and_the_session_works_on() {
    let (core, slot) = started().await;
    for round in 0..3 {
        let token = Mailbox::try_run(&core, &slot).unwrap();
        let turns = waiting(&core, &slot, 40);
        core.planted.failing_starts.store(3, Ordering::SeqCst);
        token.finish();
        let mut applied = 0;
        for turn in turns {
            match turn.await {
                Ok(_) => applied += 1,
                Err(UpdateError::Unavailable) => {}
                Err(other) => panic!("{other}"),
            }
        }
        // What the caller ran itself, and nothing of the rest.
        assert_eq!(applied, super::token::CALLER_BUDGET as i64);
        assert_eq!(core.planted.failing_starts.load(Ordering::SeqCst), 0);
        let updated = count(&core, &slot).await.unwrap();
        assert_eq!(updated.value, (round + 1) * (applied + 1));
        assert_eq!(slot.mailbox.waiting(), 0);
    }
    // Nothing of the turns that were given up is in flight any more.
    core.in_flight.settled().await;
}

#[tokio::test]
async fn a_token_dropped_anywhere_arms_the_mailbox_anew() {
    let (core, slot) = started().await;
    let token = Mailbox::try_run(&core, &slot).unwrap();
    assert!(Mailbox::try_run(&core, &slot).is_none());
    drop(token);
    let token = Mailbox::try_run(&core, &slot).unwrap();
    let turns = waiting(&core, &slot, 5);
    drop(token);
    for turn in turns {
        turn.await.unwrap();
    }
    assert_eq!(count(&core, &slot).await.unwrap().value, 6);
}

/// Panics when it is to wake somebody.
struct Alarm;

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        panic!("planted in a waker");
    }
}

/// One turn in a mailbox of one place, and one caller in line for it whose waker panics.
async fn one_queued_and_one_in_line() -> (Arc<Core>, Arc<Slot>, super::token::Token, Counted, Counted) {
    let (core, slot) = started_with(Config { mailbox_turns: 1, ..Config::default() }).await;
    let token = Mailbox::try_run(&core, &slot).unwrap();
    let queued = waiting(&core, &slot, 1).pop().unwrap();
    let mut in_line = count(&core, &slot);
    assert!(in_line.as_mut().poll(&mut Context::from_waker(&Arc::new(Alarm).into())).is_pending());
    assert_eq!(slot.mailbox.in_line(), 1);
    (core, slot, token, queued, in_line)
}

#[tokio::test]
async fn a_panicking_waker_of_one_in_line_costs_nobody_else_an_answer() {
    let (core, slot, token, queued, in_line) = one_queued_and_one_in_line().await;
    token.finish();
    assert_eq!(queued.await.unwrap().value, 1);
    assert_eq!(in_line.await.unwrap().value, 2);
    assert_eq!(count(&core, &slot).await.unwrap().value, 3);
    core.in_flight.settled().await;
}

#[tokio::test]
async fn a_panicking_waker_of_one_in_line_keeps_no_turn_from_being_given_up() {
    let (core, slot, token, queued, in_line) = one_queued_and_one_in_line().await;
    core.stop();
    drop(token);
    assert!(matches!(queued.await, Err(UpdateError::Stopping)));
    assert!(matches!(in_line.await, Err(UpdateError::Stopping)));
    assert_eq!((slot.mailbox.waiting(), slot.mailbox.free(1)), (0, 1));
    core.in_flight.settled().await;
}

#[tokio::test]
async fn a_stop_answers_what_waits() {
    let (core, slot) = started().await;
    let token = Mailbox::try_run(&core, &slot).unwrap();
    let turns = waiting(&core, &slot, 40);
    core.stop();
    drop(token);
    for turn in turns {
        assert!(matches!(turn.await, Err(UpdateError::Stopping)));
    }
    assert!(matches!(count(&core, &slot).await, Err(UpdateError::Stopping)));
}

#[test]
fn a_runtime_that_shuts_down_leaves_nobody_waiting() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (core, slot) = runtime.block_on(started());
    let token = Mailbox::try_run(&core, &slot).unwrap();
    let mut turns = waiting(&core, &slot, 40);
    drop(runtime);
    // Sixteen are run here; the others find no runtime, and are told.
    token.finish();
    let mut context = Context::from_waker(Waker::noop());
    let answers: Vec<_> = turns.iter_mut().map(|turn| turn.as_mut().poll(&mut context)).collect();
    assert!(answers[..16].iter().all(|answer| matches!(answer, Poll::Ready(Ok(_)))));
    assert!(answers[16..].iter().all(|answer| matches!(answer, Poll::Ready(Err(UpdateError::Unavailable)))));
    assert_eq!(slot.mailbox.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_runs_a_mailbox_at_a_time() {
    let (core, slot) = started().await;
    let running = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let (core, slot, running) = (Arc::clone(&core), Arc::clone(&slot), Arc::clone(&running));
            tokio::spawn(async move {
                for round in 0..300 {
                    // Some starts fail while all of this goes on.
                    if (task + round) % 97 == 0 {
                        core.planted.failing_starts.store(1, Ordering::SeqCst);
                    }
                    let alone = Arc::clone(&running);
                    let place = if (task + round) % 40 == 0 { Place::Blocking } else { Place::Anywhere };
                    let turn = update(&core, &slot, None, Patience::Wait, place, move |draft| {
                        assert_eq!(alone.fetch_add(1, Ordering::SeqCst), 0, "two run one mailbox");
                        let count = draft.increment("n", 1);
                        alone.fetch_sub(1, Ordering::SeqCst);
                        count
                    });
                    turn.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&core, &slot).await.unwrap().value, 32 * 300 + 1);
}

#[tokio::test]
async fn callers_that_run_their_own_turns_keep_to_the_cap_however_they_are_counted() {
    for cap in [5, 4_096, 4_106, 5_000] {
        let (core, _) = started_with(Config { max_in_flight: cap, ..Config::default() }).await;
        let mut passing = Vec::new();
        while let Ok(one) = InFlight::pass(&core) {
            passing.push(one);
        }
        assert_eq!((passing.len() as u64, core.in_flight.counts()), (cap, (cap, 0)), "a cap of {cap}");
        assert!(matches!(InFlight::admit(&core), Err(Refused::Full)) && InFlight::line_up(&core).is_err());
        passing.truncate(1);
        assert!(InFlight::admit(&core).is_ok() && InFlight::pass(&core).is_ok());
        drop(passing);
        assert_eq!(core.in_flight.counts(), (0, 0));
    }
}

#[tokio::test]
async fn a_creation_that_failed_is_taken_back_unless_somebody_has_put_something_in() {
    for used in [false, true] {
        let (core, slot) = started().await;
        let digest = slot.identity.digest;
        let before = core.capacity.sessions();
        if used {
            count(&core, &slot).await.unwrap();
        }
        super::end::undo(&core, &slot);
        assert_eq!(slot.ended().is_none(), used);
        assert_eq!(before - core.capacity.sessions(), u64::from(!used));
        assert!(core.tombstones.find(&digest).is_none(), "its id was never used");
    }
}

#[tokio::test]
async fn who_comes_second_is_not_entered() {
    let (core, first) = started().await;
    let owner = &first.identity.owner;
    let named = |name: Option<&str>, role| {
        let (kind, now) = (Kind::default(), core.clock.now());
        let id = SessionId::generate(&kind).unwrap();
        let identity = Identity::new(generated_digest(&id), role, kind, owner, now).with_id(id.as_str());
        let committed = Committed::new(Metadata::default(), Lifetime::default());
        Arc::new(Slot::new(identity.with_name(name.map(Into::into)), committed, now))
    };
    for (name, role) in [(Some("cart"), Role::Session), (None, Role::Bucket)] {
        // As when both have looked and found nobody: what counts is the look under the owner's lock.
        let winner = named(name, role);
        assert!(enter(&core, &winner).unwrap());
        let before = core.capacity.sessions();
        assert!(!enter(&core, &named(name, role)).unwrap());
        assert_eq!(core.capacity.sessions(), before);
        super::end::undo(&core, &winner);
        assert!(enter(&core, &named(name, role)).unwrap(), "the name is free again");
    }
}

#[tokio::test]
async fn a_session_at_rest_keeps_no_lane_and_one_with_a_place_taken_keeps_its_own() {
    let (core, slot) = started().await;
    assert!(!slot.mailbox.has_lane());
    let token = Mailbox::try_run(&core, &slot).unwrap();
    let turns = waiting(&core, &slot, 3);
    assert!(slot.mailbox.has_lane());
    token.finish();
    for turn in turns {
        turn.await.unwrap();
    }
    // The last turn is answered before its token comes to rest.
    while slot.mailbox.has_lane() {
        tokio::task::yield_now().await;
    }
    let place = Mailbox::try_permit(&core, &slot).unwrap();
    Mailbox::try_run(&core, &slot).unwrap().finish();
    assert!(slot.mailbox.has_lane(), "another lane would have all of its places free");
    drop(place);
    Mailbox::try_run(&core, &slot).unwrap().finish();
    assert!(!slot.mailbox.has_lane());
}
