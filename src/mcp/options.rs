//! Options of a mounted server.

use std::time::Duration;

use super::history::ToolHistory;
use super::who::Identify;

/// Hosts that may be asked for by default: this machine, under its usual names.
pub(super) const DEFAULT_ALLOWED_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Bytes of one request by default: 4 MiB.
const DEFAULT_MAX_BODY_BYTES: usize = 4 << 20;
/// Time that a request's body may take by default.
const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two signs of life on a silent stream by default.
const DEFAULT_SSE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a worker stays without a request by default: 5 minutes.
const DEFAULT_PASSIVATE_AFTER: Duration = Duration::from_secs(5 * 60);
/// Workers kept by default.
const DEFAULT_MAX_WORKERS: usize = 1_024;

/// Options of a mounted server; every one has a default.
///
/// ```
/// let options = sessile::mcp::McpOptions::default()
///     .allowed_hosts(["mcp.example.com"])
///     .allowed_origins(["https://app.example.com:443"]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct McpOptions {
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) max_body_bytes: usize,
    pub(super) body_timeout: Duration,
    pub(super) sse_keep_alive: Option<Duration>,
    pub(super) passivate_after: Duration,
    pub(super) max_workers: usize,
    pub(super) history: ToolHistory,
    pub(super) resumable: bool,
    pub(super) identify: Option<Identify>,
}

impl Default for McpOptions {
    fn default() -> Self {
        Self {
            allowed_hosts: DEFAULT_ALLOWED_HOSTS.map(str::to_owned).to_vec(),
            allowed_origins: Vec::new(),
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            body_timeout: DEFAULT_BODY_TIMEOUT,
            sse_keep_alive: Some(DEFAULT_SSE_KEEP_ALIVE),
            passivate_after: DEFAULT_PASSIVATE_AFTER,
            max_workers: DEFAULT_MAX_WORKERS,
            history: ToolHistory::default(),
            resumable: true,
            identify: None,
        }
    }
}

impl McpOptions {
    /// Hosts that requests may be addressed to, each a name or `name:port`; none at all means any. Default: this
    /// machine's own names.
    pub fn allowed_hosts<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Self {
        self.allowed_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Web origins that may call, each `scheme://host:port`, with `*` for any port. Default: none. A request without an
    /// `Origin` comes from no web page and always passes.
    pub fn allowed_origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Bytes of one request. Default 4 MiB.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// How long the body of a request may take to arrive once its headers are there. Default 10 seconds.
    pub fn body_timeout(mut self, within: Duration) -> Self {
        self.body_timeout = within;
        self
    }

    /// Time between two signs of life on a silent stream; `None` for no signs. Default 15 seconds.
    pub fn sse_keep_alive(mut self, every: Option<Duration>) -> Self {
        self.sse_keep_alive = every;
        self
    }

    /// How long rmcp keeps a worker for a protocol session that nobody uses. Default 5 minutes. The session outlives
    /// its worker: the next request brings another, which costs one `initialize` of the handler.
    pub fn passivate_after(mut self, idle: Duration) -> Self {
        self.passivate_after = idle;
        self
    }

    /// Workers beyond which those idle for longest go before their time. Default 1,024. A worker with a call in flight
    /// or an open stream always stays.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = workers;
        self
    }

    /// What of the calls of tools is kept in the sessions that they used. Default: nothing.
    pub fn history(mut self, history: ToolHistory) -> Self {
        self.history = history;
        self
    }

    /// Whether event streams of the older era go through the log of their session ([`Session::events`]), so that a client
    /// that lost its connection goes on after the last event it got (`Last-Event-ID`), after a restart too. Default true.
    ///
    /// It costs one append for each message, which at [`Durability::Commit`] waits for the disk, and the log's bytes, up to
    /// its caps ([`Builder::max_events`], [`Builder::max_events_bytes`]), for each session. Without it rmcp keeps the last 16
    /// messages of a stream for as long as its worker lives.
    ///
    /// [`Session::events`]: crate::Session::events
    /// [`Durability::Commit`]: crate::Durability::Commit
    /// [`Builder::max_events`]: crate::Builder::max_events
    /// [`Builder::max_events_bytes`]: crate::Builder::max_events_bytes
    pub fn resumable(mut self, resumable: bool) -> Self {
        self.resumable = resumable;
        self
    }

    /// Who says who calls: a [`PrincipalSource`](super::PrincipalSource), or an [`Identify`] with more to say to those who
    /// are refused. Default: the [`Caller`](crate::Caller) that a middleware outside has put into the request's extensions,
    /// and nobody in particular where there is none.
    ///
    /// It is asked before anything else, and the credentials reach no handler.
    pub fn principals(mut self, source: impl Into<Identify>) -> Self {
        self.identify = Some(source.into());
        self
    }
}
