//! An update with an idempotency key is applied once, over restarts too, and a caller can ask what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{Hand, alice, bob, quiet_panics, secs};
use sessile::{
    DraftError, Format, IdempotencyKey, ImportOptions, KeyOutcome, Limit, NewSession, OnConflict, Once, Revision,
    Session, SessionService, UpdateError,
};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

async fn session(service: &SessionService) -> Session {
    service.owner(&alice()).create(NewSession::default()).await.unwrap()
}

async fn add(session: &Session, text: &str) -> Once<i64> {
    session.update_once(key(text), |draft| draft.increment("n", 1)).await.unwrap()
}

/// Revision and value of what is remembered.
fn told(outcome: Option<KeyOutcome>) -> Option<(u64, Option<String>)> {
    outcome.map(|outcome| (outcome.revision.get(), outcome.value.map(|value| value.as_str().to_owned())))
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_gets_the_first_answer() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    assert_eq!(told(session.outcome(key("a")).unwrap()), None);
    assert!(!add(&session, "a").await.is_repeated());
    assert!(!add(&session, "b").await.is_repeated());
    let repeat = add(&session, "a").await;
    assert!(repeat.is_repeated());
    assert_eq!((repeat.revision(), repeat.into_value()), (Revision::new(1), Some(1)));
    assert_eq!(session.read().unwrap().revision(), Revision::new(2));
    assert_eq!(told(session.outcome(key("a")).unwrap()), Some((1, Some("1".to_owned()))));
    // A key is a session's own.
    let other = service.owner(&bob()).create(NewSession::default()).await.unwrap();
    assert_eq!(told(other.outcome(key("a")).unwrap()), None);
    assert!(!add(&other, "a").await.is_repeated());
}

#[tokio::test]
async fn an_update_that_changes_no_entry_is_remembered_all_the_same() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    for repeated in [false, true] {
        let once = session.update_once(key("b"), |_| Ok::<_, DraftError>("looked".to_owned())).await.unwrap();
        assert_eq!((once.is_repeated(), once.revision().get()), (repeated, 1));
        assert_eq!(once.into_value().as_deref(), Some("looked"));
    }
    assert_eq!(session.read().unwrap().revision(), Revision::new(1));
}

#[tokio::test]
async fn what_fails_or_panics_is_not_remembered() {
    quiet_panics();
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let failed = session.update_once(key("a"), |draft| {
        draft.increment("n", 1).map_err(|_| "no")?;
        Err::<i64, _>("no")
    });
    assert!(matches!(failed.await, Err(UpdateError::Rejected("no"))));
    let panicked = session.update_once::<i64, DraftError, _>(key("a"), |_| panic!("planted"));
    assert!(matches!(panicked.await, Err(UpdateError::Panicked { .. })));
    assert_eq!(told(session.outcome(key("a")).unwrap()), None);
    assert_eq!(session.read().unwrap().revision(), Revision::ZERO);
    assert!(!add(&session, "a").await.is_repeated());
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let once = |key: IdempotencyKey, by| {
        let session = session.clone();
        async move { session.update_once(key, move |draft| draft.increment("n", by)).await }
    };
    assert!(!once(key("a").of_request("by 1"), 1).await.unwrap().is_repeated());
    assert!(once(key("a").of_request("by 1"), 1).await.unwrap().is_repeated());
    let reused = once(key("a").of_request("by 2"), 2).await.unwrap_err();
    let UpdateError::KeyReused(told) = reused else { panic!("{reused:?}") };
    assert_eq!(told.revision, Revision::new(1));
    // Where one of the two tells no content, the key alone counts.
    assert!(once(key("a"), 2).await.unwrap().is_repeated());
    // What it returned does not fit: another request, though none was told.
    let other = session.update_once(key("a"), |_| Ok::<_, DraftError>("text".to_owned())).await;
    assert!(matches!(other, Err(UpdateError::KeyReused(_))));
    assert_eq!(session.get::<i64>("n").unwrap(), Some(1));
}

/// Is written as a number and read as text.
#[derive(Debug)]
struct OneWay(String);

impl serde::Serialize for OneWay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.len() as u64)
    }
}

impl<'de> serde::Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[tokio::test]
async fn what_does_not_read_back_makes_no_repeat_another_request() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    for (plain, place) in [("told", 1), ("untold", 3)] {
        let key = |text: &str| match plain {
            "told" => key(&format!("{text}-{plain}")).of_request(text),
            _ => key(&format!("{text}-{plain}")),
        };
        for repeated in [false, true] {
            let add = |draft: &mut sessile::Draft| draft.increment("n", 1);
            let number = session.update_once(key("nan"), move |draft| add(draft).map(|_| f64::NAN)).await.unwrap();
            assert_eq!((number.is_repeated(), number.revision().get()), (repeated, place));
            assert_eq!(number.into_value().map(f64::is_nan), (!repeated).then_some(true));
            let text = session.update_once(key("way"), move |draft| add(draft).map(|_| OneWay("x".to_owned()))).await;
            let text = text.unwrap();
            assert_eq!((text.is_repeated(), text.revision().get()), (repeated, place + 1));
            assert_eq!(text.into_value().map(|text| text.0), (!repeated).then(|| "x".to_owned()));
        }
    }
    // What a release before returned for the same request.
    let told = key("release").of_request("the same");
    session.update_once(told, |_| Ok::<_, DraftError>(7)).await.unwrap();
    let later = session.update_once(told, |_| Ok::<_, DraftError>("seven".to_owned())).await.unwrap();
    assert_eq!((later.is_repeated(), later.into_value()), (true, None));
    assert_eq!(session.get::<i64>("n").unwrap(), Some(4));
}

#[tokio::test]
async fn a_repeat_is_no_conflict() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let set = |revision| session.update_once_if(key("a"), Revision::new(revision), |draft| draft.increment("n", 1));
    assert!(matches!(set(7).await, Err(UpdateError::Conflict(conflict)) if conflict.current == Revision::ZERO));
    assert!(!set(0).await.unwrap().is_repeated());
    assert!(set(0).await.unwrap().is_repeated());
    assert_eq!(session.get::<i64>("n").unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_is_applied() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    for round in 0..20 {
        let runs = Arc::new(AtomicU32::new(0));
        let racers: Vec<_> = (0..64)
            .map(|_| {
                let (session, runs) = (session.clone(), Arc::clone(&runs));
                tokio::spawn(async move {
                    let change = move |draft: &mut sessile::Draft| {
                        runs.fetch_add(1, Ordering::SeqCst);
                        draft.increment("n", 1)
                    };
                    session.update_once(key(&format!("round-{round}")), change).await.unwrap()
                })
            })
            .collect();
        let (mut applied, mut answers) = (0, Vec::new());
        for racer in racers {
            let once = racer.await.unwrap();
            applied += u32::from(!once.is_repeated());
            answers.push((once.revision().get(), once.into_value()));
        }
        assert_eq!((applied, runs.load(Ordering::SeqCst)), (1, 1));
        assert!(answers.iter().all(|answer| *answer == (round + 1, Some(round as i64 + 1))), "{answers:?}");
    }
}

#[tokio::test]
async fn keys_come_back_after_a_restart_in_both_formats() {
    for (format, next) in [(Format::Bincode, Format::Json), (Format::Json, Format::Bincode)] {
        let folder = tempfile::tempdir().unwrap();
        let hand = Hand::new();
        let start = |format| {
            let builder = SessionService::builder().snapshots(folder.path()).format(format).clock(hand.clock());
            builder.idle_timeout(None).max_lifetime(None).start()
        };
        let service = start(format).await.unwrap();
        let session = session(&service).await;
        let id = session.id().clone();
        add(&session, "a").await;
        let large = session.update_once(key("large"), |_| Ok::<_, DraftError>("x".repeat(5_000))).await.unwrap();
        assert_eq!(large.into_value().map(|text| text.len()), Some(5_000));
        session.update_once(key("told").of_request("one"), |draft| draft.increment("n", 1)).await.unwrap();
        let before = session.info().unwrap().bytes;
        service.drain().await.unwrap();
        // Twice, so that what was read is written too.
        for format in [next, format] {
            let service = start(format).await.unwrap();
            let session = service.owner(&alice()).open(id.as_str()).await.unwrap();
            assert_eq!(session.info().unwrap().bytes, before);
            let repeat = add(&session, "a").await;
            assert_eq!((repeat.is_repeated(), repeat.revision().get(), repeat.into_value()), (true, 1, Some(1)));
            let large = session.update_once(key("large"), |_| Ok::<_, DraftError>(String::new())).await.unwrap();
            assert_eq!((large.is_repeated(), large.revision().get(), large.into_value()), (true, 2, None));
            let other = key("told").of_request("two");
            let reused = session.update_once(other, |draft| draft.increment("n", 1)).await;
            assert!(matches!(reused, Err(UpdateError::KeyReused(_))));
            service.drain().await.unwrap();
        }
        // The window goes on while the service is down.
        hand.advance(secs(24 * 60 * 60));
        let service = start(format).await.unwrap();
        let session = service.owner(&alice()).open(id.as_str()).await.unwrap();
        assert!(!add(&session, "a").await.is_repeated());
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_window_and_beyond_the_count() {
    let hand = Hand::new();
    let builder = SessionService::builder().clock(hand.clock()).idempotency_keys(3).idempotency_window(secs(60));
    let service = builder.start().await.unwrap();
    let session = session(&service).await;
    add(&session, "a").await;
    hand.advance(secs(59));
    assert!(add(&session, "a").await.is_repeated());
    hand.advance(secs(1));
    assert_eq!(told(session.outcome(key("a")).unwrap()), None);
    for text in ["a", "b", "c", "d"] {
        assert!(!add(&session, text).await.is_repeated());
    }
    assert_eq!(told(session.outcome(key("a")).unwrap()), None, "three are kept");
    assert!(add(&session, "b").await.is_repeated());
    assert_eq!(session.get::<i64>("n").unwrap(), Some(5));
    for (keys, window) in [(0, 60), (1_025, 60), (1, 0)] {
        let builder = SessionService::builder().idempotency_keys(keys).idempotency_window(secs(window));
        assert!(builder.start().await.is_err());
    }
}

#[tokio::test]
async fn keys_count_against_the_session_its_owner_and_all() {
    let service =
        SessionService::builder().max_session_bytes(4_096_u64).max_total_bytes(6_000_u64).start().await.unwrap();
    let one = session(&service).await;
    let fill = |session: &Session, text: &str, bytes: usize| {
        let (session, key) = (session.clone(), key(text));
        async move { session.update_once(key, move |_| Ok::<_, DraftError>("x".repeat(bytes))).await }
    };
    fill(&one, "a", 3_000).await.unwrap();
    assert_eq!(one.info().unwrap().bytes, 64 + 3_002);
    let refused = |result: Result<Once<String>, UpdateError>| match result {
        Err(UpdateError::LimitExceeded(limit)) => limit.limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(fill(&one, "b", 1_000).await), Limit::SessionBytes);
    assert_eq!(told(one.outcome(key("b")).unwrap()), None);
    let other = session(&service).await;
    assert_eq!(refused(fill(&other, "a", 3_000).await), Limit::TotalBytes);
    one.close().await.unwrap();
    fill(&other, "a", 3_000).await.unwrap();
}

#[tokio::test]
async fn an_import_brings_the_keys_of_the_state_that_it_brings() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let service = SessionService::builder().clock(hand.clock()).start().await.unwrap();
    let session = session(&service).await;
    add(&session, "a").await;
    let file = folder.path().join("export");
    service.export(&file, Format::Json).await.unwrap();
    add(&session, "b").await;
    add(&session, "c").await;
    let report = service.import(&file, ImportOptions::default().on_conflict(OnConflict::Replace));
    report.await.unwrap();
    assert_eq!(session.get::<i64>("n").unwrap(), Some(1));
    // The revision that brought it: 1 is what it had in the file, and here the number of what is gone.
    assert_eq!(session.read().unwrap().revision(), Revision::new(4));
    assert_eq!(told(session.outcome(key("a")).unwrap()), Some((4, Some("1".to_owned()))));
    let repeat = add(&session, "a").await;
    assert_eq!((repeat.is_repeated(), repeat.revision()), (true, Revision::new(4)));
    assert!(!add(&session, "b").await.is_repeated());
}
