//! The session layer for MCP servers.

mod config;
mod error;
mod id;
mod principal;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the actor layer, which uses it, is merged after it"))]
mod snapshot;
mod time;

pub use error::{
    Conflict, CreateError, DraftError, EndReason, Ended, IdError, Limit, LimitExceeded, OpenError, ReadError, Revision,
    UpdateError,
};
pub use id::{DEFAULT_KIND, Kind, SessionId};
pub use principal::{Caller, Principal};
pub use time::{Clock, TimeSource, Timestamp};
