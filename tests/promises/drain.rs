//! Guarantee 11: a drain loses nothing that was accepted; a drop without one writes nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{alice, hold, poll_once, secs};
use sessile::{
    CreateError, DraftError, DrainError, Durability, FileProblem, Format, NewSession, SessionService, UpdateError,
};

async fn start(folder: &Path) -> SessionService {
    SessionService::builder().snapshots(folder).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_in_the_final_snapshot_and_what_came_later_was_told_so() {
    for round in 0..20_u64 {
        let folder = tempfile::tempdir().unwrap();
        let service = start(folder.path()).await;
        let session = service.owner(&alice()).create_with_id("s", NewSession::default()).await.unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (session, acknowledged) = (session.clone(), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    loop {
                        let count = |draft: &mut sessile::Draft| draft.increment("n", 1);
                        let updated = if writer == 0 {
                            session.update_blocking(count).await
                        } else {
                            session.update(count).await
                        };
                        match updated {
                            Ok(_) => acknowledged.fetch_add(1, Ordering::SeqCst),
                            Err(UpdateError::Stopping) => return,
                            Err(other) => panic!("{other}"),
                        };
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        while acknowledged.load(Ordering::SeqCst) < round * 20 {
            tokio::task::yield_now().await;
        }
        let report = service.drain().await.unwrap().unwrap();
        assert_eq!(report.sessions, 1);
        for writer in writers {
            writer.await.unwrap();
        }
        let again = start(folder.path()).await;
        let back = again.owner(&alice()).open("s").await.unwrap();
        assert_eq!(back.get::<u64>("n").unwrap().unwrap_or_default(), acknowledged.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn a_drain_runs_what_waits_in_a_mailbox() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path()).await;
    let session = service.owner(&alice()).create_with_id("s", NewSession::default()).await.unwrap();
    let held = hold(&session);
    let mut turns: Vec<_> = (0..63).map(|_| Box::pin(session.increment("n", 1))).collect();
    assert!(turns.iter_mut().all(|turn| poll_once(turn).is_pending()));
    let mut drain = Box::pin(service.drain());
    assert!(poll_once(&mut drain).is_pending());
    assert!(!service.is_running());
    let late = session.increment("n", 1).await;
    assert!(matches!(late, Err(UpdateError::Stopping)));
    held.release().unwrap();
    drain.await.unwrap();
    for turn in turns {
        turn.await.unwrap();
    }
    let again = start(folder.path()).await;
    assert_eq!(again.owner(&alice()).open("s").await.unwrap().get::<u64>("n").unwrap(), Some(63));
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_line_that_is_never_polled_again_holds_up_no_drain() {
    let service = SessionService::builder().mailbox_turns(1_usize).start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    let held = hold(&session);
    let mut queued = Box::pin(session.increment("n", 1));
    let mut in_line = Box::pin(session.increment("n", 1));
    assert!(poll_once(&mut queued).is_pending() && poll_once(&mut in_line).is_pending());
    held.release().unwrap();
    tokio::time::timeout(secs(60), service.drain()).await.expect("the drain waits for it").unwrap();
    assert_eq!(queued.await.unwrap().value, 1);
    assert!(matches!(in_line.await, Err(UpdateError::Stopping)));
}

#[tokio::test]
async fn a_drained_service_says_so_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path()).await;
    let owner = service.owner(&alice());
    let session = owner.create(NewSession::default()).await.unwrap();
    session.set("a", &1).await.unwrap();
    let bucket = owner.bucket().await.unwrap();
    service.drain().await.unwrap();
    assert_eq!(session.get::<u32>("a").unwrap(), Some(1));
    assert!(owner.open(session.id().as_str()).await.is_ok());
    assert_eq!(owner.bucket().await.unwrap().id(), bucket.id());
    assert!(matches!(session.update_blocking(|_| Ok::<_, DraftError>(())).await, Err(UpdateError::Stopping)));
    assert_eq!(session.close().await, Err(CreateError::Stopping));
    assert_eq!(owner.close_all().await, Err(CreateError::Stopping));
    assert_eq!(owner.create(NewSession::default()).await.unwrap_err(), CreateError::Stopping);
    assert_eq!(service.global().await.unwrap_err(), CreateError::Stopping);
    assert!(service.snapshot().await.is_err());
    assert!(matches!(service.import(folder.path().join("x"), Default::default()).await, Err(FileProblem::Stopping)));
    assert!(service.operator().sweep().await.is_none());
    // A second drain has nothing left to do.
    assert_eq!(service.drain().await.unwrap(), None);
    // By hand everything can still be written down.
    assert_eq!(service.export(folder.path().join("snapshot-export"), Format::Json).await.unwrap().sessions, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drains_at_the_same_time_all_succeed_and_one_writes() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let service = start(folder.path()).await;
        service.owner(&alice()).bucket().await.unwrap().set("a", &1).await.unwrap();
        let drains: Vec<_> = (0..8)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { service.drain().await })
            })
            .collect();
        let mut reports = Vec::new();
        for drain in drains {
            reports.extend(drain.await.unwrap().unwrap());
        }
        assert_eq!(reports.len(), 1);
    }
}

#[tokio::test]
async fn a_drain_that_could_not_write_is_tried_again() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, aside) = (outer.path().join("snapshots"), outer.path().join("aside"));
    let service = start(&folder).await;
    service.owner(&alice()).bucket().await.unwrap().set("a", &1).await.unwrap();
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "in the way").unwrap();
    assert!(matches!(service.drain().await, Err(DrainError::Snapshot(_))));
    assert!(matches!(service.owner(&alice()).bucket().await.unwrap().set("a", &2).await, Err(UpdateError::Stopping)));
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(service.drain().await.unwrap().unwrap().sessions, 1);
    let again = start(&folder).await;
    assert_eq!(again.owner(&alice()).bucket().await.unwrap().get::<u32>("a").unwrap(), Some(1));
}

#[tokio::test]
async fn a_drain_that_was_given_up_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path()).await;
    service.owner(&alice()).bucket().await.unwrap().set("a", &1).await.unwrap();
    let mut given_up = Box::pin(service.drain());
    assert!(poll_once(&mut given_up).is_pending());
    drop(given_up);
    assert!(service.drain().await.unwrap().is_some());
    start(folder.path()).await;
}

#[tokio::test]
async fn a_drop_without_a_drain_writes_nothing_and_frees_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path()).await;
    let clone = service.clone();
    let owner = service.owner(&alice());
    let session = owner.create(NewSession::default()).await.unwrap();
    session.set("a", &1).await.unwrap();
    drop(service);
    session.set("a", &2).await.unwrap();
    drop(clone);
    // What is still held reads on and changes nothing.
    assert_eq!(session.get::<u32>("a").unwrap(), Some(2));
    assert!(matches!(session.set("a", &3).await, Err(UpdateError::Stopping)));
    assert_eq!(owner.create(NewSession::default()).await.unwrap_err(), CreateError::Stopping);
    let again = start(folder.path()).await;
    assert_eq!(again.restored().sessions, 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the lock file alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_starts_at_once_where_one_was_dropped_in_the_midst_of_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut sure = 0;
    for round in 0..50_u64 {
        let builder = SessionService::builder().snapshots(folder.path()).durability(Durability::Commit);
        let service = builder.start().await.unwrap();
        let owner = service.owner(&alice());
        let session = owner.bucket().await.unwrap();
        assert!(session.get::<u64>("n").unwrap().unwrap_or_default() >= sure, "round {round}");
        let callers = [(); 8].map(|()| {
            let session = session.clone();
            tokio::spawn(async move {
                let mut last = 0;
                loop {
                    match session.increment("n", 1).await {
                        Ok(made) => last = made.value as u64,
                        Err(_) => return last,
                    }
                }
            })
        });
        while session.get::<u64>("n").unwrap().unwrap_or_default() < sure + 20 {
            tokio::task::yield_now().await;
        }
        drop(service);
        for caller in callers {
            sure = sure.max(caller.await.unwrap());
        }
    }
    assert!(sure >= 1_000);
}
