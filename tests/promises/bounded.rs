//! Guarantee 4: mailboxes, sessions, entries and bytes are capped; past a cap the caller gets a typed error, or eviction
//! where that was chosen.

use std::time::Duration;

use crate::common::{Hand, alice, bob, hold, poll_once, secs};
use sessile::{
    AtCapacity, CreateError, DraftError, EndReason, Limit, LimitExceeded, NewSession, OpenError, Overload, Principal,
    SessionService, UpdateError,
};

fn over(limit: Limit, allowed: u64, attempted: u64) -> LimitExceeded {
    LimitExceeded { limit, allowed, attempted }
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_makes_update_wait_and_then_say_so() {
    let service = SessionService::builder().mailbox_turns(3_usize).start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    let held = hold(&session);
    // One runs, and three wait.
    let mut queued: Vec<_> = ["a", "b", "d"].map(|key| Box::pin(session.increment(key, 1))).into();
    assert!(queued.iter_mut().all(|turn| poll_once(turn).is_pending()));

    let before = tokio::time::Instant::now();
    let at_once = session.try_update(|_| Ok::<_, DraftError>(())).await;
    assert!(
        matches!(at_once, Err(UpdateError::Overloaded { met: Overload::Mailbox, waited: Duration::ZERO })),
        "{at_once:?}"
    );
    assert_eq!(before.elapsed(), Duration::ZERO);
    let late = session.update(|_| Ok::<_, DraftError>(())).await;
    assert!(
        matches!(late, Err(UpdateError::Overloaded { met: Overload::Mailbox, waited }) if waited == secs(5)),
        "{late:?}"
    );
    // Timers tick in milliseconds.
    assert!(before.elapsed() >= secs(5) && before.elapsed() < Duration::from_millis(5_002), "{:?}", before.elapsed());

    // One that waits gets the next free place, and others are not hindered meanwhile.
    let other = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    other.set("a", &1).await.unwrap();
    let mut waiting = Box::pin(session.increment("c", 1));
    assert!(poll_once(&mut waiting).is_pending());
    held.release().unwrap();
    for turn in queued {
        turn.await.unwrap();
    }
    assert_eq!(waiting.await.unwrap().revision.get(), 4);
}

#[tokio::test]
async fn a_line_that_is_full_is_told_at_once() {
    let service = SessionService::builder().mailbox_turns(1_usize).mailbox_line(2_u32).start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    let held = hold(&session);
    // One runs, one has the place in the mailbox, and two are in line for it.
    let mut in_line: Vec<_> = (0..3).map(|_| Box::pin(session.increment("n", 1))).collect();
    assert!(in_line.iter_mut().all(|turn| poll_once(turn).is_pending()));
    let refused = session.increment("n", 1).await.unwrap_err();
    assert!(matches!(refused, UpdateError::Overloaded { met: Overload::Line, waited: Duration::ZERO }), "{refused}");
    assert!(refused.to_string().contains("try again later"), "{refused}");
    // Whoever gives up makes room in the line.
    in_line.pop();
    let mut next = Box::pin(session.increment("n", 1));
    assert!(poll_once(&mut next).is_pending());
    held.release().unwrap();
    for turn in in_line.into_iter().chain([next]) {
        turn.await.unwrap();
    }
}

#[tokio::test]
async fn past_the_services_cap_updates_and_creates_are_shed_at_once_and_what_frees_goes_on() {
    let service = SessionService::builder().mailbox_turns(2_usize).max_in_flight(3_u64).start().await.unwrap();
    let owner = service.owner(&alice());
    let (session, other) =
        (owner.create(NewSession::default()).await.unwrap(), owner.create(NewSession::default()).await.unwrap());
    let bucket = owner.bucket().await.unwrap();
    let held = hold(&session);
    // One runs, one has its place in the mailbox, one is in line for a place: each counts.
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(session.increment("n", 1))).collect();
    assert!(waiting.iter_mut().all(|turn| poll_once(turn).is_pending()));
    let shed = other.increment("n", 1).await.unwrap_err();
    assert!(matches!(shed, UpdateError::Overloaded { met: Overload::Service, waited: Duration::ZERO }), "{shed}");
    let in_line = session.increment("n", 1).await.unwrap_err();
    assert!(matches!(in_line, UpdateError::Overloaded { met: Overload::Service, .. }), "{in_line}");
    let created = owner.create(NewSession::default()).await.unwrap_err();
    assert_eq!(created, CreateError::Overloaded(Overload::Service));
    assert_eq!(service.operator().stats().sessions, 3);
    // Reads, what is there already, and ends go on.
    assert_eq!(other.read().unwrap().len(), 0);
    assert_eq!(owner.bucket().await.unwrap().id(), bucket.id());
    assert!(other.close().await.unwrap());
    held.release().unwrap();
    for turn in waiting {
        turn.await.unwrap();
    }
    owner.create(NewSession::default()).await.unwrap().increment("n", 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_closure_that_holds_its_thread_harms_neither_other_sessions_nor_reads() {
    let service = SessionService::builder().start().await.unwrap();
    let owner = service.owner(&alice());
    let stuck = owner.create(NewSession::default()).await.unwrap();
    let (started, running) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let session = stuck.clone();
    let overrunning = tokio::spawn(async move {
        let turn = session.update(move |draft| {
            started.send(()).unwrap();
            wait.recv().unwrap();
            draft.set("stuck", &1)
        });
        turn.await
    });
    running.recv().unwrap();
    let others: Vec<_> = (0..16)
        .map(|_| {
            let (owner, stuck) = (owner.clone(), stuck.clone());
            tokio::spawn(async move {
                let session = owner.create(NewSession::default()).await.unwrap();
                for round in 1..=200 {
                    assert_eq!(session.increment("n", 1).await.unwrap().value, round);
                    assert_eq!(stuck.read().unwrap().len(), 0);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for other in others {
        other.await.unwrap();
    }
    assert!(!overrunning.is_finished());
    go.send(()).unwrap();
    overrunning.await.unwrap().unwrap();
    assert_eq!(stuck.get::<u32>("stuck").unwrap(), Some(1));
}

#[tokio::test]
async fn one_sessions_caps_name_themselves_and_their_figures() {
    let service = SessionService::builder()
        .max_entries(3_u64)
        .max_key_bytes(8)
        .max_value_bytes(600)
        .max_session_bytes(1_024_u64)
        .max_bucket_entries(4_u64)
        .max_bucket_bytes(2_048_u64)
        .start()
        .await
        .unwrap();
    let owner = service.owner(&alice());
    let session = owner.create(NewSession::default()).await.unwrap();
    let rejected = |result: Result<sessile::Updated, UpdateError>| match result {
        Err(UpdateError::Rejected(DraftError::LimitExceeded(limit)) | UpdateError::LimitExceeded(limit)) => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(rejected(session.set("123456789", &1).await), over(Limit::KeyBytes, 8, 9));
    assert_eq!(rejected(session.set("a", &"x".repeat(599)).await), over(Limit::ValueBytes, 600, 601));
    session.set("a", &"x".repeat(598)).await.unwrap();
    assert_eq!(rejected(session.set("b", &"x".repeat(598)).await), over(Limit::SessionBytes, 1_024, 1_202));
    session.set("b", &1).await.unwrap();
    session.set("c", &1).await.unwrap();
    assert_eq!(rejected(session.set("d", &1).await), over(Limit::Entries, 3, 4));
    let long = "x".repeat(257);
    let described = session.describe(move |metadata| metadata.label = Some(long.clone())).await;
    assert_eq!(rejected(described), over(Limit::TextBytes, 256, 257));
    // What was there is there, and there is room again after a removal.
    assert_eq!(session.read().unwrap().len(), 3);
    session.remove("c").await.unwrap();
    session.set("d", &1).await.unwrap();

    let bucket = owner.bucket().await.unwrap();
    bucket.update(|draft| (0..4).try_for_each(|key| draft.set(&key.to_string(), &1))).await.unwrap();
    assert_eq!(rejected(bucket.set("e", &1).await), over(Limit::Entries, 4, 5));
}

#[tokio::test]
async fn bytes_of_an_owner_and_in_all_are_capped_and_freed() {
    let service =
        SessionService::builder().max_owner_bytes(2_000_u64).max_total_bytes(3_000_u64).start().await.unwrap();
    let (alice, bob) = (service.owner(&alice()), service.owner(&bob()));
    let value = "x".repeat(997);
    let one = alice.create(NewSession::default()).await.unwrap();
    let two = alice.create(NewSession::default()).await.unwrap();
    one.set("k", &value).await.unwrap();
    two.set("k", &value).await.unwrap();
    assert_eq!(service.operator().stats().bytes, 2_000);
    let refused = two.set("l", &1).await;
    assert!(
        matches!(refused, Err(UpdateError::LimitExceeded(limit)) if limit == over(Limit::OwnerBytes, 2_000, 2_002))
    );
    let other = bob.create(NewSession::default()).await.unwrap();
    other.set("k", &value).await.unwrap();
    let refused = other.set("l", &1).await;
    assert!(
        matches!(refused, Err(UpdateError::LimitExceeded(limit)) if limit == over(Limit::TotalBytes, 3_000, 3_002))
    );
    // A refusal takes nothing; an end and a removal give back.
    assert_eq!(service.operator().stats().bytes, 3_000);
    one.close().await.unwrap();
    other.set("l", &1).await.unwrap();
    two.clear().await.unwrap();
    assert_eq!(service.operator().stats().bytes, 1_002);
    other.close().await.unwrap();
    two.close().await.unwrap();
    assert_eq!(service.operator().stats().bytes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_creates_and_updates_pass_no_cap() {
    let service = SessionService::builder()
        .max_sessions(40_u64)
        .max_sessions_per_owner(15_u64)
        .max_total_bytes(5_000_u64)
        .start()
        .await
        .unwrap();
    for _ in 0..20 {
        let racers: Vec<_> = (0..64)
            .map(|racer| {
                let owner = service.owner(&Principal::new("i", format!("owner-{}", racer % 3)));
                let service = service.clone();
                tokio::spawn(async move {
                    let created = match owner.create(NewSession::default()).await {
                        Ok(session) => Some(session),
                        Err(CreateError::LimitExceeded(limit)) => {
                            assert!(matches!(
                                (limit.limit, limit.allowed),
                                (Limit::Sessions, 40) | (Limit::SessionsPerOwner, 15)
                            ));
                            None
                        }
                        Err(other) => panic!("{other}"),
                    };
                    if let Some(session) = &created {
                        match session.set("k", &"x".repeat(197)).await {
                            Ok(_) | Err(UpdateError::LimitExceeded(LimitExceeded { limit: Limit::TotalBytes, .. })) => {
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                    let stats = service.operator().stats();
                    assert!(stats.sessions <= 40 && stats.bytes <= 5_000, "{stats:?}");
                    created
                })
            })
            .collect();
        let mut sessions = Vec::new();
        for racer in racers {
            sessions.extend(racer.await.unwrap());
        }
        // Twice and a half as many wanted one: every place is taken and no more.
        assert_eq!((sessions.len(), service.operator().stats().sessions), (40, 40));
        assert_eq!(service.operator().stats().bytes, 5_000);
        for number in 0..3 {
            let owner = service.owner(&Principal::new("i", format!("owner-{number}")));
            assert!(owner.list(&Default::default()).await.unwrap().sessions.len() <= 15);
            owner.close_all().await.unwrap();
        }
        let stats = service.operator().stats();
        assert_eq!((stats.sessions, stats.bytes), (0, 0));
    }
}

#[tokio::test]
async fn the_least_recently_used_goes_and_buckets_never() {
    let hand = Hand::new();
    let service = SessionService::builder()
        .max_sessions(4_u64)
        .at_capacity(AtCapacity::Evict)
        .clock(hand.clock())
        .start()
        .await
        .unwrap();
    let owner = service.owner(&alice());
    let bucket = owner.bucket().await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        hand.advance(secs(1));
        sessions.push(owner.create(NewSession::default()).await.unwrap());
    }
    hand.advance(secs(1));
    sessions[0].touch().unwrap();
    hand.advance(secs(1));
    let fourth = owner.create(NewSession::default()).await.unwrap();
    // The second was used the longest ago; the bucket, older than all, stays.
    let evicted = sessions[1].read().unwrap_err();
    assert_eq!((evicted.reason, evicted.at), (EndReason::Evicted, hand.now()));
    assert_eq!(owner.open(sessions[1].id().as_str()).await.unwrap_err(), OpenError::Ended(evicted));
    for alive in [&bucket, &sessions[0], &sessions[2], &fourth] {
        assert!(alive.info().is_ok());
    }
    // Where only buckets are left there is nothing to evict.
    owner.close_all().await.unwrap();
    for number in 0..4 {
        service.owner(&Principal::new("i", number.to_string())).bucket().await.unwrap();
    }
    let refused = owner.create(NewSession::default()).await;
    assert_eq!(refused.unwrap_err(), CreateError::LimitExceeded(over(Limit::Sessions, 4, 5)));
}

#[tokio::test]
async fn an_owner_at_its_own_cap_evicts_its_own_and_nobody_elses() {
    let hand = Hand::new();
    let service = SessionService::builder()
        .max_sessions(3_u64)
        .max_sessions_per_owner(2_u64)
        .at_capacity(AtCapacity::Evict)
        .clock(hand.clock())
        .start()
        .await
        .unwrap();
    let (alice, bob) = (service.owner(&alice()), service.owner(&bob()));
    let others = bob.create(NewSession::default()).await.unwrap();
    hand.advance(secs(1));
    let first = alice.create_with_id("first", NewSession::default()).await.unwrap();
    hand.advance(secs(1));
    let second = alice.create_with_id("second", NewSession::default()).await.unwrap();
    hand.advance(secs(1));
    // What cannot be created evicts nobody.
    let exists = alice.create_with_id("first", NewSession::default()).await;
    assert_eq!(exists.unwrap_err(), CreateError::AlreadyExists);
    assert!(first.info().is_ok() && second.info().is_ok() && others.info().is_ok());
    // Both caps are met. One end makes room under both, and it is the owner's own.
    alice.create(NewSession::default()).await.unwrap();
    assert_eq!(first.info().unwrap_err().reason, EndReason::Evicted);
    assert!(second.info().is_ok() && others.info().is_ok());
    assert_eq!(service.operator().stats().sessions, 3);
}

#[tokio::test]
async fn an_expired_session_holds_no_place_though_nobody_swept() {
    for policy in [AtCapacity::Reject, AtCapacity::Evict] {
        for (all, each) in [(2_u64, 9_u64), (9, 2)] {
            let hand = Hand::new();
            let service = SessionService::builder()
                .max_sessions(all)
                .max_sessions_per_owner(each)
                .at_capacity(policy)
                .clock(hand.clock())
                .start()
                .await
                .unwrap();
            let owner = service.owner(&alice());
            // The one that lives is the one that was used less recently.
            let lives = owner.create(NewSession::default()).await.unwrap();
            hand.advance(secs(1));
            let short = owner.create(NewSession::default().idle_timeout(secs(10))).await.unwrap();
            if policy == AtCapacity::Reject {
                assert!(matches!(owner.create(NewSession::default()).await, Err(CreateError::LimitExceeded(_))));
            }
            hand.advance(secs(10));
            owner.create(NewSession::default()).await.unwrap();
            assert!(lives.info().is_ok(), "{policy:?} {all} {each}");
            assert_eq!(short.info().unwrap_err().reason, EndReason::Idle);
            assert_eq!(service.operator().stats().sessions, 2);
        }
    }
}

#[tokio::test]
async fn a_lifetime_that_was_cut_short_frees_its_place_in_time() {
    let hand = Hand::new();
    let service = SessionService::builder().max_sessions(1_u64).clock(hand.clock()).start().await.unwrap();
    let owner = service.owner(&alice());
    let session = owner.create(NewSession::default()).await.unwrap();
    assert!(owner.create(NewSession::default()).await.is_err());
    session.extend(secs(5)).await.unwrap();
    hand.advance(secs(5));
    owner.create(NewSession::default()).await.unwrap();
}

#[tokio::test]
async fn an_identity_that_no_file_can_hold_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = SessionService::builder().snapshots(folder.path()).start().await.unwrap();
    let most = 64 << 10;
    let refused = service.owner(&Principal::new("i", "x".repeat(most + 1)));
    let limit = CreateError::LimitExceeded(over(Limit::IdentityBytes, most as u64, most as u64 + 1));
    assert_eq!(refused.create(NewSession::default()).await.unwrap_err(), limit);
    assert_eq!(refused.bucket().await.unwrap_err(), limit);
    service.owner(&Principal::new("i", "x".repeat(most))).bucket().await.unwrap();
    // One of them would keep everybody's state from being written.
    service.snapshot().await.unwrap();
}

#[tokio::test]
async fn remembered_ends_are_bounded_in_all_and_per_owner() {
    let service =
        SessionService::builder().max_tombstones(5_usize).max_tombstones_per_owner(3_usize).start().await.unwrap();
    for principal in [alice(), bob()] {
        for _ in 0..4 {
            service.owner(&principal).create(NewSession::default()).await.unwrap().close().await.unwrap();
        }
    }
    assert_eq!(service.operator().stats().tombstones, 5);
}

#[tokio::test]
async fn at_a_cap_of_entries_the_least_recently_used_go_where_that_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = SessionService::builder().snapshots(folder.path()).max_entries(2_u64).max_bucket_entries(3_u64);
        builder.at_bucket_entry_cap(AtCapacity::Evict).start().await.unwrap()
    };
    let keys = |session: &sessile::Session| -> Vec<String> {
        session.read().unwrap().entries().map(|entry| entry.key.to_owned()).collect()
    };
    let service = start().await;
    let owner = service.owner(&alice());
    let (session, bucket) = (owner.create(NewSession::default()).await.unwrap(), owner.bucket().await.unwrap());
    for key in ["a", "b", "c"] {
        bucket.set(key, &1).await.unwrap();
    }
    // A policy of buckets is none of sessions.
    session.set("a", &1).await.unwrap();
    session.set("b", &1).await.unwrap();
    assert!(matches!(session.set("c", &1).await, Err(UpdateError::LimitExceeded(_))));
    assert_eq!(bucket.get::<u8>("a").unwrap(), Some(1));
    bucket.set("d", &1).await.unwrap();
    assert_eq!(keys(&bucket), ["a", "c", "d"]);
    service.drain().await.unwrap();
    drop((service, session, bucket));
    // Uses are not in files: after a restart the order is that of the last writes, and what is used from then on counts.
    let service = start().await;
    let bucket = service.owner(&alice()).bucket().await.unwrap();
    assert_eq!(bucket.get::<u8>("a").unwrap(), Some(1));
    bucket.set("e", &1).await.unwrap();
    assert_eq!(keys(&bucket), ["a", "d", "e"]);
    service.drain().await.unwrap();

    let service = SessionService::builder().max_entries(1_u64).at_entry_cap(AtCapacity::Evict).start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    session.set("a", &1).await.unwrap();
    session.set("b", &1).await.unwrap();
    assert_eq!(keys(&session), ["b"]);
    service.drain().await.unwrap();
}
