//! Sessile with owners, limits, expiry and metrics on, as it comes; only the caps on numbers are raised.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use sessile::{Draft, NewSession, Owner, Principal, Session, SessionService};

use crate::session::{COUNTER, READ, state};
use crate::store::Store;

/// As many as a service with default limits gives to one owner.
const OF_ONE_OWNER: usize = 1_000;

async fn start() -> SessionService {
    let recorder = PrometheusBuilder::new().set_buckets(&[1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0]);
    let recorder = recorder.expect("buckets").build_recorder();
    let handle = recorder.handle();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            handle.run_upkeep();
        }
    });
    let builder = SessionService::builder().recorder(Arc::new(recorder)).max_sessions(1_u64 << 20);
    builder.start().await.expect("starts")
}

fn read(session: &Session) -> usize {
    let view = session.read().expect("the session lives");
    // The view is the caller's to keep, with all keys of one revision.
    view.json(READ).map_or(0, str::len)
}

async fn add(session: &Session) -> bool {
    session.update(|draft| draft.increment(COUNTER, 1)).await.is_ok()
}

/// Sessions looked up by id and owner for every operation, as a request does.
pub(crate) struct ById {
    ids: Vec<String>,
    owners: Vec<Owner>,
    _service: SessionService,
}

impl ById {
    async fn open(&self, place: usize) -> Session {
        self.owners[place / OF_ONE_OWNER].open(&self.ids[place]).await.expect("opens")
    }
}

impl Store for ById {
    async fn build(mut ids: Vec<String>) -> Self {
        let service = start().await;
        let owner = |index| service.owner(&Principal::new("peers", format!("owner-{index}")));
        let owners: Vec<_> = (0..ids.len().div_ceil(OF_ONE_OWNER)).map(owner).collect();
        for (place, id) in ids.iter_mut().enumerate() {
            let session = owners[place / OF_ONE_OWNER].create(NewSession::default()).await.expect("creates");
            let set = |draft: &mut Draft| state().iter().try_for_each(|(key, value)| draft.set(key, value));
            session.update(set).await.expect("sets");
            id.clear();
            id.push_str(session.id().as_str());
        }
        Self { ids, owners, _service: service }
    }

    async fn read(&self, place: usize) -> usize {
        read(&self.open(place).await)
    }

    async fn update(&self, place: usize) -> bool {
        add(&self.open(place).await).await
    }

    async fn counted(&self, place: usize) -> u64 {
        self.open(place).await.get(COUNTER).expect("reads").expect("the counter is there")
    }
}

/// Sessions held by whoever works on them, with what that takes.
pub(crate) struct Held {
    sessions: Vec<Session>,
    _by_id: ById,
}

impl Store for Held {
    async fn build(ids: Vec<String>) -> Self {
        let by_id = ById::build(ids).await;
        let mut sessions = Vec::new();
        for place in 0..by_id.ids.len() {
            sessions.push(by_id.open(place).await);
        }
        Self { sessions, _by_id: by_id }
    }

    async fn read(&self, place: usize) -> usize {
        read(&self.sessions[place])
    }

    async fn update(&self, place: usize) -> bool {
        add(&self.sessions[place]).await
    }

    async fn counted(&self, place: usize) -> u64 {
        self.sessions[place].get(COUNTER).expect("reads").expect("the counter is there")
    }
}
