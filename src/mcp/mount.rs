//! Putting a server on a session service.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::door::Door;
use super::handler::Ambient;
use super::layer;
use super::manager::Manager;
use super::operations::Operations;
use super::options::McpOptions;
use super::reply::Body;
use super::store::Store;
use super::table::Table;
use super::who::Identify;
use crate::service::SessionService;

/// A mounted server: a tower service, cheap to clone, for `axum::Router::route_service("/mcp", ...)` or any other router.
///
/// Who calls is what [`McpOptions::principals`] says. Without it, it is what a middleware outside says by putting a
/// [`Caller`](crate::Caller) into the request's extensions; a request without one is anonymous.
#[derive(Clone)]
pub struct McpService {
    mounted: Arc<Mounted>,
}

/// What all clones share.
pub(super) struct Mounted {
    pub(super) service: SessionService,
    pub(super) endpoint: Box<dyn Endpoint>,
    pub(super) table: Arc<Table>,
    pub(super) door: Door,
    pub(super) max_body_bytes: usize,
    pub(super) body_timeout: Duration,
    pub(super) identify: Option<Identify>,
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// rmcp's service without the type of its handler.
pub(super) trait Endpoint: Send + Sync {
    fn handle(&self, request: Request<Full<Bytes>>) -> Pending<Response<Body>>;
    fn close(&self);
}

impl<S: ServerHandler + Send + 'static> Endpoint for StreamableHttpService<S, Manager> {
    fn handle(&self, request: Request<Full<Bytes>>) -> Pending<Response<Body>> {
        let service = self.clone();
        Box::pin(async move { StreamableHttpService::handle(&service, request).await })
    }

    fn close(&self) {
        self.config.cancellation_token.cancel();
    }
}

/// Mounts a server on a session service.
///
/// `factory` makes a handler for each protocol session of the older era, again when one is restored after a restart or
/// a long pause, and for each request of 2026-07-28: keep state in sessions, not in the handler.
///
/// ```
/// use rmcp::ServerHandler;
/// use sessile::mcp::{McpOptions, mount};
///
/// struct Server;
/// impl ServerHandler for Server {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = sessile::SessionService::builder().start().await?;
/// let mcp = mount(&service, || Ok(Server), McpOptions::default());
/// // axum::Router::new().route_service("/mcp", mcp.clone()) ...
/// mcp.drain(std::time::Duration::from_secs(10)).await;
/// service.drain().await?;
/// # Ok(())
/// # }
/// ```
pub fn mount<S, F>(service: &SessionService, factory: F, options: McpOptions) -> McpService
where
    S: ServerHandler + Send + 'static,
    F: Fn() -> Result<S, std::io::Error> + Send + Sync + 'static,
{
    let mut config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(options.allowed_hosts)
        .with_allowed_origins(options.allowed_origins)
        .enforce_origin_validation()
        .with_sse_keep_alive(options.sse_keep_alive)
        .with_max_request_body_bytes(options.max_body_bytes);
    config.session_store = Some(Arc::new(Store));
    if options.resumable {
        // rmcp's first event of a stream has the same id everywhere; ours says where in the log it begins.
        config.sse_retry = None;
    }
    let table = Arc::new(Table::new(options.passivate_after, options.max_workers));
    let manager = Arc::new(Manager { table: Arc::clone(&table), resumable: options.resumable });
    let operations = Operations::new(service.measures());
    let history = Arc::new(options.history);
    let factory =
        move || Ok(Ambient { handler: factory()?, operations: operations.clone(), history: Arc::clone(&history) });
    let mounted = Mounted {
        service: service.clone(),
        endpoint: Box::new(StreamableHttpService::new(factory, manager, config)),
        table,
        door: Door::new(),
        max_body_bytes: options.max_body_bytes,
        body_timeout: options.body_timeout,
        identify: options.identify,
    };
    McpService { mounted: Arc::new(mounted) }
}

impl McpService {
    /// Takes no more requests (they are answered 503), waits until the accepted ones are answered, then closes every
    /// stream; false when `patience` ended first. Sessions stay as they are: drain the session service next.
    ///
    /// # Cancellation
    /// Requests stay refused and streams open; a second drain goes on.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.mounted.door.close();
        let settled = tokio::time::timeout(patience, self.mounted.door.settled()).await.is_ok();
        self.mounted.endpoint.close();
        settled
    }
}

impl<B> tower_service::Service<Request<B>> for McpService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pending<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mounted = Arc::clone(&self.mounted);
        Box::pin(async move { Ok(layer::serve(&mounted, request).await) })
    }
}

impl fmt::Debug for McpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("McpService")
    }
}
