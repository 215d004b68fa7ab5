//! Points in time and the injected clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since the Unix epoch.
///
/// Inside one process timestamps come from a monotonic clock that was set by the wall clock once, at start, so a
/// wall clock that jumps changes no deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The timestamp of so many microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The same point as the standard library says it.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.0)
    }

    /// The time that has passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This point moved forward; the end of time instead of an overflow.
    #[must_use]
    pub fn after(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(micros(by)))
    }
}

/// Whole microseconds of a duration, capped at the end of time.
#[must_use]
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Where the time comes from; a test gives its own.
pub trait TimeSource: Send + Sync + 'static {
    /// The time now. Must never go backward.
    fn now(&self) -> Timestamp;
}

/// The clock of a service, cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn TimeSource>);

impl Clock {
    /// The machine's clock: wall time at this call, moved on by the monotonic clock (tokio's, so that paused time works).
    #[must_use]
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(Timestamp(micros(wall)))
    }

    /// A clock that shows `start` now and moves on with tokio's monotonic clock.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Arc::new(Monotonic { start, since: tokio::time::Instant::now() }))
    }

    /// A clock read from `source`.
    #[must_use]
    pub fn from_source(source: impl TimeSource) -> Self {
        Self(Arc::new(source))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

struct Monotonic {
    start: Timestamp,
    since: tokio::time::Instant,
}

impl TimeSource for Monotonic {
    fn now(&self) -> Timestamp {
        self.start.after(self.since.elapsed())
    }
}
