//! Is the process alive, and is it ready: `/healthz` and `/readyz`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use tokio::sync::watch;

use crate::service::SessionService;

/// How far a server is, shared by all who tell or ask; cheap to clone.
///
/// ```
/// use sessile::mcp::Readiness;
///
/// // A server that answers before its service has restored what it keeps.
/// let readiness = Readiness::restoring();
/// let routes = readiness.routes();
/// // ... listens, starts the service ...
/// readiness.ready(None);
/// ```
#[derive(Clone)]
pub struct Readiness {
    phase: Arc<watch::Sender<Phase>>,
    service: Arc<OnceLock<Asked>>,
}

/// What is asked each time.
struct Asked {
    running: Check,
    durable: Check,
}

type Check = Box<dyn Fn() -> bool + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Restoring,
    Ready { degraded: Option<Arc<str>> },
    Draining,
}

impl Readiness {
    /// A server that restores what it keeps: not ready.
    #[must_use]
    pub fn restoring() -> Self {
        Self { phase: Arc::new(watch::Sender::new(Phase::Restoring)), service: Arc::default() }
    }

    /// A server on a running service: ready until it drains.
    #[must_use]
    pub fn of(service: &SessionService) -> Self {
        let readiness = Self::restoring();
        readiness.serves(service);
        readiness
    }

    /// State is restored, by this service: tells what it rolled back, and asks it each time whether it runs and whether
    /// updates can be kept. The first service counts.
    pub fn serves(&self, service: &SessionService) {
        let (runs, keeps) = (service.clone(), service.clone());
        self.ask(move || runs.is_running(), move || keeps.is_durable());
        let report = service.restored();
        let cut = report.journal_cut.iter().filter(|cut| cut.lost).map(|cut| (&cut.path, &cut.detail));
        let first = report.skipped.iter().map(|(path, problem)| (path, problem)).chain(cut).next();
        self.ready(first.map(|(path, problem)| format!("rolled back: {}: {problem}", path.display())));
    }

    /// State is restored. `degraded` says what is not as it should be, such as a snapshot that had to be skipped; it
    /// may be told again whenever that changes. After [`Readiness::draining`] this changes nothing.
    pub fn ready(&self, degraded: Option<String>) {
        let ready = Phase::Ready { degraded: degraded.map(Into::into) };
        self.phase.send_if_modified(|phase| {
            let forward = *phase != Phase::Draining;
            if forward {
                *phase = ready;
            }
            forward
        });
    }

    /// Asks these each time: whether the service runs, and whether updates can be kept. The first ones count.
    pub fn ask(
        &self,
        running: impl Fn() -> bool + Send + Sync + 'static,
        durable: impl Fn() -> bool + Send + Sync + 'static,
    ) {
        let asked = Asked { running: Box::new(running), durable: Box::new(durable) };
        // Asked for once, when the server opens.
        let _ = self.service.set(asked);
    }

    /// The server is stopping.
    pub fn draining(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    fn answer(&self) -> (StatusCode, String) {
        let says = |check: fn(&Asked) -> &Check| self.service.get().is_none_or(|asked| check(asked)());
        let (running, durable) = (says(|asked| &asked.running), says(|asked| &asked.durable));
        match &*self.phase.borrow() {
            Phase::Ready { .. } if !running => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".into()),
            Phase::Ready { .. } if !durable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not durable: the journal cannot be written, updates are refused; mend the cause, then take a snapshot\n".into(),
            ),
            Phase::Restoring => (StatusCode::SERVICE_UNAVAILABLE, "restoring\n".into()),
            Phase::Ready { degraded: None } => (StatusCode::OK, "ready\n".into()),
            Phase::Ready { degraded: Some(why) } => (StatusCode::OK, format!("ready (degraded: {why})\n")),
            Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".into()),
        }
    }

    /// `/healthz` (200 while the process answers at all) and `/readyz` (200 once restored and until draining).
    pub fn routes(&self) -> Router {
        let ready = async |State(readiness): State<Self>| {
            let (status, text) = readiness.answer();
            (status, [(CACHE_CONTROL, "no-store")], text)
        };
        let alive = async || ([(CACHE_CONTROL, "no-store")], "ok\n");
        Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).with_state(self.clone())
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&*self.phase.borrow()).finish()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower_service::Service as _;

    use super::*;

    async fn ask(readiness: &Readiness, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = readiness.routes().call(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn tells_each_phase() {
        let readiness = Readiness::restoring();
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

    #[tokio::test]
    async fn follows_what_it_was_told_to_ask() {
        let durable = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let readiness = Readiness::restoring();
        let asked = Arc::clone(&durable);
        readiness.ask(|| true, move || asked.load(std::sync::atomic::Ordering::SeqCst));
        readiness.ready(None);
        assert_eq!(ask(&readiness, "/readyz").await.0, 200);
        durable.store(false, std::sync::atomic::Ordering::SeqCst);
        let (status, text) = ask(&readiness, "/readyz").await;
        assert!(status == 503 && text.starts_with("not durable: "), "{text}");
    }

    #[tokio::test]
    async fn a_service_that_drains_is_not_ready() {
        let service = SessionService::builder().start().await.unwrap();
        let readiness = Readiness::of(&service);
        assert_eq!(ask(&readiness, "/readyz").await, (200, "ready\n".into()));
        service.drain().await.unwrap();
        assert_eq!(ask(&readiness, "/readyz").await, (503, "draining\n".into()));
    }
}
