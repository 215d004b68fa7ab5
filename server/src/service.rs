//! What stands behind the edge.
//!
//! To be plugged in here: `start` builds and starts the `SessionService` from the options, `routes` is the MCP adapter
//! around it. Until then a server says so and does not pretend.

use axum::Router;

use crate::failure::Failure;
use crate::options::ServeOptions;
use crate::serve::Core;

/// Nothing: this build serves health and metrics alone.
pub(crate) struct Unplugged;

/// Starts what stands behind the edge.
///
/// # Errors
///
/// None yet; `Failure::State` for state files that are refused.
pub(crate) async fn start(_: &ServeOptions) -> Result<Unplugged, Failure> {
    Ok(Unplugged)
}

impl Core for Unplugged {
    fn routes(&self, _: &ServeOptions) -> Router {
        Router::new()
    }

    fn restored(&self) -> String {
        "nothing: this build has no session service".into()
    }

    fn degraded(&self) -> Option<String> {
        Some("this build has no session service".into())
    }

    async fn snapshot(&self) {}

    fn end_streams(&self) {}

    async fn drain(self) -> Result<(), Failure> {
        Ok(())
    }
}
