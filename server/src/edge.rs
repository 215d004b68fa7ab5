//! What the network sees: listeners, health, metrics, and `/mcp` behind authentication.
//!
//! The edge answers before there is a service behind it, so that a long restore shows as `restoring` and not as a
//! dead port; until [`Edge::open`], `/mcp` is 503.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use http::header::RETRY_AFTER;
use metrics_exporter_prometheus::PrometheusHandle;
use sessile::mcp::{Identify, Readiness};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::failure::Failure;
use crate::http::{Limits, serve};
use crate::load::{self, Load};
use crate::metrics;
use crate::options::ServeOptions;
use crate::shutdown::{Shutdown, Trigger, channel};

/// The running edge.
pub(crate) struct Edge {
    addr: SocketAddr,
    metrics_addr: SocketAddr,
    readiness: Readiness,
    mcp: Arc<OnceLock<Router>>,
    trigger: Trigger,
    tasks: JoinSet<()>,
}

impl Edge {
    /// Listens and answers: health and metrics at once, `/mcp` after [`Edge::open`].
    ///
    /// # Errors
    ///
    /// An address cannot be listened on.
    pub(crate) async fn start(
        options: &ServeOptions,
        auth: Identify,
        metrics: PrometheusHandle,
    ) -> Result<Self, Failure> {
        let (trigger, shutdown) = channel();
        let readiness = Readiness::restoring();
        let mcp = Arc::new(OnceLock::new());
        // Whoever is not let in takes no place.
        let mcp_routes = load::shed(slot(Arc::clone(&mcp)), Load::new(options));
        let main = auth.guard(mcp_routes).merge(readiness.routes());
        let main = match auth.protected_resource() {
            Some(resource) => main.merge(resource.routes()),
            None => main,
        };
        let limits = Limits::new(options.max_connections);
        let mut tasks = JoinSet::new();
        let (listener, addr) = bind(options.addr, "--addr").await?;
        let metrics_addr = match options.metrics_addr {
            None => {
                listen(&mut tasks, listener, main.merge(metrics::routes(metrics.clone())), limits, &shutdown);
                addr
            }
            Some(wanted) => {
                let (other, bound) = bind(wanted, "--metrics-addr").await?;
                let watched = metrics::routes(metrics.clone()).merge(readiness.routes());
                listen(&mut tasks, listener, main, limits, &shutdown);
                listen(&mut tasks, other, watched, limits, &shutdown);
                bound
            }
        };
        tasks.spawn(metrics::upkeep(metrics, shutdown));
        Ok(Self { addr, metrics_addr, readiness, mcp, trigger, tasks })
    }

    /// Where MCP is; the port that was given out where 0 was asked for.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where metrics are.
    pub(crate) fn metrics_addr(&self) -> SocketAddr {
        self.metrics_addr
    }

    /// What `/readyz` tells, for whoever learns of a change.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the service, which learns of failing snapshots"))]
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Puts `routes`, which name their paths in full (`/mcp`), behind the edge, and lets `tell` say that it is ready.
    /// Once: a second call changes the readiness alone.
    pub(crate) fn open(&self, routes: Router, tell: impl FnOnce(&Readiness)) {
        let _ = self.mcp.set(routes);
        tell(&self.readiness);
    }

    /// Begins the stop: not ready, takes nothing new. What is under way goes on, no longer than the deadline.
    pub(crate) fn drain(&self) {
        self.readiness.draining();
        self.trigger.drain();
    }

    /// Waits no longer for what is under way.
    pub(crate) fn cut(&self) {
        self.trigger.cut();
    }

    /// Waits until everything of the edge has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing; it may be called again.
    pub(crate) async fn ended(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the edge failed");
            }
        }
    }
}

async fn bind(addr: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), Failure> {
    let fail = |source| Failure::Listen { addr, flag, source };
    let listener = TcpListener::bind(addr).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

fn listen(tasks: &mut JoinSet<()>, listener: TcpListener, router: Router, limits: Limits, shutdown: &Shutdown) {
    tasks.spawn(serve(listener, router, limits, shutdown.clone()));
}

/// `/mcp`: whatever was put there, 503 before.
fn slot(mcp: Arc<OnceLock<Router>>) -> Router {
    let answer = async |State(mcp): State<Arc<OnceLock<Router>>>, request: Request| -> Response {
        match mcp.get() {
            Some(router) => router.clone().oneshot(request).await.into_response(),
            None => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], "restoring\n").into_response(),
        }
    };
    Router::new().route("/mcp", any(answer)).with_state(mcp)
}
