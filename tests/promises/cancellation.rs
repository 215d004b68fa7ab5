//! Guarantee 10: a turn whose caller gave up before it started is dropped unrun; one that started commits whole.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

use crate::common::{alice, hold, poll_once};
use sessile::{DraftError, NewSession, Session, SessionService};

async fn session(service: &SessionService) -> Session {
    service.owner(&alice()).create(NewSession::default()).await.unwrap()
}

#[tokio::test]
async fn a_turn_whose_caller_left_before_it_started_never_runs() {
    let service = SessionService::builder().mailbox_turns(3_usize).start().await.unwrap();
    let session = session(&service).await;
    let held = hold(&session);
    let ran = Arc::new(AtomicBool::new(false));
    let flag = || {
        let ran = Arc::clone(&ran);
        move |draft: &mut sessile::Draft| {
            ran.store(true, Ordering::SeqCst);
            draft.set("gone", &1)
        }
    };
    let mut queued = Box::pin(session.update(flag()));
    let mut blocking = Box::pin(session.update_blocking(flag()));
    let mut in_line = Box::pin(session.update(flag()));
    for left in [poll_once(&mut queued), poll_once(&mut in_line)] {
        assert!(left.is_pending());
    }
    assert!(poll_once(&mut blocking).is_pending());
    drop((queued, blocking, in_line));
    held.release().unwrap();
    // Behind them in line, so they have had their chance. And their places in the mailbox are free again.
    let updated = session.set("kept", &1).await.unwrap();
    assert_eq!(updated.revision.get(), 1);
    assert!(!ran.load(Ordering::SeqCst));
    assert_eq!(Arc::strong_count(&ran), 1, "what the closures captured is let go");
    let held = hold(&session);
    let mut places: Vec<_> = (0..2).map(|_| Box::pin(session.try_update(|_| Ok::<_, DraftError>(())))).collect();
    assert!(places.iter_mut().all(|place| poll_once(place).is_pending()));
    held.release().unwrap();
    for place in places {
        place.await.unwrap();
    }
}

#[tokio::test]
async fn a_turn_that_started_commits_whole_though_its_caller_left() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let (started, running) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let mut left = Box::pin(session.update_blocking(move |draft| {
        draft.set("a", &1)?;
        started.send(()).unwrap();
        wait.recv().unwrap();
        draft.set("b", &2)
    }));
    assert!(poll_once(&mut left).is_pending());
    running.recv().unwrap();
    drop(left);
    go.send(()).unwrap();
    let updated = session.set("c", &3).await.unwrap();
    assert_eq!(updated.revision.get(), 2);
    let view = session.read().unwrap();
    assert_eq!((view.json("a"), view.json("b"), view.json("c")), (Some("1"), Some("2"), Some("3")));
}

#[tokio::test]
async fn update_blocking_runs_on_another_thread_and_in_line() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let here = std::thread::current().id();
    let there =
        session.update_blocking(|draft| draft.set("a", &1).map(|()| std::thread::current().id())).await.unwrap();
    assert_ne!(there.value, here);
    let held = hold(&session);
    let mut turns = vec![];
    for round in 0..40 {
        let append = move |draft: &mut sessile::Draft| draft.append("order", &round);
        let blocking = round % 3 == 0;
        let session = session.clone();
        let mut turn = Box::pin(async move {
            if blocking { session.update_blocking(append).await } else { session.update(append).await }
        });
        assert!(poll_once(&mut turn).is_pending());
        turns.push(turn);
    }
    held.release().unwrap();
    for turn in turns {
        turn.await.unwrap();
    }
    assert_eq!(session.get::<Vec<u32>>("order").unwrap().unwrap(), (0..40).collect::<Vec<_>>());
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on a thread that knows of no runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    assert!(tokio::runtime::Handle::try_current().is_err());
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_may_be_on_a_thread_without_a_runtime() {
    let service = SessionService::builder().mailbox_turns(4_usize).start().await.unwrap();
    let session = session(&service).await;
    // More callers than places: some of them wait in line, which takes a timer.
    let held = hold(&session);
    let mut places: Vec<_> = (0..3).map(|_| Box::pin(session.increment("n", 1))).collect();
    assert!(places.iter_mut().all(|place| poll_once(place).is_pending()));
    let (ready, waiting) = mpsc::channel();
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (session, ready) = (session.clone(), ready.clone());
            std::thread::spawn(move || {
                let mut first = Box::pin(session.increment("n", 1));
                assert!(poll_once(&mut first).is_pending());
                ready.send(()).unwrap();
                block_on(first).unwrap();
                for _ in 0..100 {
                    if number % 2 == 0 {
                        block_on(session.increment("n", 1)).unwrap();
                    } else {
                        block_on(session.update_blocking(|draft| draft.increment("n", 1))).unwrap();
                    }
                }
            })
        })
        .collect();
    // So that a thread that fails is missed and not waited for.
    drop(ready);
    (0..8).for_each(|_| waiting.recv().unwrap());
    held.release().unwrap();
    for place in places {
        place.await.unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(session.get::<u64>("n").unwrap(), Some(811));
}

#[tokio::test]
async fn more_turns_than_a_caller_runs_are_run_by_an_actor() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let held = hold(&session);
    let mut turns: Vec<_> = (0..63).map(|_| Box::pin(session.increment("n", 1))).collect();
    assert!(turns.iter_mut().all(|turn| poll_once(turn).is_pending()));
    held.release().unwrap();
    for (turn, place) in turns.into_iter().zip(1..) {
        assert_eq!(turn.await.unwrap().value, place);
    }
}
