//! Guarantee 6: every access checks the owner; somebody else's session and one that never was answer alike.

use std::sync::Arc;

use crate::common::{Hand, alice, bob, secs};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sessile::{Caller, CallerOwner, IdError, ListQuery, NewSession, OpenError, Principal, SessionService};

#[tokio::test]
async fn a_session_of_somebody_else_answers_as_one_that_never_was() {
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    let hand = Hand::new();
    let service = SessionService::builder().recorder(Arc::new(recorder)).clock(hand.clock()).start().await.unwrap();
    let (alice, bob, anonymous) = (service.owner(&alice()), service.owner(&bob()), service.anonymous());
    let never = {
        // An id that is well-formed and that no session of this service has.
        let elsewhere = SessionService::builder().start().await.unwrap();
        elsewhere.anonymous().create(NewSession::default()).await.unwrap().id().as_str().to_owned()
    };
    let owned = alice.create(NewSession::default()).await.unwrap();
    let (closed, expired) = (
        alice.create(NewSession::default()).await.unwrap(),
        alice.create(NewSession::default().idle_timeout(secs(1))).await.unwrap(),
    );
    closed.close().await.unwrap();
    let secret = anonymous.create(NewSession::default()).await.unwrap();
    let (bucket, global) = (alice.bucket().await.unwrap(), service.global().await.unwrap());
    hand.advance(secs(2));
    let unknown = bob.open(&never).await.unwrap_err();
    assert_eq!(unknown, OpenError::Unknown);
    let _ = metrics.snapshot();
    let mut mismatches = 0;
    for id in [&owned, &closed, &expired, &secret, &bucket, &global].map(|session| session.id().as_str()) {
        let answer = bob.open(id).await.unwrap_err();
        assert_eq!((&answer, answer.to_string()), (&unknown, unknown.to_string()));
        mismatches += 1;
        if id != secret.id().as_str() {
            assert_eq!(anonymous.open(id).await.unwrap_err(), unknown);
            mismatches += 1;
        }
    }
    assert_eq!(alice.open(secret.id().as_str()).await.unwrap_err(), unknown);
    mismatches += 1;
    // Only the operator's metric tells them apart, and it does not count what never was.
    bob.open(&never).await.unwrap_err();
    let counted = metrics
        .snapshot()
        .into_vec()
        .into_iter()
        .find_map(|(key, _, _, value)| (key.key().name() == "sessile_owner_mismatch_total").then_some(value));
    assert_eq!(counted, Some(DebugValue::Counter(mismatches)));
    // The owner, and whoever holds an anonymous id, are told.
    assert!(matches!(alice.open(closed.id().as_str()).await, Err(OpenError::Ended(_))));
    assert!(matches!(alice.open(expired.id().as_str()).await, Err(OpenError::Ended(_))));
    assert!(alice.open(owned.id().as_str()).await.is_ok() && anonymous.open(secret.id().as_str()).await.is_ok());
    // A mistyped id is told apart from an unknown one, whoever types it.
    let mut mistyped = never.clone();
    mistyped.pop();
    assert_eq!(bob.open(&mistyped).await.unwrap_err(), OpenError::Id(IdError::Mistyped));
}

#[tokio::test]
async fn issuer_and_subject_do_not_run_together() {
    let service = SessionService::builder().start().await.unwrap();
    let pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("a\0b", "c"), ("a", "\0bc")];
    for (issuer, subject) in pairs {
        let owner = service.owner(&Principal::new(issuer, subject));
        owner.bucket().await.unwrap().set("who", &(issuer, subject)).await.unwrap();
        owner.create_with_id("same", NewSession::default()).await.unwrap();
    }
    for (issuer, subject) in pairs {
        let owner = service.owner(&Principal::new(issuer, subject));
        let who: (String, String) = owner.bucket().await.unwrap().get("who").unwrap().unwrap();
        assert_eq!((who.0.as_str(), who.1.as_str()), (issuer, subject));
        assert_eq!(owner.list(&ListQuery::default()).await.unwrap().sessions.len(), 1);
    }
    assert_eq!(service.operator().stats().owners, pairs.len() as u64);
}

#[tokio::test]
async fn the_client_joins_the_identity_only_where_it_is_bound() {
    for bound in [false, true] {
        let service = SessionService::builder().bind_client(bound).start().await.unwrap();
        let one = service.owner(&alice().with_client("one"));
        let session = one.create(NewSession::default()).await.unwrap();
        for (client, same) in [(Some("one"), true), (Some("two"), !bound), (None, !bound)] {
            let principal = client.map_or_else(alice, |client| alice().with_client(client));
            let owner = service.owner(&principal);
            assert_eq!(owner.open(session.id().as_str()).await.is_ok(), same, "{bound} {client:?}");
            assert_eq!(owner.list(&ListQuery::default()).await.unwrap().sessions.len() == 1, same);
            assert_eq!(owner.bucket().await.unwrap().id() == one.bucket().await.unwrap().id(), same);
        }
        assert_eq!(service.operator().close_owner(&alice().with_client("one")).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn chosen_ids_and_names_belong_to_their_owner() {
    let service = SessionService::builder().start().await.unwrap();
    let (alice, bob) = (service.owner(&alice()), service.owner(&bob()));
    let id = "2f1f3a3e-7b7d-4c1e-9f6b-0d6f5e8a9b1c";
    let one = alice.create_with_id(id, NewSession::default()).await.unwrap();
    assert_eq!(bob.open(id).await.unwrap_err(), OpenError::Unknown);
    let two = bob.create_with_id(id, NewSession::default()).await.unwrap();
    one.set("who", "alice").await.unwrap();
    two.set("who", "bob").await.unwrap();
    one.close().await.unwrap();
    assert_eq!(bob.open(id).await.unwrap().get::<String>("who").unwrap().as_deref(), Some("bob"));
    let (mine, created) = alice.get_or_create("cart").await.unwrap();
    let (theirs, theirs_created) = bob.get_or_create("cart").await.unwrap();
    assert!(created && theirs_created && mine.id() != theirs.id());
    // The form of a minted id cannot be chosen.
    let reserved = alice.create_with_id(mine.id().as_str(), NewSession::default()).await.unwrap_err();
    assert_eq!(reserved, sessile::CreateError::Id(IdError::Reserved));
}

#[tokio::test]
async fn the_operators_road_leads_across_owners() {
    let service = SessionService::builder().start().await.unwrap();
    let operator = service.operator();
    let (alice_owner, bob_owner) = (service.owner(&alice()), service.owner(&bob()));
    let one = alice_owner.create(NewSession::default()).await.unwrap();
    let secret = service.anonymous().create(NewSession::default()).await.unwrap();
    let chosen = alice_owner.create_with_id("chosen", NewSession::default()).await.unwrap();
    chosen.set("a", &1).await.unwrap();
    assert_eq!(operator.session(one.id().as_str()).await.unwrap().id(), one.id());
    assert_eq!(operator.session("chosen").await.unwrap().get::<u32>("a").unwrap(), Some(1));
    bob_owner.create_with_id("chosen", NewSession::default()).await.unwrap();
    assert_eq!(operator.session("chosen").await.unwrap_err(), OpenError::Unknown);
    let listed = operator.list(&ListQuery::default()).await.unwrap().sessions;
    assert_eq!(listed.len(), 4);
    // Nobody but its holder learns an anonymous id.
    assert_eq!(listed.iter().filter(|info| info.id.is_none()).count(), 1);
    assert!(!format!("{listed:?}").contains(&secret.id().as_str()[8..]));
    assert_eq!(operator.close_owner(&alice()).await.unwrap(), 2);
    assert!(matches!(operator.session(one.id().as_str()).await, Err(OpenError::Ended(_))));
    let stats = operator.stats();
    assert_eq!((stats.sessions, stats.tombstones), (2, 2));
    operator.sweep().await.unwrap();
}

#[tokio::test]
async fn an_anonymous_caller_has_what_it_holds_the_id_of() {
    let service = SessionService::builder().start().await.unwrap();
    let CallerOwner::Anonymous(anonymous) = service.caller(&Caller::Anonymous) else { panic!("not anonymous") };
    assert!(anonymous.create(NewSession::default().name("mine")).await.is_err());
    let session = anonymous.create(NewSession::default()).await.unwrap();
    session.set("a", &1).await.unwrap();
    assert_eq!(anonymous.open(session.id().as_str()).await.unwrap().get::<u32>("a").unwrap(), Some(1));
    assert_eq!(service.operator().stats().owners, 0);
    let CallerOwner::Owner(owner) = service.caller(&Caller::Principal(alice())) else { panic!("anonymous") };
    assert_eq!(owner.open(session.id().as_str()).await.unwrap_err(), OpenError::Unknown);
    for debug in [format!("{session:?}"), format!("{:?}", session.id()), format!("{owner:?}")] {
        assert!(!debug.contains(&session.id().as_str()[8..]) && !debug.contains("alice"), "{debug}");
    }
}

#[tokio::test]
async fn owners_without_sessions_are_forgotten() {
    let service = SessionService::builder().start().await.unwrap();
    for number in 0..100 {
        let owner = service.owner(&Principal::new("i", number.to_string()));
        owner.create(NewSession::default()).await.unwrap().close().await.unwrap();
    }
    service.operator().sweep().await.unwrap();
    assert_eq!(service.operator().stats().owners, 0);
}
