//! Owners are isolated: nobody reaches, changes or learns of another's session, by whatever road.

mod ask;
mod routes;

use super::hand::{Hand, paused};
use super::proving::{Verdict, caught, holds, service};
use crate::actor::lookup;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::id::SessionDigest;
use crate::owner::{Cursor, ListQuery};
use crate::principal::{Caller, OwnerKey, Principal};
use crate::service::SessionService;
use ask::{Target, ask};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use routes::{Class, ROUTES};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How far the victim's sessions are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Live,
    /// Past their deadline, and nobody has noticed.
    Due,
    /// Closed, and remembered.
    Ended,
}

fn principal(issuer: &str, subject: &str, client: &str) -> Principal {
    Principal::new(issuer, subject).with_client(client)
}

fn alice() -> Principal {
    principal("https://id.example", "alice", "desktop")
}

/// Everybody who is not Alice at her desktop.
fn strangers() -> [(&'static str, Caller); 5] {
    [
        ("another subject", Caller::Principal(principal("https://id.example", "bob", "desktop"))),
        ("another issuer", Caller::Principal(principal("https://other.example", "alice", "desktop"))),
        ("another client", Caller::Principal(principal("https://id.example", "alice", "phone"))),
        ("no client", Caller::Principal(Principal::new("https://id.example", "alice"))),
        ("nobody", Caller::Anonymous),
    ]
}

/// A service with or without what belongs to Alice, and to somebody anonymous.
struct Scene {
    service: SessionService,
    metrics: Snapshotter,
    hand: Hand,
}

impl Scene {
    async fn start(bugs: &[Bug]) -> Self {
        let (recorder, hand) = (DebuggingRecorder::new(), Hand::new());
        let metrics = recorder.snapshotter();
        let builder = SessionService::builder()
            .bind_client(true)
            .clock(hand.clock())
            .idle_timeout(Duration::from_secs(10))
            .bucket_idle_timeout(Duration::from_secs(10))
            .recorder(Arc::new(recorder));
        Self { service: service(builder, bugs).await, metrics, hand }
    }

    /// Gives Alice sessions of every sort, with something in them.
    async fn furnish(&self, stage: Stage) -> Target {
        let alice = self.service.owner(&alice());
        let minted = alice.create(NewSession::of_kind("cart").unwrap().name("cart").label("secret")).await.unwrap();
        let chosen = alice.create_with_id("chosen", NewSession::default()).await.unwrap();
        let bucket = alice.bucket().await.unwrap();
        let anonymous = self.service.anonymous().create(NewSession::default()).await.unwrap();
        let page = alice.list(&ListQuery::default().limit(1)).await.unwrap();
        let sessions = [minted, chosen, bucket, anonymous];
        for session in &sessions {
            session.set("secret", "hers").await.unwrap();
            if stage == Stage::Ended {
                session.close().await.unwrap();
            }
        }
        let ids = sessions.each_ref().map(|session| session.id().as_str().to_owned());
        Target { ids, name: "cart".to_owned(), cursor: page.next.unwrap() }
    }

    /// Everything there is to see of these sessions from inside, without a look-up.
    fn seen(&self, ids: &[String; 4]) -> Vec<String> {
        let core = self.service.core();
        let digests = ids.iter().enumerate().map(|(place, id)| digest(place, id));
        digests
            .map(|digest| {
                let slot = core.registry.find(&digest);
                let slot = slot.map(|slot| (slot.ended(), slot.last_active(), slot.peek().map(|state| state.revision)));
                format!("{slot:?} {:?}", core.tombstones.find(&digest).map(|tombstone| tombstone.ended))
            })
            .collect()
    }

    /// Counters since the last look; who asked for somebody else's is for the operator alone.
    fn counted(&self) -> BTreeMap<String, u64> {
        let all = self.metrics.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| match value {
            DebugValue::Counter(count) if count > 0 => Some((format!("{:?}", key.key()), count)),
            _ => None,
        });
        all.filter(|(name, _)| !name.contains("sessile_owner_mismatch_total")).collect()
    }
}

fn digest(place: usize, id: &str) -> SessionDigest {
    let owner = if place == 3 { OwnerKey::ANONYMOUS } else { alice().key() };
    lookup::digest(&owner, id).unwrap().1
}

/// Every stranger by every road, where there is something of Alice's and where there is not: no difference.
fn strangers_learn_nothing(_seed: u64, bugs: &[Bug]) -> Verdict {
    paused(async {
        let mut asked = 0;
        for stage in [Stage::Live, Stage::Due, Stage::Ended] {
            for (who, caller) in strangers() {
                let (hers, bare) = (Scene::start(bugs).await, Scene::start(bugs).await);
                let target = hers.furnish(stage).await;
                for scene in [&hers, &bare] {
                    scene.hand.advance(Duration::from_secs(if stage == Stage::Due { 11 } else { 1 }));
                    scene.counted();
                }
                let before = hers.seen(&target.ids);
                for (file, name, _) in ROUTES.iter().filter(|(_, _, class)| *class == Class::Asked) {
                    let here = format!("{file} {name}, asked by {who}, {stage:?}");
                    let (found, expected) = (
                        ask(&hers.service, &caller, file, name, &target).await,
                        ask(&bare.service, &caller, file, name, &target).await,
                    );
                    if found != expected {
                        return Err(format!("{here}: {found:?}, and where she has nothing: {expected:?}"));
                    }
                    asked += found.len();
                    if hers.seen(&target.ids) != before {
                        return Err(format!("{here}: {:?}, before it {before:?}", hers.seen(&target.ids)));
                    }
                }
                let (found, expected) = (hers.counted(), bare.counted());
                if found != expected {
                    return Err(format!("metrics after {who}, {stage:?}: {found:?}, without her {expected:?}"));
                }
                own(&hers.service, &target, stage).await?;
            }
        }
        Ok(format!("{asked} answers to strangers"))
    })
}

/// Alice herself is told, or the comparison above would compare nothing with nothing.
async fn own(service: &SessionService, target: &Target, stage: Stage) -> Result<(), String> {
    let (alice, anonymous) = (service.owner(&alice()), service.anonymous());
    for (place, id) in target.ids.iter().enumerate() {
        let found = if place == 3 { anonymous.open(id).await } else { alice.open(id).await };
        let told = match (stage, &found) {
            (Stage::Live, Ok(session)) => session.get::<String>("secret").ok().flatten().as_deref() == Some("hers"),
            (Stage::Due, Err(error)) => error.to_string().contains("idle timeout"),
            (Stage::Ended, Err(error)) => error.to_string().contains("was closed"),
            _ => false,
        };
        if !told {
            return Err(format!("the owner of {id}, {stage:?}, is told {found:?}"));
        }
    }
    Ok(())
}

#[test]
fn strangers_learn_nothing_by_any_road() {
    holds(|seed| strangers_learn_nothing(seed, &[]));
}

#[test]
fn each_planted_bug_tells_a_stranger_something() {
    for bug in [Bug::NoOwnerCheck, Bug::NoClientCheck, Bug::OwnerCheckedLate, Bug::TombstoneOfAnybody] {
        println!("{bug:?}");
        caught(1, |seed| strangers_learn_nothing(seed, &[bug]));
    }
}

#[test]
fn whoever_holds_an_ended_session_hears_so_on_every_road() {
    paused(async {
        let scene = Scene::start(&[]).await;
        let session = scene.service.owner(&alice()).create(NewSession::default()).await.unwrap();
        session.close().await.unwrap();
        for (file, name, _) in ROUTES.iter().filter(|(_, _, class)| *class == Class::Held) {
            let answer = ask::held(file, name, &session).await;
            let told = answer.contains("was closed") || *name == "close" && answer == "Ok(false)";
            assert!(told, "{file} {name}: {answer}");
        }
    });
}

/// A cursor is the last of what a stranger may hold of Alice's.
fn cursor_text(cursor: Cursor) -> Cursor {
    cursor.to_string().parse().unwrap()
}
