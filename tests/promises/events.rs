//! Event logs: replayed strictly after an event, with gaps told, bounded, in files, and gone with their session.

use crate::common::{Hand, alice, bob, secs};
use sessile::{
    EndReason, Event, EventError, EventId, Format, ImportOptions, Json, Limit, NewSession, Session, SessionService,
};

fn json(number: u64) -> Json {
    Json::of(&number).unwrap()
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.payload.to().unwrap()).collect()
}

async fn session(service: &SessionService) -> Session {
    service.owner(&alice()).create(NewSession::default()).await.unwrap()
}

async fn append(session: &Session, stream: &str, count: u64) -> Vec<EventId> {
    let mut ids = Vec::new();
    for number in 1..=count {
        ids.push(session.events().append(stream, &json(number)).await.unwrap());
    }
    ids
}

#[tokio::test]
async fn what_was_missed_is_replayed_and_nothing_else() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let events = session.events();
    assert!(events.recent("a", 5).await.unwrap().is_empty());
    let a = append(&session, "a", 5).await;
    let b = append(&session, "b", 2).await;
    let missed = events.replay_after("a", &a[1]).await.unwrap();
    assert_eq!((missed.gap, numbers(&missed.events)), (None, vec![3, 4, 5]));
    assert_eq!(missed.events.iter().map(|event| event.id).collect::<Vec<_>>(), a[2..]);
    assert_eq!(events.replay_after("a", &a[4]).await.unwrap().events, []);
    assert_eq!(numbers(&events.recent("a", 2).await.unwrap()), [4, 5]);
    assert_eq!(events.replay_after("b", &a[0]).await, Err(EventError::Unknown));
    assert_eq!(events.trim_before("a", &a[3]).await, Ok(3));
    assert_eq!(numbers(&events.recent("a", 9).await.unwrap()), [4, 5]);
    let gap = events.replay_after("a", &a[0]).await.unwrap();
    assert_eq!(numbers(&gap.events), [4, 5]);
    let told = gap.gap.unwrap();
    assert_eq!((told.at_most, told.first), (Some(2), Some(a[3])));
    assert_eq!(events.replay_after("a", &a[2]).await.unwrap().gap, None, "what was trimmed had been seen");
    assert_eq!(numbers(&events.replay_after("b", &b[0]).await.unwrap().events), [2]);
    // It stands beside the state.
    assert_eq!(session.read().unwrap().revision(), sessile::Revision::ZERO);
    for name in ["", "a\n", &"x".repeat(257)] {
        assert!(matches!(events.append(name, &json(1)).await, Err(EventError::Stream { .. })), "{name:?}");
    }
}

#[tokio::test]
async fn a_position_stands_before_all_that_comes_after_it_over_restarts_too() {
    let folder = tempfile::tempdir().unwrap();
    let start = || SessionService::builder().snapshots(folder.path().to_owned()).start();
    let service = start().await.unwrap();
    let session = session(&service).await;
    let empty = session.events().position("a").await.unwrap();
    append(&session, "b", 3).await;
    let begin = session.events().position("a").await.unwrap();
    let a = append(&session, "a", 2).await;
    let end = session.events().position("a").await.unwrap();
    assert_eq!(end, a[1]);
    let id = session.id().as_str().to_owned();
    for restart in 0..3 {
        let service = if restart == 0 { service.clone() } else { start().await.unwrap() };
        let session = service.owner(&alice()).open(&id).await.unwrap();
        for (after, rest) in [(empty, vec![1, 2]), (begin, vec![1, 2]), (end, vec![])] {
            let missed = session.events().replay_after("a", &after).await.unwrap();
            assert_eq!((missed.gap, numbers(&missed.events)), (None, rest), "restart {restart}");
        }
        assert_eq!(session.events().replay_after("b", &begin).await, Err(EventError::Unknown), "it is of one stream");
        service.drain().await.unwrap();
    }
}

#[tokio::test]
async fn the_oldest_go_at_the_caps_of_a_log() {
    let service = SessionService::builder().max_events(10_u64).max_events_bytes(4_096_u64).start().await.unwrap();
    let session = session(&service).await;
    let ids = append(&session, "s", 25).await;
    assert_eq!(numbers(&session.events().recent("s", 99).await.unwrap()), (16..=25).collect::<Vec<_>>());
    let replay = session.events().replay_after("s", &ids[3]).await.unwrap();
    let told = replay.gap.unwrap();
    assert_eq!((told.at_most, told.first), (Some(11), Some(ids[15])));
    let large = Json::of(&"x".repeat(3_900)).unwrap();
    session.events().append("s", &large).await.unwrap();
    assert_eq!(session.events().recent("s", 99).await.unwrap().len(), 2);
    let refused = session.events().append("s", &Json::of(&"x".repeat(4_096)).unwrap()).await;
    assert!(matches!(refused, Err(EventError::LimitExceeded(met)) if met.limit == Limit::EventBytes), "{refused:?}");
    for (events, bytes) in [(0, 4_096), (100_001, 4_096), (1, 1), (1, (256 << 20) + 1)] {
        let builder = SessionService::builder().max_events(events as u64).max_events_bytes(bytes as u64);
        assert!(builder.start().await.is_err());
    }
}

#[tokio::test]
async fn an_id_of_another_session_is_unknown_and_the_end_takes_the_log() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let start = || SessionService::builder().snapshots(folder.path()).clock(hand.clock()).start();
    let service = start().await.unwrap();
    let (one, other) = (session(&service).await, service.owner(&bob()).create(NewSession::default()).await.unwrap());
    let (ids, others) = (append(&one, "s", 3).await, append(&other, "s", 3).await);
    assert_eq!(one.events().replay_after("s", &others[0]).await, Err(EventError::Unknown));
    assert_eq!(other.events().replay_after("s", &ids[0]).await, Err(EventError::Unknown));
    let before = service.operator().stats().bytes;
    one.close().await.unwrap();
    assert_eq!(before - service.operator().stats().bytes, 3 * (64 + 1 + 1));
    let ended = |result: Result<_, EventError>| match result {
        Err(EventError::Ended(ended)) => ended.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(ended(one.events().append("s", &json(1)).await.map(drop)), EndReason::Closed);
    assert_eq!(ended(one.events().replay_after("s", &ids[0]).await.map(drop)), EndReason::Closed);
    assert_eq!(ended(one.events().recent("s", 1).await.map(drop)), EndReason::Closed);
    assert_eq!(ended(one.events().trim_before("s", &ids[0]).await.map(drop)), EndReason::Closed);
    // An append keeps nothing alive; a replay does.
    hand.advance(secs(29 * 60));
    append(&other, "s", 1).await;
    hand.advance(secs(60));
    assert_eq!(ended(other.events().append("s", &json(1)).await.map(drop)), EndReason::Idle);
    assert_eq!(service.operator().stats().bytes, 0);
    service.drain().await.unwrap();
    assert_eq!(start().await.unwrap().operator().stats().bytes, 0);
}

#[tokio::test]
async fn bytes_of_logs_count_against_the_owner_and_all() {
    let service = SessionService::builder().max_owner_bytes(2_048_u64).start().await.unwrap();
    let session = session(&service).await;
    let refused = loop {
        if let Err(error) = session.events().append("s", &Json::of(&"x".repeat(300)).unwrap()).await {
            break error;
        }
    };
    assert!(matches!(refused, EventError::LimitExceeded(met) if met.limit == Limit::OwnerBytes), "{refused:?}");
    assert_eq!(service.operator().stats().bytes, 5 * (64 + 1 + 302));
    // And an update meets them.
    let refused = session.set("k", &"x".repeat(300)).await;
    assert!(matches!(refused, Err(sessile::UpdateError::LimitExceeded(met)) if met.limit == Limit::OwnerBytes));
    let last = session.events().recent("s", 1).await.unwrap().remove(0);
    session.events().trim_before("s", &last.id).await.unwrap();
    session.set("k", &"x".repeat(300)).await.unwrap();
}

#[tokio::test]
async fn logs_come_back_after_a_restart_in_both_formats() {
    for (format, next) in [(Format::Bincode, Format::Json), (Format::Json, Format::Bincode)] {
        let folder = tempfile::tempdir().unwrap();
        let start =
            |format| SessionService::builder().snapshots(folder.path()).format(format).max_events(2_000_u64).start();
        let service = start(format).await.unwrap();
        let one = session(&service).await;
        let ids = append(&one, "s", 1_500).await;
        // Parts of more than 256 KiB.
        let large = Json::of(&"größe \"quoted\" ".repeat(10_000)).unwrap();
        for _ in 0..4 {
            one.events().append("large", &large).await.unwrap();
        }
        one.events().trim_before("s", &ids[999]).await.unwrap();
        let emptied = service.owner(&bob()).bucket().await.unwrap();
        let gone = append(&emptied, "s", 2).await;
        append(&emptied, "t", 1).await;
        let bytes = service.operator().stats().bytes;
        service.drain().await.unwrap();
        for format in [next, format] {
            let service = start(format).await.unwrap();
            assert!(!service.restored().degraded());
            assert_eq!(service.operator().stats().bytes, bytes);
            let one = service.owner(&alice()).open(one.id().as_str()).await.unwrap();
            let replay = one.events().replay_after("s", &ids[1_200]).await.unwrap();
            assert_eq!((replay.gap, numbers(&replay.events)), (None, (1_202..=1_500).collect()));
            assert_eq!(replay.events[0].id, ids[1_201]);
            let replay = one.events().replay_after("s", &ids[900]).await.unwrap();
            assert_eq!(replay.gap.unwrap().first, Some(ids[999]));
            assert!(one.events().recent("large", 9).await.unwrap().iter().all(|event| event.payload == large));
            let emptied = service.owner(&bob()).bucket().await.unwrap();
            let replay = emptied.events().replay_after("s", &gone[0]).await.unwrap();
            assert_eq!((replay.gap, numbers(&replay.events)), (None, vec![2]));
            service.drain().await.unwrap();
        }
        // A service that keeps less takes the newest.
        let builder = SessionService::builder().snapshots(folder.path()).max_events(3_u64).max_events_bytes(1_024_u64);
        let service = builder.start().await.unwrap();
        let one = service.owner(&alice()).open(one.id().as_str()).await.unwrap();
        assert_eq!(one.events().recent("large", 9).await.unwrap().len(), 0, "each is larger than the log");
        assert!(one.events().replay_after("s", &ids[1_499]).await.unwrap().gap.is_some());
    }
}

#[tokio::test]
async fn an_export_takes_logs_along_and_files_tell_of_them() {
    for format in [Format::Bincode, Format::Json] {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) =
            (SessionService::builder().start().await.unwrap(), SessionService::builder().start().await.unwrap());
        let session = session(&here).await;
        let ids = append(&session, "s", 3).await;
        let (file, other) = (folder.path().join("export"), folder.path().join("converted"));
        here.export(&file, format).await.unwrap();
        let verified = sessile::files::verify(&file, sessile::files::Options::default()).unwrap();
        assert_eq!((verified.events, verified.refused), (3, 0));
        let to = if format == Format::Json { Format::Bincode } else { Format::Json };
        sessile::files::convert(&file, &other, to, sessile::files::Options::default()).unwrap();
        assert_eq!(sessile::files::verify(&other, sessile::files::Options::default()).unwrap().events, 3);
        there.import(&other, ImportOptions::default()).await.unwrap();
        let taken = there.owner(&alice()).open(session.id().as_str()).await.unwrap();
        let replay = taken.events().replay_after("s", &ids[0]).await.unwrap();
        assert_eq!((replay.gap, numbers(&replay.events)), (None, vec![2, 3]));
        assert_eq!(there.operator().stats().bytes, here.operator().stats().bytes);
    }
}

#[tokio::test]
async fn events_without_their_session_or_out_of_order_refuse_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let service = SessionService::builder().start().await.unwrap();
    let one = session(&service).await;
    append(&one, "s", 3).await;
    let file = folder.path().join("export.json");
    service.export(&file, Format::Json).await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let edited = |lines: &[&str]| std::fs::write(&file, lines.join("\n")).unwrap();
    let events = lines[3];
    assert!(events.contains("\"events\":[{\"number\":1"), "{events}");
    let swapped = events.replacen("\"number\":1,", "\"number\":3,", 1);
    let options = || sessile::files::Options::default().accept_edited(true);
    let import = || async { service.import(&file, ImportOptions::default().accept_edited(true)).await };
    // The session is taken out.
    edited(&[&lines[..1], &lines[2..]].concat());
    let verified = sessile::files::verify(&file, options()).unwrap();
    assert!(verified.refused == 1 && verified.findings[0].detail.contains("not in the file"), "{verified:?}");
    assert!(import().await.unwrap_err().to_string().contains("not in the file"));
    edited(&[&lines[..3], &[swapped.as_str()], &lines[4..]].concat());
    assert!(sessile::files::verify(&file, options()).is_err());
    assert!(import().await.is_err());
    // The same part twice.
    let twice = format!("{events},");
    edited(&[&lines[..3], &[twice.as_str(), events], &lines[4..]].concat());
    assert_eq!(sessile::files::verify(&file, options()).unwrap().refused, 1);
    assert!(import().await.unwrap_err().to_string().contains("out of order"));
}

#[tokio::test]
async fn a_drain_keeps_what_was_appended_and_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let start = || SessionService::builder().snapshots(folder.path()).start();
    let service = start().await.unwrap();
    let one = session(&service).await;
    service.snapshot().await.unwrap();
    let ids = append(&one, "s", 2).await;
    service.drain().await.unwrap();
    assert_eq!(one.events().append("s", &json(3)).await, Err(EventError::Stopping));
    assert_eq!(one.events().trim_before("s", &ids[1]).await, Err(EventError::Stopping));
    let service = start().await.unwrap();
    let one = service.owner(&alice()).open(one.id().as_str()).await.unwrap();
    assert_eq!(numbers(&one.events().recent("s", 9).await.unwrap()), [1, 2]);
}
