//! Is the process alive, and is it ready: `/healthz` and `/readyz`.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use tokio::sync::watch;

/// How far the server is, shared by all who tell or ask. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readiness {
    phase: Arc<watch::Sender<Phase>>,
    durable: Arc<OnceLock<Durable>>,
}

/// Tells whether what is promised of files can be kept.
pub(crate) type Durable = Box<dyn Fn() -> bool + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Restoring,
    Ready { degraded: Option<Arc<str>> },
    Draining,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { phase: Arc::new(watch::Sender::new(Phase::Restoring)), durable: Arc::default() }
    }
}

impl Readiness {
    /// State is restored. `degraded` says what is not as it should be, such as a snapshot that had to be skipped; it
    /// may be told again whenever that changes. After `draining` this changes nothing.
    pub(crate) fn ready(&self, degraded: Option<String>) {
        let ready = Phase::Ready { degraded: degraded.map(Into::into) };
        self.phase.send_if_modified(|phase| {
            let forward = *phase != Phase::Draining;
            if forward {
                *phase = ready;
            }
            forward
        });
    }

    /// What to ask whether updates can be kept.
    pub(crate) fn ask(&self, durable: Durable) {
        // Asked for once, when the server opens.
        let _ = self.durable.set(durable);
    }

    /// The server is stopping.
    pub(crate) fn draining(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    fn answer(&self) -> (StatusCode, String) {
        let lost = self.durable.get().is_some_and(|durable| !durable());
        match &*self.phase.borrow() {
            Phase::Ready { .. } if lost => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not durable: the journal cannot be written, updates are refused; mend the cause, then take a snapshot\n".into(),
            ),
            Phase::Restoring => (StatusCode::SERVICE_UNAVAILABLE, "restoring\n".into()),
            Phase::Ready { degraded: None } => (StatusCode::OK, "ready\n".into()),
            Phase::Ready { degraded: Some(why) } => (StatusCode::OK, format!("ready (degraded: {why})\n")),
            Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".into()),
        }
    }
}

/// `/healthz` (200 while the process answers at all) and `/readyz` (200 once restored and until draining).
pub(crate) fn routes(readiness: Readiness) -> Router {
    let ready = async |State(readiness): State<Readiness>| {
        let (status, text) = readiness.answer();
        (status, [(CACHE_CONTROL, "no-store")], text)
    };
    let alive = async || ([(CACHE_CONTROL, "no-store")], "ok\n");
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).with_state(readiness)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(readiness: &Readiness, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes(readiness.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(to_bytes(response.into_body(), 1_024).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn tells_each_phase() {
        let readiness = Readiness::default();
        assert_eq!(ask(&readiness, "/readyz").await, (503, "restoring\n".into()));
        readiness.ready(None);
        assert_eq!(ask(&readiness, "/readyz").await, (200, "ready\n".into()));
        readiness.ready(Some("snapshot 7 is damaged, used 6".into()));
        assert_eq!(ask(&readiness, "/readyz").await, (200, "ready (degraded: snapshot 7 is damaged, used 6)\n".into()));
        readiness.draining();
        readiness.ready(None);
        assert_eq!(ask(&readiness, "/readyz").await, (503, "draining\n".into()));
        assert_eq!(ask(&readiness, "/healthz").await, (200, "ok\n".into()));
    }
}
