//! Caps hold while creates race: never passed, and nobody refused while there is room or somebody to evict.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::proving::{Verdict, caught, holds, service};
use super::random::Random;
use crate::actor::create::adopt;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::slot::{Identity, Role, Slot};
use crate::config::AtCapacity;
use crate::error::{CreateError, Limit};
use crate::id::{Kind, SessionId, generated_digest};
use crate::principal::Principal;
use crate::service::SessionService;
use crate::state::{Committed, Lifetime, Metadata};

const RACERS: u64 = 64;
const ROUNDS: u64 = 150;
const OWNERS: u64 = 3;

/// One create, by one of the roads; whether it found room.
async fn create(service: &SessionService, racer: u64, road: u64, round: u64) -> Result<(), CreateError> {
    let principal = Principal::new("i", (racer % OWNERS).to_string());
    let owner = service.owner(&principal);
    let name = format!("{round}-{racer}");
    match road {
        0 => owner.create(NewSession::default()).await.map(drop),
        1 => owner.get_or_create(&name).await.map(drop),
        2 => owner.create_with_id(&name, NewSession::default()).await.map(drop),
        _ => {
            // As an import does.
            let core = service.core();
            let (kind, now) = (Kind::default(), core.clock.now());
            let id = SessionId::generate(&kind)?;
            let owner = core.owners.intern(principal.key(), Some(&principal));
            let digest = generated_digest(&id);
            let identity = Identity::new(digest, Role::Session, kind, &owner, now).with_id(id.as_str());
            let committed = Committed::new(Metadata::default(), Lifetime::default());
            adopt(core, Arc::new(Slot::new(identity, committed, now)))
        }
    }
}

/// One create in a task of its own, and how many sessions it saw when it was done.
fn spawn(service: &SessionService, racer: u64, road: u64, round: u64) -> JoinHandle<(Result<(), CreateError>, u64)> {
    let service = service.clone();
    tokio::spawn(async move {
        let created = create(&service, racer, road, round).await;
        (created, service.core().capacity.sessions())
    })
}

fn races(seed: u64, bugs: &[Bug]) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut random = Random(seed);
        for round in 0..ROUNDS {
            let evicts = round % 2 == 0;
            let (cap, own) = (1 + random.below(40), 1 + random.below(20));
            let builder = SessionService::builder()
                .max_sessions(cap)
                .max_sessions_per_owner(own)
                .at_capacity(if evicts { AtCapacity::Evict } else { AtCapacity::Reject });
            let service = service(builder, bugs).await;
            let (mut created, mut most, mut racer) = (0, 0, 0);
            // In waves: what one evicted in vain is not made good by the next.
            while racer < RACERS {
                let wave = racer..RACERS.min(racer + 1 + random.below(16));
                racer = wave.end;
                let racers: Vec<_> = wave.map(|racer| spawn(&service, racer, random.below(4), round)).collect();
                for racer in racers {
                    let (result, seen) = racer.await.unwrap();
                    most = most.max(seen);
                    match result {
                        Ok(()) => created += 1,
                        Err(CreateError::LimitExceeded(met)) if !evicts => {
                            let allowed = if met.limit == Limit::Sessions { cap } else { own };
                            if met.allowed != allowed || met.attempted <= allowed {
                                return Err(format!("refused with {met}"));
                            }
                        }
                        Err(error) => return Err(format!("evicts {evicts}: {error}")),
                    }
                }
                // As many as asked of each owner, up to its cap and the one on all.
                let room = (0..OWNERS).map(|owner| own.min((racer + OWNERS - 1 - owner) / OWNERS)).sum::<u64>().min(cap);
                let stats = service.operator().stats();
                let expected = if evicts { racer } else { room };
                if most > cap || created != expected || stats.sessions != room || stats.owners > OWNERS {
                    return Err(format!(
                        "cap {cap}, of each owner {own}, evicts {evicts}: {created} of {racer} created, {most} at a time, \
                         room for {room}, {stats:?}"
                    ));
                }
            }
        }
        Ok(format!("{ROUNDS} rounds of {RACERS}"))
    })
}

/// An owner that was only ever refused is not there.
fn refusals_leave_no_trace(_seed: u64, bugs: &[Bug]) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let service = service(SessionService::builder().max_sessions(1_u64), bugs).await;
        let _held = service.owner(&Principal::new("i", "first")).create(NewSession::default()).await.unwrap();
        let before = service.operator().stats();
        for round in 0..50 {
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    let service = service.clone();
                    // Several of each owner at a time, by every road.
                    let owner = format!("{round}-{}", racer % 16);
                    tokio::spawn(async move {
                        let owner = service.owner(&Principal::new("i", owner));
                        match racer / 16 {
                            0 => owner.bucket().await.is_err(),
                            1 => owner.get_or_create("name").await.is_err(),
                            _ => owner.create(NewSession::default()).await.is_err(),
                        }
                    })
                })
                .collect();
            for racer in racers {
                if !racer.await.unwrap() {
                    return Err("a create past the cap".to_owned());
                }
            }
            let after = service.operator().stats();
            if (after.owners, after.sessions, after.bytes) != (before.owners, before.sessions, before.bytes) {
                return Err(format!("{after:?} after refusals, {before:?} before"));
            }
        }
        Ok(format!("{} refusals", 50 * RACERS))
    })
}

#[test]
fn creates_that_race_pass_no_cap_and_find_what_room_there_is() {
    holds(|seed| races(seed, &[]));
}

#[test]
fn a_place_taken_after_the_look_at_the_cap_is_one_too_many() {
    caught(5, |seed| races(seed, &[Bug::ChecksThenTakes]));
}

#[test]
fn room_that_is_not_held_is_made_twice() {
    caught(60, |seed| races(seed, &[Bug::RoomNotHeld]));
}

#[test]
fn a_refused_create_leaves_no_trace() {
    holds(|seed| refusals_leave_no_trace(seed, &[]));
}

#[test]
fn an_owner_that_is_kept_after_a_refusal_is_a_trace() {
    caught(1, |seed| refusals_leave_no_trace(seed, &[Bug::KeepsRefusedOwners]));
}
