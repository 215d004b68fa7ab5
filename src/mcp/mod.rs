//! Sessions for MCP servers built on `rmcp`, both eras of the protocol behind one endpoint.
//!
//! [`mount`] puts any `rmcp::ServerHandler` on a [`SessionService`](crate::SessionService). Requests of the older era
//! (`Mcp-Session-Id`) are bound to the session's owner before rmcp sees them, and their sessions survive a restart
//! with their state; requests of 2026-07-28 carry no session and cannot pretend to. Who calls is what a
//! [`PrincipalSource`] says, or a middleware outside. Tool handlers find out through [`CallContext`], take typed state by
//! its [`StateHandle`], and get the tools that give handles out from [`handle_tools`].

mod ambient;
mod body;
mod calls;
mod context;
mod door;
mod era;
mod event;
mod extract;
mod feed;
mod feeds;
mod gate;
mod handler;
mod handles;
mod history;
mod layer;
mod manager;
mod mount;
mod operations;
mod options;
mod reading;
mod redaction;
mod reply;
#[cfg(feature = "seal")]
mod request_state;
#[cfg(feature = "axum")]
mod router;
mod scope;
mod slot;
mod store;
mod stream;
mod table;
mod tasks;
#[cfg(feature = "otel")]
mod trace_parent;
mod transport;
mod who;
pub mod words;

pub use ambient::{current, for_nobody};
pub use context::{CallContext, Era};
pub use extract::CurrentSession;
pub use handles::{State, StateHandle, StateKind, ToolRefusal, handle_tools};
pub use history::{ToolCall, ToolHistory, ToolOutcome, tool_history};
pub use mount::{McpService, mount};
pub use options::McpOptions;
#[cfg(feature = "seal")]
pub use request_state::{RequestStateError, RequestStates, StatedRequest};
#[cfg(feature = "axum")]
pub use router::{McpRouter, Readiness, RouterOptions, metrics_routes, router};
pub use tasks::{NewTask, TASK_KIND, TaskContext, TaskOptions, Tasks};
pub use who::{
    Anonymous, Asking, Identify, Local, Payer, Payers, PrincipalSource, ProtectedResource, Refusal, ResourceProblem,
    TokenHash, Tokens, TrustedHeader,
};
#[cfg(feature = "jwt")]
pub use who::{Fetching, Jwks, JwksFile, JwksSource, Jwt, KeysUnusable};

/// The kind of protocol sessions; their ids begin with it.
pub const PROTOCOL_KIND: &str = "mcp";

/// The header that names a protocol session.
pub(super) const SESSION_ID: http::HeaderName = http::HeaderName::from_static("mcp-session-id");
