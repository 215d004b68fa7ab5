//! Guarantee 1: an update is applied whole or not at all, and touches no other session.

use crate::common::{Held, alice, hold, poll_once, quiet_panics};
use sessile::{DraftError, NewSession, Session, SessionService, UpdateError};

async fn session(service: &SessionService) -> Session {
    service.owner(&alice()).create(NewSession::default()).await.unwrap()
}

#[tokio::test]
async fn an_error_or_a_panic_changes_nothing() {
    quiet_panics();
    let service = SessionService::builder().start().await.unwrap();
    let (one, other) = (session(&service).await, session(&service).await);
    one.set("kept", &1).await.unwrap();
    other.set("kept", &2).await.unwrap();
    let bytes = service.operator().stats().bytes;

    let rejected = one
        .update(|draft| {
            draft.set("kept", &9)?;
            draft.set("new", &9)?;
            draft.metadata_mut().label = Some("changed".to_owned());
            Err::<(), _>(DraftError::Overflow)
        })
        .await;
    assert!(matches!(rejected, Err(UpdateError::Rejected(DraftError::Overflow))), "{rejected:?}");
    let panicked = one
        .update(|draft| -> Result<(), DraftError> {
            draft.set("kept", &9)?;
            draft.remove("kept");
            panic!("planted")
        })
        .await;
    assert!(matches!(&panicked, Err(UpdateError::Panicked { message }) if message == "planted"), "{panicked:?}");
    let refused = one.update(|draft| draft.set("kept", &9).and_then(|()| draft.set("", &9))).await;
    assert!(matches!(refused, Err(UpdateError::Rejected(DraftError::InvalidKey))), "{refused:?}");

    let view = one.read().unwrap();
    assert_eq!((view.revision().get(), view.len(), view.json("kept")), (1, 1, Some("1")));
    assert_eq!(view.metadata().label, None);
    let view = other.read().unwrap();
    assert_eq!((view.revision().get(), view.json("kept")), (1, Some("2")));
    assert_eq!(service.operator().stats().bytes, bytes);
    assert_eq!(one.increment("kept", 1).await.unwrap().value, 2);
}

#[tokio::test]
async fn a_commit_that_meets_a_cap_changes_nothing() {
    let service = SessionService::builder().max_entries(2_u64).start().await.unwrap();
    let session = session(&service).await;
    session.set("kept", &1).await.unwrap();
    let full = session.update(|draft| (0..3).try_for_each(|key| draft.set(&key.to_string(), &key))).await;
    assert!(matches!(full, Err(UpdateError::LimitExceeded(_))), "{full:?}");
    let view = session.read().unwrap();
    assert_eq!((view.revision().get(), view.len()), (1, 1));
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("planted in a drop");
    }
}

#[tokio::test]
async fn a_captured_value_that_panics_when_dropped_harms_nobody_else() {
    quiet_panics();
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let held: Held = hold(&session);
    let bomb = Bomb;
    let mut planted = Box::pin(session.update(move |draft| {
        let _bomb = &bomb;
        draft.set("planted", &1)
    }));
    let mut behind = Box::pin(session.set("behind", &1));
    assert!(poll_once(&mut planted).is_pending());
    assert!(poll_once(&mut behind).is_pending());
    // The holder's caller runs both; it must come to no harm by either.
    assert!(held.release().is_ok());
    assert_eq!(planted.await.unwrap().revision.get(), 1);
    assert_eq!(behind.await.unwrap().revision.get(), 2);
}

#[tokio::test]
async fn an_answer_that_panics_when_dropped_harms_nobody_else() {
    quiet_panics();
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let (started, running) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let held = hold(&session);
    let mut planted = Box::pin(session.update(move |draft| {
        started.send(()).unwrap();
        wait.recv().unwrap();
        draft.set("planted", &1).map(|()| Bomb)
    }));
    let mut behind = Box::pin(session.set("behind", &1));
    assert!(poll_once(&mut planted).is_pending());
    assert!(poll_once(&mut behind).is_pending());
    let caller = std::thread::spawn(|| held.release());
    running.recv().unwrap();
    // Nobody takes the answer any more, so whoever runs the turn drops it.
    drop(planted);
    go.send(()).unwrap();
    assert!(caller.join().unwrap().is_ok());
    assert_eq!(behind.await.unwrap().revision.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_count_exactly_with_panics_and_errors_in_between() {
    quiet_panics();
    let service = SessionService::builder().start().await.unwrap();
    let (counted, other) = (session(&service).await, session(&service).await);
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let session = counted.clone();
            tokio::spawn(async move {
                for round in 0..1_000 {
                    match (task + round) % 50 {
                        0 => {
                            drop(session.update(|_| -> Result<(), DraftError> { panic!("planted") }).await.unwrap_err())
                        }
                        1 => drop(
                            session
                                .update(|draft| draft.set("n", &-1).and(Err::<(), _>(DraftError::Overflow)))
                                .await
                                .unwrap_err(),
                        ),
                        _ => {}
                    }
                    session.increment("n", 1).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let view = counted.read().unwrap();
    assert_eq!((view.get::<u64>("n").unwrap(), view.revision().get()), (Some(64_000), 64_000));
    assert_eq!(other.read().unwrap().revision().get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_is_never_torn() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    session.update(|draft| (0..16).try_for_each(|key| draft.set(&key.to_string(), &100))).await.unwrap();
    let writers: Vec<_> = (0..4_u64)
        .map(|writer| {
            let session = session.clone();
            tokio::spawn(async move {
                for round in 0..2_000 {
                    let (from, to) = ((writer + round) % 16, (writer * 7 + round * 3 + 1) % 16);
                    session
                        .update(move |draft| {
                            draft.increment(&from.to_string(), -1)?;
                            draft.increment(&to.to_string(), 1)
                        })
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    let mut last = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        let view = session.read().unwrap();
        let sum: i64 = view.entries().map(|entry| entry.value.parse::<i64>().unwrap()).sum();
        assert_eq!(sum, 1_600, "at revision {}", view.revision());
        assert!(view.revision().get() >= last);
        last = view.revision().get();
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
