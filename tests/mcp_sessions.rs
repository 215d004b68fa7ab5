//! The adapter for rmcp, in process: a small server mounted on a session service, and a client for it.
#![cfg(feature = "rmcp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // Tests: a panic is how they fail.

#[path = "mcp/client.rs"]
mod client;
#[path = "mcp/flood.rs"]
mod flood;
#[cfg(feature = "jwt")]
#[path = "mcp/issuer.rs"]
mod issuer;
#[cfg(feature = "jwt")]
#[path = "mcp/jwt.rs"]
mod jwt;
#[path = "mcp/logs.rs"]
mod logs;
#[path = "mcp/owner.rs"]
mod owner;
#[path = "mcp/restart.rs"]
mod restart;
#[path = "mcp/server.rs"]
mod server;
#[path = "mcp/session.rs"]
mod session;
#[path = "mcp/who.rs"]
mod who;
#[path = "mcp/workers.rs"]
mod workers;
