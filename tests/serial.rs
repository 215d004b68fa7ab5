//! Guarantee 2: updates of one session are linearizable; revisions rise by one per committed update.

mod common;

use common::alice;
use sessile::{Conflict, NewSession, Session, SessionService, Ttl, UpdateError};

async fn session(service: &SessionService) -> Session {
    service.owner(&alice()).create(NewSession::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn revisions_rise_by_one_per_committed_update() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let session = session.clone();
            tokio::spawn(async move {
                let mut history = Vec::new();
                for round in 0..250 {
                    let count = move |draft: &mut sessile::Draft| draft.increment("n", 1);
                    let updated = match (task + round) % 10 {
                        0 => session.update_blocking(count).await.unwrap(),
                        1 => match session.try_update(count).await {
                            Ok(updated) => updated,
                            Err(UpdateError::Overloaded { .. }) => continue,
                            Err(other) => panic!("{other}"),
                        },
                        _ => session.update(count).await.unwrap(),
                    };
                    // What was acknowledged is seen by every read after it.
                    assert!(session.read().unwrap().revision() >= updated.revision);
                    history.push((updated.revision.get(), updated.value));
                }
                history
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        let history = task.await.unwrap();
        assert!(history.is_sorted(), "one caller's updates run in its order");
        all.extend(history);
    }
    all.sort_unstable();
    // The counter says in which order the updates ran; the revisions must say the same.
    assert!(all.iter().zip(1..).all(|((revision, value), place)| (*revision, *value) == (place, place as i64)));
    assert_eq!(session.read().unwrap().revision().get(), all.len() as u64);
}

#[tokio::test]
async fn update_if_names_the_current_revision() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    let stale = session.read().unwrap().revision();
    session.set("a", &1).await.unwrap();
    let current = session.read().unwrap().revision();
    let refused = session.update_if(stale, |draft| draft.set("a", &2)).await;
    let conflict = Conflict { expected: stale, current };
    assert!(matches!(refused, Err(UpdateError::Conflict(found)) if found == conflict), "{refused:?}");
    assert_eq!(session.get::<u32>("a").unwrap(), Some(1));
    let updated = session.update_if(current, |draft| draft.set("a", &2)).await.unwrap();
    assert_eq!(updated.revision.get(), current.get() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_updates_of_one_revision_one_wins() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    for round in 0..100 {
        let revision = session.read().unwrap().revision();
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let session = session.clone();
                tokio::spawn(async move {
                    session.update_if(revision, move |draft| draft.set("won", &(round, racer))).await
                })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(_) => won += 1,
                Err(UpdateError::Conflict(conflict)) => assert_eq!(conflict.current.get(), revision.get() + 1),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn an_update_that_changes_nothing_commits_nothing() {
    let service = SessionService::builder().start().await.unwrap();
    let session = session(&service).await;
    session.set("a", &1).await.unwrap();
    let label = || |metadata: &mut sessile::Metadata| metadata.label = Some("same".to_owned());
    session.describe(label()).await.unwrap();
    assert_eq!(session.read().unwrap().revision().get(), 2);
    for (what, updated) in [
        ("set", session.set("a", &1).await.unwrap()),
        ("describe", session.describe(label()).await.unwrap()),
        ("nothing", session.update(|_| Ok::<_, sessile::DraftError>(())).await.unwrap()),
        ("there and back", session.update(|draft| draft.set("b", &1).map(|()| _ = draft.remove("b"))).await.unwrap()),
    ] {
        assert_eq!((updated.changed, updated.revision.get()), (false, 2), "{what}");
    }
    let (none, zero) = (session.remove("b").await.unwrap(), session.increment("a", 0).await.unwrap());
    assert_eq!((none.changed, none.value, zero.changed, zero.value), (false, false, false, 1));
    assert_eq!(session.read().unwrap().revision().get(), 2);
    // A touch is no update; a ttl is one.
    session.touch().unwrap();
    assert_eq!(session.read().unwrap().revision().get(), 2);
    assert!(session.set_with("a", &1, Ttl::Sliding(common::secs(9))).await.unwrap().changed);
}
