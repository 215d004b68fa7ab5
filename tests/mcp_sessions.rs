//! The adapter for rmcp, in process: a small server mounted on a session service, and a client for it.
#![cfg(feature = "rmcp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // Tests: a panic is how they fail.

#[path = "mcp/client.rs"]
mod client;
#[path = "mcp/flood.rs"]
mod flood;
#[path = "common/hand.rs"]
mod hand;
#[path = "mcp/handles.rs"]
mod handles;
#[path = "mcp/history.rs"]
mod history;
#[cfg(feature = "jwt")]
#[path = "mcp/issuer.rs"]
mod issuer;
#[cfg(feature = "jwt")]
#[path = "mcp/jwt.rs"]
mod jwt;
#[path = "mcp/logs.rs"]
mod logs;
#[path = "mcp/operations.rs"]
mod operations;
#[path = "mcp/owner.rs"]
mod owner;
#[cfg(feature = "seal")]
#[path = "mcp/request_state.rs"]
mod request_state;
#[path = "mcp/restart.rs"]
mod restart;
#[path = "mcp/resume.rs"]
mod resume;
#[path = "mcp/server.rs"]
mod server;
#[path = "mcp/session.rs"]
mod session;
#[path = "mcp/sse.rs"]
mod sse;
#[path = "mcp/task_server.rs"]
mod task_server;
#[path = "mcp/tasks.rs"]
mod tasks;
#[path = "mcp/who.rs"]
mod who;
#[path = "mcp/workers.rs"]
mod workers;
