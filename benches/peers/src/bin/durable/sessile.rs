//! Sessile with every update on disk before it is acknowledged, with owners, limits, expiry and metrics on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use sessile::{Draft, Durability, NewSession, Principal, Session, SessionService};

use crate::random::Random;
use crate::run::{SESSIONS, Store};
use crate::session::{COUNTER, state};

/// As many as a service with default limits gives to one owner.
const OF_ONE_OWNER: usize = 1_000;
/// How often what the metrics gathered is folded, as the server does.
const UPKEEP: Duration = Duration::from_secs(1);

async fn start(folder: &Path) -> SessionService {
    let recorder = PrometheusBuilder::new().set_buckets(&[1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0]);
    let recorder = recorder.expect("buckets").build_recorder();
    let handle = recorder.handle();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    });
    let builder = SessionService::builder().recorder(Arc::new(recorder)).max_sessions(1_u64 << 20);
    let builder = builder.snapshots(folder).durability(Durability::Commit);
    builder.start().await.expect("starts")
}

/// Sessions held by whoever works on them.
pub(crate) struct Sessile {
    folder: PathBuf,
    service: SessionService,
    sessions: Vec<Session>,
}

async fn fill(service: SessionService, places: std::ops::Range<usize>) -> Vec<Session> {
    let mut sessions = Vec::new();
    for place in places {
        let owner = service.owner(&Principal::new("durable", format!("owner-{}", place / OF_ONE_OWNER)));
        let session = owner.create(NewSession::default()).await.expect("creates");
        let set = |draft: &mut Draft| state().iter().try_for_each(|(key, value)| draft.set(key, value));
        session.update(set).await.expect("sets");
        sessions.push(session);
    }
    sessions
}

impl Store for Sessile {
    async fn build(folder: &Path, _callers: usize) -> Self {
        let service = start(folder).await;
        // Each waits for the disk: together they wait for it less often.
        let tasks: Vec<_> = (0..SESSIONS)
            .step_by(OF_ONE_OWNER / 10)
            .map(|first| tokio::spawn(fill(service.clone(), first..first + OF_ONE_OWNER / 10)))
            .collect();
        let mut sessions = Vec::new();
        for task in tasks {
            sessions.extend(task.await.expect("fills"));
        }
        Self { folder: folder.to_owned(), service, sessions }
    }

    async fn update(&self, _caller: usize, random: &mut Random) -> u64 {
        let session = &self.sessions[random.below(SESSIONS)];
        session.update(|draft| draft.increment(COUNTER, 1)).await.expect("updates");
        1
    }

    async fn counted(self) -> u64 {
        let Self { folder, service, sessions } = self;
        let ids: Vec<_> = sessions.into_iter().map(|session| session.id().clone()).collect();
        // Without a drain: what is there after this was there before.
        drop(service);
        let service = loop {
            match start_again(&folder).await {
                Some(service) => break service,
                // The thread that writes lets the folder go in its own time.
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let mut sum = 0;
        for (place, id) in ids.iter().enumerate() {
            let owner = service.owner(&Principal::new("durable", format!("owner-{}", place / OF_ONE_OWNER)));
            let session = owner.open(id.as_str()).await.expect("opens");
            sum += session.get::<u64>(COUNTER).expect("reads").expect("the counter is there");
        }
        sum
    }
}

async fn start_again(folder: &Path) -> Option<SessionService> {
    let builder = SessionService::builder().max_sessions(1_u64 << 20);
    match builder.snapshots(folder).durability(Durability::Commit).start().await {
        Ok(service) => Some(service),
        Err(sessile::StartError::Locked(_)) => None,
        Err(error) => panic!("it starts again: {error}"),
    }
}
