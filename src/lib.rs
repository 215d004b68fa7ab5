//! The session layer for MCP servers.

mod config;
mod error;
mod id;
mod principal;
mod state;
mod time;

pub use error::{
    Conflict, CreateError, DraftError, EndReason, Ended, IdError, Limit, LimitExceeded, OpenError, ReadError, Revision,
    UpdateError,
};
pub use id::{DEFAULT_KIND, Kind, SessionId};
pub use principal::{Caller, Principal};
pub use state::{Draft, Entry, Json, Metadata, Ttl, View};
pub use time::{Clock, TimeSource, Timestamp};
