//! What is abandoned is reclaimed: sessions, owners, activations, tasks and series come back to where they were.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::hand::{Hand, paused};
use super::proving::{Verdict, caught, holds, service};
use super::random::Random;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::config::AtCapacity;
use crate::error::UpdateError;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;

const WAVES: u64 = 8;
const OWNERS: u64 = 50;
const SESSIONS: u64 = 2_500;
const TOMBSTONES: usize = 1_000;
const OWN_TOMBSTONES: usize = 10;
/// Sessions whose callers leave while their updates wait.
const LEFT: usize = 8;
/// Sweeps that an owner may outlive whom a thread was about to let go.
const LATER_SWEEPS: usize = 1_000;

/// What must come back: figures by their names.
type Figures = Vec<(String, f64)>;

struct Scene {
    service: SessionService,
    metrics: Snapshotter,
    hand: Hand,
    tombstones: usize,
}

impl Scene {
    async fn start(seed: u64, bugs: &[Bug]) -> Self {
        let (recorder, hand) = (DebuggingRecorder::new(), Hand::new());
        let metrics = recorder.snapshotter();
        // The bug is in what the service is told; what is checked stays.
        let unbounded = bugs.contains(&Bug::TombstonesUnbounded);
        let cap = |figure: usize| if unbounded { 100_000_000 } else { figure };
        let builder = SessionService::builder()
            .clock(hand.clock())
            .recorder(Arc::new(recorder))
            .bucket_idle_timeout(Duration::from_secs(600))
            .max_sessions(SESSIONS - 100)
            .at_capacity(AtCapacity::Evict)
            .max_tombstones(cap(TOMBSTONES))
            .max_tombstones_per_owner(cap(OWN_TOMBSTONES + seed as usize % 2));
        Self { service: service(builder, bugs).await, metrics, hand, tombstones: TOMBSTONES }
    }

    /// Creates and abandons: some with state, some closed, some with callers that leave midway.
    async fn wave(&self, random: &mut Random, number: u64) -> Vec<Weak<Slot>> {
        let mut watched = Vec::new();
        let mut last = Vec::new();
        for place in 0..SESSIONS {
            let owner = Principal::new("https://id.example", format!("{number}-{}", random.below(OWNERS)));
            let owner = self.service.owner(&owner);
            let session = match random.below(10) {
                0 => self.service.anonymous().create(NewSession::default()).await,
                1 => owner.bucket().await,
                2 => owner.get_or_create(&format!("name {}", random.below(9))).await.map(|(session, _)| session),
                3 => owner.create_with_id(&format!("{number}-{place}"), NewSession::default()).await,
                _ => owner.create(NewSession::default()).await,
            };
            // A name or a cap may be in the way, which is nothing to this proof.
            let Ok(session) = session else { continue };
            match random.below(8) {
                0 => drop(session.set("state", &"x".repeat(random.below(300) as usize)).await),
                1 => drop(session.close().await),
                // Asked for and never polled.
                2 => drop(session.increment("never", 1)),
                _ => {}
            }
            if place % 50 == 0 {
                watched.extend(slot(&self.service, &session));
            }
            if place + LEFT as u64 >= SESSIONS {
                last.push(session);
            }
        }
        for session in last {
            leave_midway(session).await;
        }
        watched
    }

    /// Sweeps until that is so, or for so long that it will not be.
    async fn sweep_until(&self, reclaimed: impl Fn() -> bool) {
        for _ in 0..LATER_SWEEPS {
            if reclaimed() {
                return;
            }
            self.service.operator().sweep().await.unwrap();
        }
    }

    /// The figures that must come back, once everything that was stirred up has settled.
    async fn figures(&self, tasks: usize) -> Figures {
        self.hand.advance(Duration::from_secs(86_400));
        self.service.operator().sweep().await.unwrap();
        let runtime = tokio::runtime::Handle::current().metrics();
        for _ in 0..10_000 {
            if runtime.num_alive_tasks() <= tasks {
                break;
            }
            tokio::task::yield_now().await;
        }
        // A thread of the blocking pool refers to its session for a moment after its last answer; the next sweep finds the
        // owner alone.
        self.sweep_until(|| self.service.operator().stats().owners == 0).await;
        let (core, stats) = (self.service.core(), self.service.operator().stats());
        let series = self.metrics.snapshot().into_vec();
        let mut figures = vec![
            ("series".to_owned(), series.len() as f64),
            ("sessions".to_owned(), stats.sessions as f64),
            ("slots".to_owned(), core.registry.len() as f64),
            ("owners".to_owned(), stats.owners as f64),
            ("bytes".to_owned(), stats.bytes as f64),
            ("tasks beyond the first".to_owned(), runtime.num_alive_tasks().saturating_sub(tasks) as f64),
            ("tombstones beyond the cap".to_owned(), stats.tombstones.saturating_sub(self.tombstones as u64) as f64),
        ];
        for (key, _, _, value) in series {
            let name = key.key().name().to_owned();
            if let DebugValue::Gauge(value) = value
                && ["sessile_sessions_active", "sessile_state_bytes", "sessile_activations"].contains(&&*name)
            {
                figures.push((name, value.into_inner()));
            }
        }
        figures
    }
}

/// The slot of a minted id, while it lives.
fn slot(service: &SessionService, session: &Session) -> Option<Weak<Slot>> {
    let found = service.core().registry.find(&crate::id::generated_digest(session.id()));
    found.map(|slot| Arc::downgrade(&slot))
}

/// One update holds the session while others wait; their callers leave, polled once, before it ends.
async fn leave_midway(session: Session) {
    let (go, wait) = mpsc::channel::<()>();
    let (started, mut running) = tokio::sync::mpsc::unbounded_channel();
    let mut waits = Some(wait);
    let mut holding = Box::pin(session.update_blocking(move |_| {
        let _ = started.send(());
        if let Some(wait) = waits.take() {
            let _ = wait.recv();
        }
        Ok::<_, UpdateError>(())
    }));
    // The session may have ended: then it is over at once.
    let over = holding.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    // It runs, or it was let go.
    let _ = running.recv().await;
    let mut waiting: Vec<_> = (0..70).map(|_| Box::pin(session.increment("left", 1))).collect();
    waiting.iter_mut().for_each(|update| poll_once(update.as_mut()));
    drop(waiting.split_off(10));
    drop(go);
    if !over {
        let _ = holding.await;
    }
    drop(waiting);
}

fn poll_once<F: Future>(future: Pin<&mut F>) {
    drop(future.poll(&mut Context::from_waker(Waker::noop())));
}

fn reclaimed(seed: u64, bugs: &[Bug]) -> Verdict {
    paused(async {
        let scene = Scene::start(seed, bugs).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let base = scene.figures(tasks).await;
        let mut random = Random(seed);
        let mut watched = Vec::new();
        for number in 0..WAVES {
            watched.extend(scene.wave(&mut random, number).await);
            let figures = scene.figures(tasks).await;
            if figures != base {
                return Err(format!("after wave {number}: {figures:?}, at first {base:?}"));
            }
        }
        let held = || watched.iter().filter(|slot| slot.strong_count() > 0).count();
        scene.sweep_until(|| held() == 0).await;
        let held = held();
        if held > 0 {
            return Err(format!("{held} of {} slots are still held by somebody", watched.len()));
        }
        Ok(format!("{} sessions abandoned in {WAVES} waves, {} slots watched", WAVES * SESSIONS, watched.len()))
    })
}

#[test]
fn what_is_abandoned_is_reclaimed() {
    holds(|seed| reclaimed(seed, &[]));
}

#[test]
fn each_planted_bug_leaves_something_behind() {
    for bug in [Bug::OwnersNeverForgotten, Bug::TombstonesUnbounded] {
        println!("{bug:?}");
        caught(1, |seed| reclaimed(seed, &[bug]));
    }
}
