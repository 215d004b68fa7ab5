//! Guarantee 5: an ended session stays ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::common::{Hand, Random, alice, bob, secs, seed};
use sessile::{
    AtCapacity, CreateError, Durability, EndReason, Ended, Format, Json, NewSession, OpenError, Session,
    SessionService, Timestamp, UpdateError,
};

async fn start(folder: &Path, hand: &Hand) -> SessionService {
    SessionService::builder()
        .snapshots(folder)
        .clock(hand.clock())
        .idle_timeout(secs(100))
        .max_lifetime(secs(250))
        .max_sessions(4_u64)
        .at_capacity(AtCapacity::Evict)
        .start()
        .await
        .unwrap()
}

/// Everything that could bring a session back, tried.
async fn stays(service: &SessionService, stale: &Session, id: &str, ended: Ended) {
    let owner = service.owner(&alice());
    assert_eq!(stale.read().unwrap_err(), ended);
    assert_eq!(stale.touch().unwrap_err(), ended);
    assert_eq!(stale.info().unwrap_err(), ended);
    let late = stale.set("late", &1).await;
    assert!(matches!(late, Err(UpdateError::Ended(found)) if found == ended), "{late:?}");
    let late = stale.update_blocking(|draft| draft.set("late", &1)).await;
    assert!(matches!(late, Err(UpdateError::Ended(found)) if found == ended), "{late:?}");
    assert!(matches!(stale.extend(secs(9)).await, Err(UpdateError::Ended(_))));
    assert!(!stale.close().await.unwrap());
    remembered(service, id, ended).await;
    assert!(
        owner
            .list(&Default::default())
            .await
            .unwrap()
            .sessions
            .iter()
            .all(|info| info.id.as_ref().unwrap().as_str() != id)
    );
}

async fn remembered(service: &SessionService, id: &str, ended: Ended) {
    let owner = service.owner(&alice());
    assert_eq!(owner.open(id).await.unwrap_err(), OpenError::Ended(ended));
    assert_eq!(service.owner(&bob()).open(id).await.unwrap_err(), OpenError::Unknown);
    if let Err(error) = owner.create_with_id(id, NewSession::default()).await {
        assert!(
            matches!(error, CreateError::Ended(found) if found == ended) || matches!(error, CreateError::Id(_)),
            "{error:?}"
        );
    } else {
        panic!("{id} was created again");
    }
}

#[tokio::test]
async fn an_ended_session_stays_ended_through_sweep_snapshot_and_restart() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let service = start(folder.path(), &hand).await;
    let owner = service.owner(&alice());
    let closed = owner.create_with_id("closed", NewSession::default()).await.unwrap();
    let minted = owner.create(NewSession::default()).await.unwrap();
    hand.advance(secs(10));
    let (closed_at, minted_id) = (hand.now(), minted.id().as_str().to_owned());
    assert!(closed.close().await.unwrap());
    assert!(minted.close().await.unwrap());
    let idle = owner.create_with_id("idle", NewSession::default().idle_timeout(secs(5))).await.unwrap();
    let old = owner.create_with_id("old", NewSession::default().max_lifetime(secs(5))).await.unwrap();
    let dead_at = Timestamp::from_micros(hand.now().as_micros() + 5_000_000);
    hand.advance(secs(7));
    let (idle_end, old_end) =
        (Ended { reason: EndReason::Idle, at: dead_at }, Ended { reason: EndReason::Lifetime, at: dead_at });
    assert_eq!((idle.read().unwrap_err(), old.read().unwrap_err()), (idle_end, old_end));
    let evicted = owner.create_with_id("evicted", NewSession::default()).await.unwrap();
    let evicted_at = hand.now();
    for _ in 0..4 {
        hand.advance(Duration::from_micros(1));
        owner.create(NewSession::default()).await.unwrap();
    }
    let evicted_end = Ended { reason: EndReason::Evicted, at: evicted.read().unwrap_err().at };
    assert!(evicted_end.at > evicted_at);
    let closed_end = Ended { reason: EndReason::Closed, at: closed_at };
    let all = [
        (&closed, "closed", closed_end),
        (&minted, minted_id.as_str(), closed_end),
        (&idle, "idle", idle_end),
        (&old, "old", old_end),
        (&evicted, "evicted", evicted_end),
    ];
    for (session, id, ended) in all {
        stays(&service, session, id, ended).await;
    }
    service.operator().sweep().await.unwrap();
    service.snapshot().await.unwrap();
    for (session, id, ended) in all {
        stays(&service, session, id, ended).await;
    }
    service.drain().await.unwrap();
    let again = start(folder.path(), &hand).await;
    for (_, id, ended) in all {
        remembered(&again, id, ended).await;
    }
    // The reference from before the restart is as dead as it was.
    assert_eq!(closed.read().unwrap_err(), closed_end);
}

#[tokio::test]
async fn closing_what_has_expired_does_not_make_it_closed() {
    let hand = Hand::new();
    let service = SessionService::builder().clock(hand.clock()).start().await.unwrap();
    let owner = service.owner(&alice());
    let one = owner.create(NewSession::default().idle_timeout(secs(5))).await.unwrap();
    let two = owner.create(NewSession::default().idle_timeout(secs(5))).await.unwrap();
    hand.advance(secs(60));
    assert!(!one.close().await.unwrap());
    assert_eq!(owner.close_all().await.unwrap(), 0);
    for session in [one, two] {
        let ended = session.read().unwrap_err();
        assert_eq!((ended.reason, hand.now().since(ended.at)), (EndReason::Idle, secs(55)));
    }
}

#[tokio::test]
async fn an_id_can_be_used_again_once_its_end_is_forgotten() {
    let service = SessionService::builder().max_tombstones_per_owner(1_usize).start().await.unwrap();
    let owner = service.owner(&alice());
    owner.create_with_id("a", NewSession::default()).await.unwrap().close().await.unwrap();
    owner.create_with_id("b", NewSession::default()).await.unwrap().close().await.unwrap();
    assert!(owner.create_with_id("b", NewSession::default()).await.is_err());
    assert!(owner.create_with_id("a", NewSession::default()).await.is_ok());
}

#[tokio::test]
async fn a_bucket_ends_too_and_the_next_access_starts_a_new_one() {
    let service = SessionService::builder().start().await.unwrap();
    let owner = service.owner(&alice());
    for (first, again) in [
        (owner.bucket().await.unwrap(), owner.bucket().await.unwrap()),
        (service.global().await.unwrap(), service.global().await.unwrap()),
    ] {
        assert_eq!(first.id(), again.id());
        first.set("a", &1).await.unwrap();
        first.close().await.unwrap();
        assert!(again.set("a", &2).await.is_err());
    }
    assert!(owner.bucket().await.unwrap().read().unwrap().is_empty());
    assert!(service.global().await.unwrap().read().unwrap().is_empty());
    assert_eq!(service.operator().stats().sessions, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_finds_a_bucket_ended_gets_a_new_one() {
    let service = SessionService::builder().max_tombstones_per_owner(10_usize).start().await.unwrap();
    let owner = service.owner(&alice());
    for _ in 0..300 {
        let bucket = owner.bucket().await.unwrap();
        let closing = tokio::spawn({
            let bucket = bucket.clone();
            async move { bucket.close().await }
        });
        while bucket.read().is_ok() {
            std::hint::spin_loop();
        }
        assert_ne!(owner.bucket().await.unwrap().id(), bucket.id());
        closing.await.unwrap().unwrap();
    }
}

/// What the model knows of one id.
#[derive(Clone, Debug, PartialEq)]
enum Modelled {
    Live { entries: BTreeMap<String, u64>, revision: u64, last_use: u64, idle: u64, ends_at: u64 },
    Ended(Ended),
}

#[derive(Clone, Default)]
struct Model(BTreeMap<String, Modelled>);

impl Model {
    fn at(&mut self, id: &str, now: u64, touch: bool) -> Option<&mut Modelled> {
        let modelled = self.0.get_mut(id)?;
        if let Modelled::Live { last_use, idle, ends_at, .. } = modelled {
            let by_idle = *last_use + *idle;
            let (at, reason) =
                if by_idle < *ends_at { (by_idle, EndReason::Idle) } else { (*ends_at, EndReason::Lifetime) };
            if at <= now {
                *modelled = Modelled::Ended(Ended { reason, at: Timestamp::from_micros(at) });
            } else if touch {
                *last_use = now;
            }
        }
        Some(modelled)
    }
}

async fn one_case(seed: u64) {
    let mut random = Random(seed);
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let formats = [Format::Bincode, Format::Json];
    let builder = || {
        SessionService::builder()
            .snapshots(folder.path())
            .clock(hand.clock())
            .idle_timeout(secs(100))
            .max_lifetime(secs(250))
    };
    let mut service = builder().format(formats[(seed % 2) as usize]).start().await.unwrap();
    let (mut model, mut saved) = (Model::default(), Model::default());
    let mut stale: Vec<(String, Session)> = Vec::new();
    for step in 0..200 {
        let owner = service.owner(&alice());
        let now = hand.now().as_micros();
        let id = format!("id-{}", random.below(8));
        let here = || format!("case {seed}, step {step}, {id}");
        match random.below(100) {
            0..22 => {
                let idle = secs(20 + random.below(80));
                let expected = model.at(&id, now, false).cloned();
                match (owner.create_with_id(&id, NewSession::default().idle_timeout(idle)).await, expected) {
                    (Ok(session), None) => {
                        let (idle, ends_at) = (idle.as_micros() as u64, now + 250_000_000);
                        let live =
                            Modelled::Live { entries: BTreeMap::new(), revision: 0, last_use: now, idle, ends_at };
                        model.0.insert(id.clone(), live);
                        stale.push((id.clone(), session));
                    }
                    (Err(CreateError::AlreadyExists), Some(Modelled::Live { .. })) => {}
                    (Err(CreateError::Ended(found)), Some(Modelled::Ended(ended))) => {
                        assert_eq!(found, ended, "{}", here())
                    }
                    (found, expected) => panic!("{}: {found:?}, not {expected:?}", here()),
                }
            }
            22..45 => match (owner.open(&id).await, model.at(&id, now, true)) {
                (Ok(session), Some(Modelled::Live { entries, revision, .. })) => {
                    let view = session.read().unwrap();
                    let found: BTreeMap<_, _> =
                        view.entries().map(|entry| (entry.key.to_owned(), entry.value.parse().unwrap())).collect();
                    assert_eq!((&found, view.revision().get()), (&*entries, *revision), "{}", here());
                }
                (Err(OpenError::Ended(found)), Some(Modelled::Ended(ended))) => assert_eq!(found, *ended, "{}", here()),
                (Err(OpenError::Unknown), None) => {}
                (found, expected) => panic!("{}: {found:?}, not {expected:?}", here()),
            },
            45..70 if !stale.is_empty() => {
                // Through a reference of any age, of this service.
                let (id, session) = stale[random.below(stale.len() as u64) as usize].clone();
                let (key, value) = (format!("k{}", random.below(4)), random.below(1_000));
                let updated = session.update({
                    let key = key.clone();
                    move |draft| {
                        if value % 7 != 0 {
                            return draft.set(&key, &value);
                        }
                        draft.remove(&key);
                        Ok(())
                    }
                });
                match (updated.await, model.at(&id, now, true)) {
                    (Ok(updated), Some(Modelled::Live { entries, revision, .. })) => {
                        let before = entries.clone();
                        if value % 7 == 0 {
                            entries.remove(&key)
                        } else {
                            entries.insert(key, value)
                        };
                        *revision += u64::from(before != *entries);
                        assert_eq!(updated.revision.get(), *revision, "{}", here());
                    }
                    (Err(UpdateError::Ended(found)), Some(Modelled::Ended(ended))) => {
                        assert_eq!(found, *ended, "{}", here())
                    }
                    (found, expected) => panic!("{}: {found:?}, not {expected:?}", here()),
                }
            }
            70..76 => {
                if let Some((id, session)) = stale.last().cloned() {
                    let closed = session.close().await.unwrap();
                    let modelled = model.at(&id, now, false).unwrap();
                    assert_eq!(closed, matches!(modelled, Modelled::Live { .. }), "{}", here());
                    if closed {
                        *modelled = Modelled::Ended(Ended { reason: EndReason::Closed, at: hand.now() });
                    }
                }
            }
            76..92 => hand.advance(Duration::from_millis(random.below(30_000))),
            92..96 => drop(service.operator().sweep().await.unwrap()),
            96..98 => {
                service.snapshot().await.unwrap();
                saved = model.clone();
            }
            98 => {
                service.drain().await.unwrap();
                saved = model.clone();
                service = builder().format(formats[(step % 2) as usize]).start().await.unwrap();
                stale.clear();
            }
            _ => {
                // Dropped without a drain: what came after the last snapshot is lost, the end of a session with it.
                drop(service);
                service = builder().start().await.unwrap();
                model = saved.clone();
                stale.clear();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_steps_agree_with_a_model() {
    let seed = seed();
    for case in 0..256 {
        one_case(seed.wrapping_add(case)).await;
    }
}

/// The snapshot holds its events, and the journal its end: the one says nothing against the other.
#[tokio::test]
async fn a_session_with_events_that_ended_after_the_snapshot_stays_ended() {
    let folder = tempfile::tempdir().unwrap();
    let start = || SessionService::builder().snapshots(folder.path()).durability(Durability::Commit).start();
    let service = start().await.unwrap();
    let owner = service.owner(&alice());
    let (kept, closed) = (owner.bucket().await.unwrap(), owner.create(NewSession::default()).await.unwrap());
    for session in [&kept, &closed] {
        session.events().append("stream", &Json::parse("1").unwrap()).await.unwrap();
    }
    service.snapshot().await.unwrap();
    let id = closed.info().unwrap().id.unwrap();
    kept.set("n", &1).await.unwrap();
    closed.close().await.unwrap();
    drop((service, owner, kept, closed));
    let service = start().await.unwrap();
    assert!(!service.restored().degraded(), "{:?}", service.restored());
    let owner = service.owner(&alice());
    let bucket = owner.bucket().await.unwrap();
    assert_eq!(bucket.get::<u64>("n").unwrap(), Some(1));
    assert_eq!(bucket.events().recent("stream", 9).await.unwrap().len(), 1);
    assert!(matches!(owner.open(id.as_str()).await, Err(OpenError::Ended(_))));
}
