//! Options of a service, as the caller sets them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::lifecycle::StartError;
use super::{Handle, SessionService, lifecycle};
use crate::config::{
    AtCapacity, Config, DEFAULT_GENERATIONS, DEFAULT_SNAPSHOT_EVERY, Durability, Format, SnapshotOptions,
};
use crate::id::Kind;
use crate::telemetry::SharedRecorder;
use crate::time::Clock;

/// Options of a service. Nothing is checked before [`Builder::start`], which reports every problem at once.
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    pub(super) config: Config,
    pub(super) kinds: Vec<String>,
    pub(super) snapshots: Option<PathBuf>,
    pub(super) format: Format,
    pub(super) snapshot_every: Option<Duration>,
    pub(super) generations: Option<usize>,
    pub(super) keep_for: Option<Duration>,
    pub(super) start_empty: bool,
    pub(super) on_request: bool,
    pub(super) durability: Durability,
    pub(super) clock: Option<Clock>,
    pub(super) recorder: Option<SharedRecorder>,
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $($field:ident).+;)*) => {
        $($(#[$doc])*
        pub fn $name(mut self, value: impl Into<$type>) -> Self {
            self.$($field).+ = value.into();
            self
        })*
    };
}

impl Builder {
    options! {
        /// Idle timeout of sessions; `None` for no limit. Default 30 minutes.
        idle_timeout: Option<Duration> => config.idle_timeout;
        /// Max lifetime of sessions; `None` for no limit. Default 24 hours.
        max_lifetime: Option<Duration> => config.max_lifetime;
        /// Idle timeout of buckets and the global session; `None`, the default, for no limit.
        bucket_idle_timeout: Option<Duration> => config.bucket_idle_timeout;
        /// Time between two sweeps. Default 5 minutes.
        sweep_every: Duration => config.sweep_every;
        /// Sessions in all, buckets among them. Default 10,000.
        max_sessions: u64 => config.max_sessions;
        /// Sessions of one owner. Default 1,000.
        max_sessions_per_owner: u64 => config.max_sessions_per_owner;
        /// What is done at a cap on sessions, or on bytes of an owner or in all. Default: what would pass it is refused.
        ///
        /// Sessions that have expired go first in any case. With [`AtCapacity::Evict`] those used the longest ago follow, of
        /// the owner at its own cap; never buckets, never the session that grows, and nobody where it would not help.
        at_capacity: AtCapacity => config.at_capacity;
        /// Entries of one session. Default 1,000.
        max_entries: u64 => config.session.entries;
        /// What an update does at the cap on entries of a session. Default: it is refused.
        ///
        /// With [`AtCapacity::Evict`] entries that have expired go first, then the least recently used ones: a read or a
        /// write of an entry is a use, a listing is not, and what an update itself writes is not evicted by it. Uses are
        /// not in files: after a restart the order is that of the last writes. The cap on bytes still refuses.
        at_entry_cap: AtCapacity => config.session.at_entries;
        /// Bytes of one session: keys, values, metadata. Default 1 MiB.
        max_session_bytes: u64 => config.session.bytes;
        /// Entries of one bucket. Default 10,000.
        max_bucket_entries: u64 => config.bucket.entries;
        /// What an update does at the cap on entries of a bucket, as [`Builder::at_entry_cap`] says of a session.
        at_bucket_entry_cap: AtCapacity => config.bucket.at_entries;
        /// Bytes of one bucket. Default 64 MiB.
        max_bucket_bytes: u64 => config.bucket.bytes;
        /// Bytes of all sessions of one owner. Default 256 MiB.
        max_owner_bytes: u64 => config.max_owner_bytes;
        /// Bytes of state in all. Default 1 GiB.
        max_total_bytes: u64 => config.max_total_bytes;
        /// Turns that one mailbox holds. Default 64.
        mailbox_turns: usize => config.mailbox_turns;
        /// How long an update waits for a place in the mailbox. Default 5 seconds.
        update_timeout: Duration => config.update_timeout;
        /// Callers that may be in line for a place in one mailbox; one more is refused at once. Default 1,024.
        mailbox_line: u32 => config.mailbox_line;
        /// Updates and creates in flight in all, those in line among them; one more is refused at once. Default 65,536.
        max_in_flight: u64 => config.max_in_flight;
        /// How long an update's closure may run before it is logged and counted as an overrun. Default 100 milliseconds.
        overrun_after: Duration => config.overrun_after;
        /// Remembered ends in all. Default 100,000.
        max_tombstones: usize => config.max_tombstones;
        /// Remembered ends of one owner. Default 1,000.
        max_tombstones_per_owner: usize => config.max_tombstones_per_owner;
        /// Whether the client id is part of the identity. Default false.
        bind_client: bool => config.bind_client;
        /// Encoding of snapshots. Default bincode; either is read.
        format: Format => format;
        /// When an acknowledged change is on disk; anything but the default needs [`Builder::snapshots`]. Default
        /// [`Durability::Snapshot`].
        durability: Durability => durability;
        /// How long snapshots are kept beyond the newest [`Builder::generations`], at most 1,000 of them; `None`, the default,
        /// for not at all.
        keep_for: Option<Duration> => keep_for;
        /// Whether to start empty when the folder holds files and none of them can be used. Nothing is deleted.
        start_empty: bool => start_empty;
        /// Whether snapshots are written on request alone, by [`SessionService::snapshot`] and [`SessionService::drain`]: none by
        /// the clock or because a journal is long, and none is removed. Default false.
        ///
        /// For tools that work on the folder of a service that is stopped: unless they ask for a snapshot, it stays as it was.
        snapshots_on_request: bool => on_request;
        /// Whether snapshots and exports are compressed. Default false; compressed files are read either way.
        ///
        /// Keep it off where those who may write into sessions may also see how large files are: the size of a compressed
        /// file tells something of what is in it, sealed or not.
        #[cfg(feature = "zstd")]
        compress: bool => config.wrap.compress;
    }

    /// Bytes of one value as compact JSON. Default 256 KiB.
    pub fn max_value_bytes(mut self, bytes: u64) -> Self {
        self.config.session.value_bytes = bytes;
        self.config.bucket.value_bytes = bytes;
        self
    }

    /// Bytes of one key. Default 256.
    pub fn max_key_bytes(mut self, bytes: u64) -> Self {
        self.config.session.key_bytes = bytes;
        self.config.bucket.key_bytes = bytes;
        self
    }

    /// Events that one session's log keeps, over all its streams, up to 100,000; the oldest are trimmed. Default 1,000.
    pub fn max_events(mut self, events: u64) -> Self {
        self.config.events.events = events;
        self
    }

    /// Bytes of one session's event log, over all its streams, up to 256 MiB; the oldest events are trimmed. They count
    /// against the caps of the owner and of the service, not against that of the session's state. Default 4 MiB.
    pub fn max_events_bytes(mut self, bytes: u64) -> Self {
        self.config.events.bytes = bytes;
        self
    }

    /// Keyed updates that a session or bucket remembers, up to 1,024; beyond them the oldest go. Default 128.
    ///
    /// Each counts 64 bytes and what it returned, up to 4 KiB, against the caps on bytes.
    pub fn idempotency_keys(mut self, keys: u64) -> Self {
        self.config.session.idempotency_keys = keys;
        self.config.bucket.idempotency_keys = keys;
        self
    }

    /// How long a session or bucket remembers keyed updates. Default 24 hours.
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.config.session.idempotency_window = window;
        self.config.bucket.idempotency_window = window;
        self
    }

    /// Keeps snapshots in this folder, made if missing. Default: none are kept.
    pub fn snapshots(mut self, folder: impl Into<PathBuf>) -> Self {
        self.snapshots = Some(folder.into());
        self
    }

    /// Time between two snapshots. Default 60 seconds.
    pub fn snapshot_every(mut self, every: Duration) -> Self {
        self.snapshot_every = Some(every);
        self
    }

    /// Snapshots kept, whatever their age. Default 3.
    pub fn generations(mut self, generations: usize) -> Self {
        self.generations = Some(generations);
        self
    }

    /// Kinds that have a metric label of their own; all others count as `other`.
    pub fn kinds<K: Into<String>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.kinds.extend(kinds.into_iter().map(Into::into));
        self
    }

    /// Seals snapshots, journals and exports under the first of these keys, and opens sealed files with any of them.
    ///
    /// A sealed file whose key is not among them refuses the start. A file that is not sealed is read, with a warning, and
    /// the next snapshot, which then follows soon, is sealed; older generations stay as they are until they are removed.
    #[cfg(feature = "seal")]
    pub fn keys(mut self, keys: crate::KeyRing) -> Self {
        self.config.wrap.keys = Some(keys);
        self
    }

    /// The clock. Default: the machine's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where metrics go. Default: the process's recorder.
    pub fn recorder(mut self, recorder: SharedRecorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Checks the options, locks and reads the folder, starts the actors.
    ///
    /// # Errors
    /// [`StartError`]: nothing runs and nothing on disk was changed.
    pub async fn start(self) -> Result<SessionService, StartError> {
        let (core, supervisor, restored) = lifecycle::start(self).await?;
        Ok(SessionService { handle: Arc::new(Handle { core, supervisor, restored }) })
    }

    /// The options with everything that was set put in its place.
    pub(super) fn config(&self) -> Result<Config, StartError> {
        let mut config = self.config.clone();
        let mut problems = Vec::new();
        for kind in &self.kinds {
            match Kind::new(kind) {
                Ok(kind) => config.kinds.push(kind),
                Err(error) => problems.push(format!("kinds: {kind:?}: {error}")),
            }
        }
        config.snapshots = self.snapshots.clone().map(|folder| SnapshotOptions {
            folder,
            format: self.format,
            every: self.snapshot_every.unwrap_or(DEFAULT_SNAPSHOT_EVERY),
            generations: self.generations.unwrap_or(DEFAULT_GENERATIONS),
            keep_for: self.keep_for,
            start_empty: self.start_empty,
            on_request: self.on_request,
            durability: self.durability,
        });
        if self.snapshots.is_none() && self.durability != Durability::Snapshot {
            problems.push("durability: a journal needs a folder; set one with `snapshots`".to_owned());
        }
        if let Err(report) = garde::Validate::validate(&config) {
            problems.extend(report.iter().map(|(path, error)| format!("{path}: {error}")));
        }
        if problems.is_empty() { Ok(config) } else { Err(StartError::Options(problems)) }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}
