//! A disk that fails takes nothing on credit: from the first failed write on updates are refused, reads go on, and a
//! snapshot into a healthy folder heals.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use super::super::hand::{folder, paused};
use super::super::proving::{Verdict, quiet_panics};
use super::around::{Around, Habit, Outcome};
use crate::actor::planted::{Bug, DISK, FROM_THE_START};
use crate::config::{DEFAULT_FLUSH_EVERY as FLUSH_EVERY, Durability, MAX_FLUSH_EVERY};
use crate::error::{CreateError, DraftError, EventError, NotDurable, UpdateError};
use crate::owner::Owner;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::snapshot::StdLayer;
use crate::state::{Draft, Json};

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Fault {
    None,
    Write,
    Sync,
    Full,
    Panic,
}

/// Fails from when it is told to, in every file.
#[derive(Default)]
struct Failing(AtomicU8);

impl Failing {
    fn set(&self, fault: Fault) {
        self.0.store(fault as u8, Ordering::SeqCst);
    }
}

impl Habit for Failing {
    fn step(&self, step: &'static str) -> Outcome {
        let (fault, writes) = (self.0.load(Ordering::SeqCst), step.starts_with("write"));
        if fault == Fault::Write as u8 && writes {
            // Some of it may be there.
            Outcome::FailsHalfWay(io::Error::other("planted: the write failed"))
        } else if fault == Fault::Full as u8 && writes {
            Outcome::FailsHalfWay(io::ErrorKind::StorageFull.into())
        } else if fault == Fault::Panic as u8 && step == "write at" {
            panic!("planted: code of others panics under a write of the journal")
        } else if fault == Fault::Sync as u8 && step.starts_with("sync") {
            Outcome::Fails(io::Error::other("planted: the sync failed"))
        } else {
            Outcome::Done
        }
    }
}

/// Fails the first sync of a journal after another one was begun.
#[derive(Default)]
struct FailsMeanwhile {
    /// 1 once it is told to, 2 once a file was created, 3 once it has failed.
    stage: AtomicU8,
}

impl FailsMeanwhile {
    fn goes_on(&self, from: u8) -> bool {
        self.stage.compare_exchange(from, from + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Habit for FailsMeanwhile {
    fn step(&self, step: &'static str) -> Outcome {
        if step == "create" {
            self.goes_on(1);
        }
        if step == "sync data" && self.goes_on(2) {
            return Outcome::Fails(io::Error::other("planted: the sync failed"));
        }
        Outcome::Done
    }
}

async fn start<H: Habit>(folder: &Path, disk: &Arc<H>, durability: Durability) -> (SessionService, Owner) {
    let builder = SessionService::builder()
        .snapshots(folder.join("snapshots"))
        .snapshot_every(Duration::from_secs(1_000_000))
        .durability(durability);
    let service = DISK.scope(Around::layer(Arc::new(StdLayer), disk), builder.start()).await.unwrap();
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    (service, owner)
}

/// What a failed disk does to a service, and what heals it.
async fn fails_and_heals(fault: Fault, durability: Durability) {
    let (place, disk) = (folder(), Arc::new(Failing::default()));
    let (service, owner) = start(place.path(), &disk, durability).await;
    let bucket = owner.bucket().await.unwrap();
    let doomed = owner.create(Default::default()).await.unwrap();
    bucket.increment("n", 1).await.unwrap();
    let (events, payload) = (bucket.events(), Json::of(&"one").unwrap());
    let mut appended = vec![events.append("s", &payload).await.unwrap()];
    tokio::time::sleep(2 * FLUSH_EVERY).await;
    disk.set(fault);
    let before = bucket.read().unwrap().revision();
    let (failed, unwritten) = tokio::join!(bucket.increment("n", 10), events.append("s", &payload));
    appended.extend(events.recent("s", 1).await.unwrap().iter().map(|event| event.id));
    if durability == Durability::Commit {
        assert_eq!(unwritten, Err(EventError::NotDurable(NotDurable)));
        assert!(matches!(failed, Err(UpdateError::NotDurable(NotDurable))), "{failed:?}");
        assert_eq!(bucket.read().unwrap().revision(), before, "nobody sees what is not on disk");
    } else {
        failed.unwrap();
        unwritten.unwrap();
        tokio::time::sleep(2 * FLUSH_EVERY).await;
    }
    assert!(!service.is_durable());
    let seen = bucket.get::<i64>("n").unwrap();
    // It does not heal by itself, be the disk as good as new.
    for healthy in [false, true] {
        if healthy {
            disk.set(Fault::None);
        } else {
            assert!(service.snapshot().await.is_err(), "{fault:?}");
        }
        tokio::time::sleep(10 * FLUSH_EVERY).await;
        assert!(matches!(bucket.increment("n", 100).await, Err(UpdateError::NotDurable(_))));
        assert_eq!(events.append("s", &payload).await, Err(EventError::NotDurable(NotDurable)));
        assert_eq!(events.trim_before("s", &appended[0]).await, Err(EventError::NotDurable(NotDurable)));
        assert!(matches!(owner.create(Default::default()).await, Err(CreateError::NotDurable(_))));
        assert_eq!(bucket.get::<i64>("n").unwrap(), seen, "reads go on");
    }
    assert!(matches!(doomed.close().await, Err(CreateError::NotDurable(_))));
    service.snapshot().await.unwrap();
    assert!(service.is_durable());
    assert_eq!(bucket.increment("n", 1_000).await.unwrap().value, seen.unwrap() + 1_000);
    appended.push(events.append("s", &payload).await.unwrap());
    tokio::time::sleep(2 * FLUSH_EVERY).await;
    drop(service);
    for life in 0..2 {
        let (service, owner) = start(place.path(), &disk, durability).await;
        assert_eq!(service.restored().degraded(), life == 1);
        let bucket = owner.bucket().await.unwrap();
        assert_eq!(bucket.get::<i64>("n").unwrap(), Some(seen.unwrap() + 1_000), "{fault:?} {durability:?} {life}");
        let found = bucket.events().recent("s", 9).await.unwrap();
        assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), appended, "{fault:?} {durability:?} {life}");
        assert!(owner.open(doomed.id().as_str()).await.is_err(), "what ended meanwhile stays ended");
        drop(service);
        // The same by way of what was written before the fault: the failed frame must count for nothing there.
        let newest = std::fs::read_dir(place.path().join("snapshots")).unwrap().map(|file| file.unwrap().path());
        let newest = newest.filter(|path| path.extension().is_some_and(|extension| extension == "bin")).max();
        std::fs::write(newest.unwrap(), b"damaged").unwrap();
    }
}

#[test]
fn a_failed_write_is_told_and_never_tried_again() {
    quiet_panics();
    for fault in [Fault::Write, Fault::Sync, Fault::Full, Fault::Panic] {
        for durability in [Durability::Commit, Durability::JOURNAL] {
            paused(fails_and_heals(fault, durability));
        }
    }
}

/// The journal fails while the snapshot is on its way that the journal goes on from.
async fn fails_meanwhile(bugs: &[Bug]) -> Verdict {
    let (place, disk) = (folder(), Arc::new(FailsMeanwhile::default()));
    let started = FROM_THE_START.scope(bugs.to_vec(), start(place.path(), &disk, Durability::Commit));
    let (service, owner) = started.await;
    let bucket = owner.bucket().await.unwrap();
    bucket.increment("n", 1).await.unwrap();
    disk.goes_on(0);
    let change = async {
        while disk.stage.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        bucket.increment("n", 10).await
    };
    let (snapshot, changed) = tokio::join!(service.snapshot(), change);
    snapshot.unwrap();
    assert_eq!(disk.stage.load(Ordering::SeqCst), 3, "the change comes after the journal was begun");
    if !matches!(changed, Err(UpdateError::NotDurable(_))) {
        return Err(format!("the change was told to be durable: {changed:?}"));
    }
    if service.is_durable() {
        return Err("the journal goes on where a sync has failed".to_owned());
    }
    service.snapshot().await.unwrap();
    assert!(service.is_durable());
    assert_eq!(bucket.increment("n", 100).await.unwrap().value, 101);
    drop(service);
    let (service, owner) = start(place.path(), &disk, Durability::Commit).await;
    assert!(!service.restored().degraded());
    assert_eq!(owner.bucket().await.unwrap().get::<i64>("n").unwrap(), Some(101));
    Ok(String::new())
}

#[test]
fn a_snapshot_heals_nothing_that_failed_after_it_was_begun() {
    assert_eq!(paused(fails_meanwhile(&[])), Ok(String::new()));
    paused(fails_meanwhile(&[Bug::HealsWhateverFailed])).unwrap_err();
}

/// What a turn is told that waits behind another when the journal is given up, and what it made.
async fn in_line(durability: Durability, bugs: &[Bug]) -> (Result<(), UpdateError>, Option<i64>) {
    let (place, disk) = (folder(), Arc::new(Failing::default()));
    let (service, owner) = FROM_THE_START.scope(bugs.to_vec(), start(place.path(), &disk, durability)).await;
    let (bucket, doomed) = (owner.bucket().await.unwrap(), owner.create(Default::default()).await.unwrap());
    let ((started, runs), (release, released)) = (mpsc::channel(), mpsc::channel());
    let run = move |_: &mut Draft| {
        started.send(()).unwrap();
        released.recv().unwrap();
        Ok::<_, DraftError>(())
    };
    let running = tokio::spawn({
        let bucket = bucket.clone();
        async move { bucket.update_blocking(run).await }
    });
    tokio::task::spawn_blocking(move || runs.recv().unwrap()).await.unwrap();
    let mut queued = Box::pin(bucket.increment("n", 1));
    assert!(queued.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    disk.set(Fault::Write);
    assert!(matches!(doomed.close().await, Err(CreateError::NotDurable(_))));
    assert!(!service.is_durable());
    release.send(()).unwrap();
    let told = queued.await.map(drop);
    let _ = running.await.unwrap();
    (told, bucket.get::<i64>("n").unwrap())
}

/// No write comes by the clock: an end is what meets the fault.
const SELDOM: Durability = Durability::Journal { flush_every: MAX_FLUSH_EVERY };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_line_when_the_journal_is_given_up_is_refused() {
    for durability in [Durability::Commit, SELDOM] {
        let (told, made) = in_line(durability, &[]).await;
        assert!(matches!(told, Err(UpdateError::NotDurable(NotDurable))) && made.is_none(), "{durability:?}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_run_on_credit_is_seen() {
    let (told, made) = in_line(SELDOM, &[Bug::RunsOnCredit]).await;
    assert!(told.is_ok() && made == Some(1), "{told:?}");
}
