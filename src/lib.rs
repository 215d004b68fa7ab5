//! The session layer for MCP (Model Context Protocol) servers: sessions that survive restarts, parallel tool calls
//! and each other.
//!
//! Every session is an actor: its updates are serialised by one mailbox and atomic, its reads never wait for them,
//! and it ends when its time is up, for good. Sessions belong to whoever created them; the owner is the only road to
//! them. Snapshots are written while work goes on, and restored at start.
//!
//! ```
//! use sessile::{NewSession, Principal, SessionService};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let service = SessionService::builder().snapshots(folder).start().await?;
//!
//! let alice = service.owner(&Principal::new("https://id.example", "alice"));
//! let cart = alice.create(NewSession::of_kind("cart")?.label("groceries")).await?;
//! cart.increment("apples", 3).await?;
//! assert_eq!(cart.get::<u32>("apples")?, Some(3));
//!
//! // The id is what a tool hands to its model; it opens the session for its owner and for nobody else.
//! let id = cart.id().as_str().to_owned();
//! assert!(alice.open(&id).await.is_ok());
//! assert!(service.owner(&Principal::new("https://id.example", "bob")).open(&id).await.is_err());
//!
//! service.drain().await?;
//! # Ok(())
//! # }
//! ```
//!
//! In reading order: [`SessionService`] is started by its [`Builder`]; [`Owner`] creates, opens and lists;
//! [`Session`] reads and updates; [`Draft`] is what an update changes and [`View`] what a read sees.
//! [`files`] looks into snapshots, journals and exports without a service.

mod actor;
mod config;
mod error;
pub mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
#[cfg(feature = "seal")]
mod keys;
#[cfg(feature = "rmcp")]
pub mod mcp;
mod owner;
mod principal;
#[cfg(test)]
mod proofs;
mod service;
mod session;
mod snapshot;
mod state;
mod telemetry;
mod time;

pub use actor::import::{FileProblem, ImportOptions, ImportOutcome, ImportReport, ImportedItem, OnConflict};
pub use actor::new_session::NewSession;
pub use actor::restore::{JournalCut, RestoreReport};
pub use actor::snapshotter::{SnapshotError, SnapshotReport};
pub use actor::sweep::SweepReport;
pub use actor::turn::Updated;
pub use config::{AtCapacity, Durability, Format};
pub use error::{
    Conflict, CreateError, DraftError, EndReason, Ended, EventError, IdError, KeyReused, Limit, LimitExceeded,
    NotDurable, OpenError, Overload, ReadError, Revision, UpdateError,
};
pub use id::{Kind, SessionId};
#[cfg(feature = "seal")]
pub use keys::{KeyError, KeyId, KeyRing};
#[cfg(feature = "rmcp")]
pub use mcp::current;
pub use owner::{AnonymousOwner, Cursor, CursorError, ListQuery, Operator, Owner, Page, Stats};
pub use principal::{Caller, Principal};
pub use service::{Builder, CallerOwner, DrainError, SessionService, StartError};
pub use session::{EventStreams, KeyOutcome, Once, Session, SessionInfo, TypedState};
pub use state::{Draft, Entry, Event, EventId, Gap, IdempotencyKey, Json, Metadata, Replay, Ttl, View};
pub use telemetry::SharedRecorder;
pub use time::{Clock, TimeSource, Timestamp};

/// The defaults of every option, and the caps that are not options.
pub mod defaults {
    pub use crate::config::{
        DEFAULT_FLUSH_EVERY, DEFAULT_GENERATIONS, DEFAULT_IDEMPOTENCY_KEYS, DEFAULT_IDEMPOTENCY_WINDOW,
        DEFAULT_IDLE_TIMEOUT, DEFAULT_MAILBOX_LINE, DEFAULT_MAILBOX_TURNS, DEFAULT_MAX_BUCKET_BYTES,
        DEFAULT_MAX_BUCKET_ENTRIES, DEFAULT_MAX_ENTRIES, DEFAULT_MAX_EVENTS, DEFAULT_MAX_EVENTS_BYTES,
        DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_KEY_BYTES, DEFAULT_MAX_LIFETIME, DEFAULT_MAX_OWNER_BYTES,
        DEFAULT_MAX_SESSION_BYTES, DEFAULT_MAX_SESSIONS, DEFAULT_MAX_SESSIONS_PER_OWNER, DEFAULT_MAX_TOMBSTONES,
        DEFAULT_MAX_TOMBSTONES_PER_OWNER, DEFAULT_MAX_TOTAL_BYTES, DEFAULT_MAX_VALUE_BYTES, DEFAULT_OVERRUN_AFTER,
        DEFAULT_SNAPSHOT_EVERY, DEFAULT_SWEEP_EVERY, DEFAULT_UPDATE_TIMEOUT, MAX_CUSTOM_BYTES, MAX_DEPTH, MAX_EVENTS,
        MAX_EVENTS_BYTES, MAX_FLUSH_EVERY, MAX_IDEMPOTENCY_KEY_BYTES, MAX_IDEMPOTENCY_KEYS, MAX_REMEMBERED_BYTES,
        MAX_TAGS, MAX_TEXT_BYTES, MAX_TIMEOUT, MIN_FLUSH_EVERY,
    };
    pub use crate::id::DEFAULT_KIND;
    pub use crate::principal::MAX_IDENTITY_BYTES;
}
