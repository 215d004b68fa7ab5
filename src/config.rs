//! Options of a service: their defaults, and the rules they are checked by, once, in `start`.

use std::path::PathBuf;
use std::time::Duration;

use garde::Validate;

use crate::id::Kind;
#[cfg(feature = "seal")]
use crate::keys::KeyRing;

/// Idle timeout of a session: 30 minutes.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Max lifetime of a session: 24 hours.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two sweeps: 5 minutes.
pub const DEFAULT_SWEEP_EVERY: Duration = Duration::from_secs(5 * 60);
/// Sessions in all.
pub const DEFAULT_MAX_SESSIONS: u64 = 10_000;
/// Sessions of one owner.
pub const DEFAULT_MAX_SESSIONS_PER_OWNER: u64 = 1_000;
/// Entries of one session.
pub const DEFAULT_MAX_ENTRIES: u64 = 1_000;
/// Bytes of one session: 1 MiB.
pub const DEFAULT_MAX_SESSION_BYTES: u64 = 1 << 20;
/// Entries of a bucket.
pub const DEFAULT_MAX_BUCKET_ENTRIES: u64 = 10_000;
/// Bytes of a bucket: 64 MiB.
pub const DEFAULT_MAX_BUCKET_BYTES: u64 = 64 << 20;
/// Bytes of one value: 256 KiB.
pub const DEFAULT_MAX_VALUE_BYTES: u64 = 256 << 10;
/// Bytes of one key.
pub const DEFAULT_MAX_KEY_BYTES: u64 = 256;
/// Bytes of all sessions of one owner: 256 MiB.
pub const DEFAULT_MAX_OWNER_BYTES: u64 = 256 << 20;
/// Bytes of state in all: 1 GiB.
pub const DEFAULT_MAX_TOTAL_BYTES: u64 = 1 << 30;
/// Turns that wait in one mailbox.
pub const DEFAULT_MAILBOX_TURNS: usize = 64;
/// How long an update waits for its place in the mailbox.
pub const DEFAULT_UPDATE_TIMEOUT: Duration = Duration::from_secs(5);
/// Callers in line for a place in one mailbox: so few that one flooded session leaves most of the service to others.
pub const DEFAULT_MAILBOX_LINE: u32 = 1_024;
/// Updates and creates in flight in all, those in line among them.
pub const DEFAULT_MAX_IN_FLIGHT: u64 = 65_536;
/// How long an update's closure may run before it counts as an overrun: 100 milliseconds.
pub const DEFAULT_OVERRUN_AFTER: Duration = Duration::from_millis(100);
/// Remembered ends in all.
pub const DEFAULT_MAX_TOMBSTONES: usize = 100_000;
/// Remembered ends of one owner.
pub const DEFAULT_MAX_TOMBSTONES_PER_OWNER: usize = 1_000;
/// Time between two snapshots.
pub const DEFAULT_SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// Time between two writes of the journal.
pub const DEFAULT_FLUSH_EVERY: Duration = Duration::from_secs(1);
/// The shortest time between two writes of the journal: 1 millisecond.
pub const MIN_FLUSH_EVERY: Duration = Duration::from_millis(1);
/// The longest: 1 hour.
pub const MAX_FLUSH_EVERY: Duration = Duration::from_secs(60 * 60);
/// Snapshots kept.
pub const DEFAULT_GENERATIONS: usize = 3;
/// The most snapshots that are kept, however young they are.
pub(crate) const MAX_GENERATIONS: usize = 1_000;
/// Bytes of a session's custom metadata: 4 KiB.
pub const MAX_CUSTOM_BYTES: u64 = 4 << 10;
/// Bytes of a name, label, user agent, origin or tag.
pub const MAX_TEXT_BYTES: u64 = 256;
/// Tags of one session.
pub const MAX_TAGS: u64 = 16;
/// The greatest cap on entries of a session.
pub(crate) const MAX_ENTRIES: u64 = 1_000_000;
/// Levels of nesting in one value.
pub const MAX_DEPTH: u64 = 100;
/// Keyed updates that a session remembers.
pub const DEFAULT_IDEMPOTENCY_KEYS: u64 = 128;
/// How long it remembers them: 24 hours.
pub const DEFAULT_IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// The most keyed updates that a session can be told to remember.
pub const MAX_IDEMPOTENCY_KEYS: u64 = 1_024;
/// Bytes of an idempotency key.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Bytes of what a keyed update returned, as compact JSON, that are remembered with it: 4 KiB.
pub const MAX_REMEMBERED_BYTES: usize = 4 << 10;
/// Events in one session's log.
pub const DEFAULT_MAX_EVENTS: u64 = 1_000;
/// Bytes of one session's event log: 4 MiB.
pub const DEFAULT_MAX_EVENTS_BYTES: u64 = 4 << 20;
/// The most events that a log can be told to keep.
pub const MAX_EVENTS: u64 = 100_000;
/// The most bytes of them: 256 MiB.
pub const MAX_EVENTS_BYTES: u64 = 256 << 20;
/// The longest timeout: 100 years.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Encoding of snapshot files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Compact binary: the smaller and faster one.
    #[default]
    Bincode,
    /// One JSON document, a session a line: made to be read and searched.
    Json,
}

/// When an acknowledged change is on disk: an update, a creation, an end, or an event in a log and its trimming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// With the next snapshot: a crash loses what came after the last one.
    #[default]
    Snapshot,
    /// Written to a journal this often: a crash loses at most so much, plus twice the time of one write. The end of a session
    /// is on disk before it is acknowledged.
    Journal {
        /// Time between two writes; from 1 millisecond to 1 hour.
        flush_every: Duration,
    },
    /// Before it is acknowledged: neither a crash nor a power cut loses any. Reads see nothing that is not on disk,
    /// events aside, which are replayed from when they are appended. Last uses alone are written once a second.
    Commit,
}

impl Durability {
    /// A journal that is written once a second.
    pub const JOURNAL: Self = Self::Journal { flush_every: DEFAULT_FLUSH_EVERY };
}

/// What is done at a cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AtCapacity {
    /// What would pass it is refused.
    #[default]
    Reject,
    /// The least recently used session or entry is evicted.
    Evict,
}

/// Where snapshots are kept.
#[derive(Clone, Debug, Validate)]
#[garde(allow_unvalidated)]
pub(crate) struct SnapshotOptions {
    pub(crate) folder: PathBuf,
    pub(crate) format: Format,
    #[garde(custom(positive))]
    pub(crate) every: Duration,
    #[garde(range(min = 1, max = MAX_GENERATIONS))]
    pub(crate) generations: usize,
    #[garde(inner(custom(positive)))]
    pub(crate) keep_for: Option<Duration>,
    pub(crate) start_empty: bool,
    pub(crate) on_request: bool,
    #[garde(custom(flush))]
    pub(crate) durability: Durability,
}

/// The caps on one session's state. Their greatest figures leave a session's record below the most that a file takes.
#[derive(Clone, Copy, Debug, Validate)]
pub(crate) struct StateLimits {
    #[garde(range(min = 1, max = MAX_ENTRIES))]
    pub(crate) entries: u64,
    #[garde(range(min = 1_024, max = 512 << 20))]
    pub(crate) bytes: u64,
    #[garde(range(min = 1, max = 512 << 20))]
    pub(crate) value_bytes: u64,
    #[garde(range(min = 1, max = 4_096))]
    pub(crate) key_bytes: u64,
    #[garde(skip)]
    pub(crate) at_entries: AtCapacity,
    #[garde(range(min = 1, max = MAX_IDEMPOTENCY_KEYS))]
    pub(crate) idempotency_keys: u64,
    #[garde(custom(positive))]
    pub(crate) idempotency_window: Duration,
}

/// The caps on one session's event log, over all its streams; the oldest events are trimmed to meet them.
#[derive(Clone, Copy, Debug, Validate)]
pub(crate) struct EventLimits {
    #[garde(range(min = 1, max = MAX_EVENTS))]
    pub(crate) events: u64,
    #[garde(range(min = 1_024, max = MAX_EVENTS_BYTES))]
    pub(crate) bytes: u64,
}

/// What is put around the bytes of a file of state that is written, and what opens one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrap {
    /// Seals files, and opens sealed ones.
    #[cfg(feature = "seal")]
    pub(crate) keys: Option<KeyRing>,
    /// Compresses files; compressed ones are read either way.
    pub(crate) compress: bool,
}

/// Every option of a service.
#[derive(Clone, Debug, Validate)]
#[garde(allow_unvalidated)]
pub(crate) struct Config {
    #[garde(inner(custom(positive)))]
    pub(crate) idle_timeout: Option<Duration>,
    #[garde(inner(custom(positive)))]
    pub(crate) max_lifetime: Option<Duration>,
    #[garde(inner(custom(positive)))]
    pub(crate) bucket_idle_timeout: Option<Duration>,
    #[garde(custom(positive))]
    pub(crate) sweep_every: Duration,
    #[garde(range(min = 1, max = 1 << 32))]
    pub(crate) max_sessions: u64,
    #[garde(range(min = 1, max = 1 << 32))]
    pub(crate) max_sessions_per_owner: u64,
    pub(crate) at_capacity: AtCapacity,
    #[garde(dive)]
    pub(crate) session: StateLimits,
    #[garde(dive)]
    pub(crate) bucket: StateLimits,
    #[garde(dive)]
    pub(crate) events: EventLimits,
    #[garde(range(min = 1_024, max = 1 << 50))]
    pub(crate) max_owner_bytes: u64,
    #[garde(range(min = 1_024, max = 1 << 50))]
    pub(crate) max_total_bytes: u64,
    #[garde(range(min = 1, max = 65_536))]
    pub(crate) mailbox_turns: usize,
    #[garde(custom(positive))]
    pub(crate) update_timeout: Duration,
    #[garde(range(min = 1, max = 1 << 20))]
    pub(crate) mailbox_line: u32,
    #[garde(range(min = 1, max = 1 << 30))]
    pub(crate) max_in_flight: u64,
    #[garde(custom(positive))]
    pub(crate) overrun_after: Duration,
    #[garde(range(min = 1, max = 100_000_000))]
    pub(crate) max_tombstones: usize,
    #[garde(range(min = 1, max = 100_000_000))]
    pub(crate) max_tombstones_per_owner: usize,
    pub(crate) bind_client: bool,
    #[garde(length(max = 64))]
    pub(crate) kinds: Vec<Kind>,
    #[garde(dive)]
    pub(crate) snapshots: Option<SnapshotOptions>,
    pub(crate) wrap: Wrap,
}

impl Default for Config {
    fn default() -> Self {
        let session = StateLimits {
            entries: DEFAULT_MAX_ENTRIES,
            bytes: DEFAULT_MAX_SESSION_BYTES,
            value_bytes: DEFAULT_MAX_VALUE_BYTES,
            key_bytes: DEFAULT_MAX_KEY_BYTES,
            at_entries: AtCapacity::default(),
            idempotency_keys: DEFAULT_IDEMPOTENCY_KEYS,
            idempotency_window: DEFAULT_IDEMPOTENCY_WINDOW,
        };
        Self {
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            max_lifetime: Some(DEFAULT_MAX_LIFETIME),
            bucket_idle_timeout: None,
            sweep_every: DEFAULT_SWEEP_EVERY,
            max_sessions: DEFAULT_MAX_SESSIONS,
            max_sessions_per_owner: DEFAULT_MAX_SESSIONS_PER_OWNER,
            at_capacity: AtCapacity::default(),
            session,
            bucket: StateLimits { entries: DEFAULT_MAX_BUCKET_ENTRIES, bytes: DEFAULT_MAX_BUCKET_BYTES, ..session },
            events: EventLimits { events: DEFAULT_MAX_EVENTS, bytes: DEFAULT_MAX_EVENTS_BYTES },
            max_owner_bytes: DEFAULT_MAX_OWNER_BYTES,
            max_total_bytes: DEFAULT_MAX_TOTAL_BYTES,
            mailbox_turns: DEFAULT_MAILBOX_TURNS,
            update_timeout: DEFAULT_UPDATE_TIMEOUT,
            mailbox_line: DEFAULT_MAILBOX_LINE,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            overrun_after: DEFAULT_OVERRUN_AFTER,
            max_tombstones: DEFAULT_MAX_TOMBSTONES,
            max_tombstones_per_owner: DEFAULT_MAX_TOMBSTONES_PER_OWNER,
            bind_client: false,
            kinds: Vec::new(),
            snapshots: None,
            wrap: Wrap::default(),
        }
    }
}

/// Checks a duration: more than zero and no more than [`MAX_TIMEOUT`].
fn positive(value: &Duration, _: &()) -> garde::Result {
    if value.is_zero() {
        return Err(garde::Error::new("must be more than zero"));
    }
    if *value > MAX_TIMEOUT {
        return Err(garde::Error::new("must be at most 100 years"));
    }
    Ok(())
}

/// Checks the time between two writes of the journal.
fn flush(value: &Durability, _: &()) -> garde::Result {
    match value {
        Durability::Journal { flush_every } if *flush_every < MIN_FLUSH_EVERY => {
            Err(garde::Error::new("the journal must be written at most once a millisecond"))
        }
        Durability::Journal { flush_every } if *flush_every > MAX_FLUSH_EVERY => {
            Err(garde::Error::new("the journal must be written at least once an hour"))
        }
        _ => Ok(()),
    }
}
