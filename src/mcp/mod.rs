//! Sessions for MCP servers built on `rmcp`, both eras of the protocol behind one endpoint.
//!
//! [`mount`] puts any `rmcp::ServerHandler` on a [`SessionService`](crate::SessionService). Requests of the older era
//! (`Mcp-Session-Id`) are bound to the session's owner before rmcp sees them, and their sessions survive a restart
//! with their state; requests of 2026-07-28 carry no session and cannot pretend to. Who calls is what a
//! [`PrincipalSource`] says, or a middleware outside; tool handlers find out through [`CallContext`].

mod body;
mod calls;
mod context;
mod door;
mod era;
mod gate;
mod layer;
mod manager;
mod mount;
mod options;
mod reply;
#[cfg(feature = "axum")]
mod router;
mod scope;
mod slot;
mod store;
mod stream;
mod table;
mod transport;
mod who;

pub use context::{CallContext, Era};
pub use mount::{McpService, mount};
pub use options::McpOptions;
#[cfg(feature = "axum")]
pub use router::{McpRouter, Readiness, RouterOptions, metrics_routes, router};
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
