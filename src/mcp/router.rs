//! From a session service and a handler factory to an axum router, in one call.

mod health;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use rmcp::ServerHandler;

use super::mount::{McpService, mount};
use super::options::McpOptions;
use super::who::{Identify, ProtectedResource};
use crate::service::SessionService;

pub use health::Readiness;

/// Where MCP is.
const MCP: &str = "/mcp";
/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a router has beside `/mcp`; made from [`McpOptions`].
///
/// Health and metrics are for whoever reaches the router, without credentials: leave them out where that is everybody,
/// and serve [`Readiness::routes`] and [`metrics_routes`] on an address of their own.
#[must_use]
pub struct RouterOptions {
    mcp: McpOptions,
    health: bool,
    render: Option<Render>,
}

type Render = Arc<dyn Fn() -> String + Send + Sync>;

impl From<McpOptions> for RouterOptions {
    fn from(mcp: McpOptions) -> Self {
        Self { mcp, health: false, render: None }
    }
}

impl RouterOptions {
    /// Adds `/healthz` (200 while the process answers at all) and `/readyz` (200 until the service drains, with what was
    /// rolled back at its start; 503 while its journal cannot be written).
    pub fn health(mut self) -> Self {
        self.health = true;
        self
    }

    /// Adds `/metrics`: what `render` gives, in the text format of Prometheus.
    pub fn metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.render = Some(Arc::new(render));
        self
    }
}

impl fmt::Debug for RouterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterOptions").field("mcp", &self.mcp).field("health", &self.health).finish_non_exhaustive()
    }
}

/// A mounted server and the routes to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct McpRouter {
    /// `/mcp`, and what was asked for beside it.
    pub router: Router,
    /// The server behind `/mcp`, to be drained.
    pub mcp: McpService,
}

/// Mounts a server on a session service as [`mount`] does, and routes to it: `/mcp`; the metadata of the protected
/// resource, where [`Identify::resource`] has one; health and metrics on request.
///
/// ```
/// use rmcp::ServerHandler;
/// use sessile::mcp::{Local, McpOptions, RouterOptions, router};
///
/// struct Server;
/// impl ServerHandler for Server {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = sessile::SessionService::builder().start().await?;
/// let options = RouterOptions::from(McpOptions::default().principals(Local)).health();
/// let served = router(&service, || Ok(Server), options);
/// // axum::serve(listener, served.router) ...
/// served.mcp.drain(std::time::Duration::from_secs(10)).await;
/// service.drain().await?;
/// # Ok(())
/// # }
/// ```
pub fn router<S, F>(service: &SessionService, factory: F, options: impl Into<RouterOptions>) -> McpRouter
where
    S: ServerHandler + Send + 'static,
    F: Fn() -> Result<S, std::io::Error> + Send + Sync + 'static,
{
    let RouterOptions { mcp, health, render } = options.into();
    let resource = mcp.identify.as_ref().and_then(Identify::protected_resource).cloned();
    let mcp = mount(service, factory, mcp);
    let mut router = Router::new().route_service(MCP, mcp.clone());
    if let Some(resource) = resource {
        router = router.merge(resource.routes());
    }
    if health {
        router = router.merge(Readiness::of(service).routes());
    }
    if let Some(render) = render {
        router = router.merge(metrics_routes(move || render()));
    }
    McpRouter { router, mcp }
}

/// `/metrics`: what `render` gives, in the text format of Prometheus.
pub fn metrics_routes(render: impl Fn() -> String + Send + Sync + 'static) -> Router {
    let render: Render = Arc::new(render);
    let answer = async |State(render): State<Render>| ([(CONTENT_TYPE, TEXT)], render());
    Router::new().route("/metrics", get(answer)).with_state(render)
}

impl ProtectedResource {
    /// The metadata, at their [paths](Self::paths), for anybody: the first thing that a client asks for has to be there
    /// without credentials, and for web pages of any origin.
    pub fn routes(&self) -> Router {
        let metadata: Arc<str> = self.metadata().into();
        let answer = async |State(metadata): State<Arc<str>>| {
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (CACHE_CONTROL, "max-age=3600"),
            ];
            (headers, metadata.to_string())
        };
        let routes = self.paths().iter().fold(Router::new(), |routes, path| routes.route(path, get(answer)));
        routes.with_state(metadata)
    }
}

impl Identify {
    /// Lets requests into `router` whose caller is known, with the [`Caller`](crate::Caller) in their extensions and without
    /// their credentials.
    pub fn guard(&self, router: Router) -> Router {
        let ask = async |State(identify): State<Self>, request: Request, next: Next| -> Response {
            match identify.admit(request).await {
                Ok(request) => next.run(request).await,
                Err(refusal) => refusal.into_response(),
            }
        };
        router.layer(middleware::from_fn_with_state(self.clone(), ask))
    }
}
