//! Guarantee 7: expiry is checked at every access; files carry deadlines and touches; time spent down counts.

use std::path::Path;
use std::time::Duration;

use crate::common::{Hand, alice, secs};
use sessile::{
    Builder, DraftError, EndReason, Ended, Format, Limit, NewSession, SessionService, Timestamp, Ttl, UpdateError,
};

fn builder(hand: &Hand) -> Builder {
    SessionService::builder().clock(hand.clock()).idle_timeout(secs(100)).max_lifetime(secs(250))
}

async fn in_folder(folder: &Path, hand: &Hand) -> SessionService {
    builder(hand).snapshots(folder).start().await.unwrap()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.after(by)
}

#[tokio::test]
async fn a_session_ends_at_its_deadline_to_the_microsecond() {
    let hand = Hand::new();
    let service = builder(&hand).start().await.unwrap();
    let owner = service.owner(&alice());
    let session = owner.create(NewSession::default()).await.unwrap();
    let started = hand.now();
    assert_eq!(session.info().unwrap().expires_at, Some(later(started, secs(100))));
    hand.advance(secs(100) - Duration::from_micros(1));
    // Looking at it is no use of it; reading is.
    session.info().unwrap();
    session.read().unwrap();
    hand.advance(secs(99));
    session.touch().unwrap();
    assert_eq!(session.info().unwrap().expires_at, Some(later(started, secs(250))), "the lesser of both");
    hand.advance(secs(250) - hand.now().since(started) - Duration::from_micros(1));
    session.read().unwrap();
    hand.advance(Duration::from_micros(1));
    let ended = Ended { reason: EndReason::Lifetime, at: later(started, secs(250)) };
    assert_eq!(session.read().unwrap_err(), ended);

    let idle = owner.create(NewSession::default()).await.unwrap();
    let started = hand.now();
    hand.advance(secs(100));
    // Nobody swept: the access itself finds it, and says when it was, not when it was noticed.
    hand.advance(secs(720));
    assert_eq!(idle.read().unwrap_err(), Ended { reason: EndReason::Idle, at: later(started, secs(100)) });
    assert_eq!(service.operator().stats().sessions, 0);
}

#[tokio::test]
async fn every_access_finds_the_end() {
    let hand = Hand::new();
    let service = builder(&hand).start().await.unwrap();
    let owner = service.owner(&alice());
    for access in 0..6 {
        let (session, created) = owner.get_or_create("cart").await.unwrap();
        assert!(created, "access {access}: the name of an expired session is free");
        hand.advance(secs(100));
        match access {
            0 => drop(session.read().unwrap_err()),
            1 => assert!(matches!(session.increment("n", 1).await, Err(UpdateError::Ended(_)))),
            2 => drop(owner.open(session.id().as_str()).await.unwrap_err()),
            3 => assert!(owner.list(&Default::default()).await.unwrap().sessions.is_empty()),
            4 => assert!(service.operator().session(session.id().as_str()).await.is_err()),
            _ => assert_eq!(service.operator().sweep().await.unwrap().expired, 1),
        }
    }
}

#[tokio::test]
async fn timeouts_asked_for_are_shorter_or_refused() {
    let hand = Hand::new();
    let service = builder(&hand).start().await.unwrap();
    let owner = service.owner(&alice());
    for refused in [
        NewSession::default().idle_timeout(secs(101)),
        NewSession::default().idle_timeout(Duration::ZERO),
        NewSession::default().max_lifetime(secs(251)),
    ] {
        assert!(matches!(owner.create(refused).await, Err(sessile::CreateError::Timeout { .. })));
    }
    let short = owner.create(NewSession::default().idle_timeout(secs(10)).max_lifetime(secs(15))).await.unwrap();
    assert_eq!(short.info().unwrap().expires_at, Some(later(hand.now(), secs(10))));
    let bucket = owner.bucket().await.unwrap();
    assert_eq!(bucket.info().unwrap().expires_at, None);
    hand.advance(secs(1_000_000_000));
    assert!(bucket.read().is_ok() && short.read().is_err());
}

#[tokio::test]
async fn extend_moves_the_end_within_what_files_can_spell() {
    let hand = Hand::new();
    let service = builder(&hand).start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    for _ in 0..5 {
        hand.advance(secs(90));
        let before = session.read().unwrap().revision().get();
        assert_eq!(session.extend(secs(250)).await.unwrap().revision.get(), before + 1);
    }
    let refused = session.extend(secs(251)).await;
    assert!(
        matches!(refused, Err(UpdateError::LimitExceeded(limit)) if limit.limit == Limit::LifetimeSeconds && limit.allowed == 250)
    );
    session.extend(secs(1)).await.unwrap();
    hand.advance(secs(1));
    assert_eq!(session.read().unwrap_err().reason, EndReason::Lifetime);

    // Where the service sets no limit the calendar does: one session must not keep all others from being written.
    for format in [Format::Bincode, Format::Json] {
        let folder = tempfile::tempdir().unwrap();
        let service =
            SessionService::builder().max_lifetime(None).snapshots(folder.path()).format(format).start().await.unwrap();
        let session = service.owner(&alice()).create(NewSession::default().max_lifetime(secs(9))).await.unwrap();
        assert!(matches!(session.extend(Duration::MAX).await, Err(UpdateError::LimitExceeded(_))));
        session.extend(sessile::defaults::MAX_TIMEOUT).await.unwrap();
        session.set_with("absolute", &1, Ttl::Absolute(Duration::MAX)).await.unwrap();
        session.set_with("sliding", &1, Ttl::Sliding(Duration::MAX)).await.unwrap();
        service.snapshot().await.unwrap();
    }
}

#[tokio::test]
async fn entries_expire_by_an_absolute_and_by_a_sliding_ttl() {
    let hand = Hand::new();
    let service = SessionService::builder().clock(hand.clock()).start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    let zero = session.set_with("zero", &1, Ttl::Sliding(Duration::ZERO)).await;
    assert!(matches!(zero, Err(UpdateError::Rejected(DraftError::ZeroTtl))));
    session.set("stays", &1).await.unwrap();
    session.set_with("absolute", &1, Ttl::Absolute(secs(10))).await.unwrap();
    session.set_with("sliding", &1, Ttl::Sliding(secs(10))).await.unwrap();
    session.set_with("listed", &1, Ttl::Sliding(secs(10))).await.unwrap();
    for _ in 0..3 {
        hand.advance(secs(4));
        // Reading a sliding entry keeps it, listing does not.
        assert_eq!(session.get::<u32>("sliding").unwrap(), Some(1));
        assert_eq!(session.get::<u32>("stays").unwrap(), Some(1));
        let _ = session.read().unwrap().entries().count();
    }
    let view = session.read().unwrap();
    let keys: Vec<_> = view.entries().map(|entry| entry.key).collect();
    assert_eq!((keys.as_slice(), view.len()), (["sliding", "stays"].as_slice(), 2));
    assert_eq!(view.entry("sliding").unwrap().expires_at, Some(later(hand.now(), secs(10))));
    // They are out of sight at once; a sweep takes them out of memory, and no revision passes.
    let (revision, bytes) = (view.revision(), view.bytes());
    assert_eq!(service.operator().sweep().await.unwrap().purged, 1);
    let view = session.read().unwrap();
    assert_eq!(view.revision(), revision);
    assert_eq!(bytes - view.bytes(), "absolute1listed1".len() as u64);
    assert_eq!(service.operator().stats().bytes, view.bytes());
    hand.advance(secs(10));
    assert_eq!(session.increment("sliding", 5).await.unwrap().value, 5, "an expired entry counts as none");
}

#[tokio::test]
async fn a_read_keeps_a_session_alive_over_a_restart_and_time_down_counts() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let service = in_folder(folder.path(), &hand).await;
    let owner = service.owner(&alice());
    let read = owner.create_with_id("read", NewSession::default()).await.unwrap();
    let left = owner.create_with_id("left", NewSession::default()).await.unwrap();
    read.set("a", &1).await.unwrap();
    read.set_with("sliding", &1, Ttl::Sliding(secs(90))).await.unwrap();
    read.set_with("unread", &1, Ttl::Sliding(secs(90))).await.unwrap();
    left.set("a", &1).await.unwrap();
    let left_at = hand.now();
    hand.advance(secs(60));
    assert_eq!(read.get::<u32>("sliding").unwrap(), Some(1));
    service.drain().await.unwrap();
    hand.advance(secs(60));
    let service = in_folder(folder.path(), &hand).await;
    let report = service.restored();
    assert_eq!((report.sessions, report.expired, report.clock_behind), (1, 1, None));
    let owner = service.owner(&alice());
    let read = owner.open("read").await.unwrap();
    assert_eq!(read.get::<u32>("a").unwrap(), Some(1));
    assert_eq!(read.get::<u32>("sliding").unwrap(), Some(1));
    assert_eq!(read.get::<u32>("unread").unwrap(), None);
    let ended = Ended { reason: EndReason::Idle, at: later(left_at, secs(100)) };
    assert_eq!(owner.open("left").await.unwrap_err(), sessile::OpenError::Ended(ended));
    // Its end is remembered from then on, through the next restart too.
    service.drain().await.unwrap();
    let service = in_folder(folder.path(), &hand).await;
    assert_eq!(service.owner(&alice()).open("left").await.unwrap_err(), sessile::OpenError::Ended(ended));
}

#[tokio::test(start_paused = true)]
async fn a_touch_alone_is_written_at_the_next_interval() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let service = in_folder(folder.path(), &hand).await;
    let session = service.owner(&alice()).create_with_id("read", NewSession::default()).await.unwrap();
    service.snapshot().await.unwrap();
    hand.advance(secs(99));
    session.read().unwrap();
    tokio::time::sleep(secs(61)).await;
    drop(service);
    hand.advance(secs(99));
    let service = in_folder(folder.path(), &hand).await;
    assert!(service.owner(&alice()).open("read").await.is_ok());
}

#[tokio::test]
async fn a_clock_behind_the_file_is_reported_and_lengthens_no_life() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let service = in_folder(folder.path(), &hand).await;
    let owner = service.owner(&alice());
    hand.advance(secs(3_600));
    let session = owner.create_with_id("s", NewSession::default()).await.unwrap();
    session.set_with("sliding", &1, Ttl::Sliding(secs(50))).await.unwrap();
    service.drain().await.unwrap();
    hand.go_back(secs(3_600));
    let service = in_folder(folder.path(), &hand).await;
    assert_eq!(service.restored().clock_behind, Some(secs(3_600)));
    let session = service.owner(&alice()).open("s").await.unwrap();
    // Not an hour and a timeout from now: a timeout.
    assert_eq!(session.info().unwrap().expires_at, Some(later(hand.now(), secs(100))));
    hand.advance(secs(50));
    assert_eq!(session.get::<u32>("sliding").unwrap(), None);
    for _ in 0..2 {
        hand.advance(secs(99));
        session.touch().unwrap();
    }
    hand.advance(secs(2));
    assert_eq!(session.read().unwrap_err().reason, EndReason::Lifetime);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_comes_by_itself_every_interval() {
    let service = SessionService::builder().idle_timeout(secs(10)).sweep_every(secs(60)).start().await.unwrap();
    let owner = service.owner(&alice());
    for round in 1..4_u64 {
        owner.create(NewSession::default()).await.unwrap();
        assert_eq!(service.operator().stats().sessions, 1);
        tokio::time::sleep(secs(61)).await;
        let stats = service.operator().stats();
        assert_eq!((stats.sessions, stats.tombstones), (0, round));
    }
}

#[tokio::test(start_paused = true)]
async fn thirty_days_pass() {
    let service = SessionService::builder().start().await.unwrap();
    let owner = service.owner(&alice());
    let bucket = owner.bucket().await.unwrap();
    for _ in 0..30 {
        let session = owner.create(NewSession::default()).await.unwrap();
        tokio::time::advance(secs(24 * 3_600)).await;
        assert_eq!(session.read().unwrap_err().reason, EndReason::Idle);
    }
    assert!(bucket.read().is_ok());
    assert_eq!(service.operator().stats().uptime, secs(30 * 24 * 3_600));
}
