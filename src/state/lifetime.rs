//! How long entries and sessions live.

use std::time::Duration;

use crate::config::MAX_TIMEOUT;
use crate::error::{DraftError, EndReason, Ended};
use crate::time::{Timestamp, micros};

/// How long an entry lives, as its writer asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// As long as its session.
    #[default]
    Never,
    /// So long from this write on, whether or not anybody reads it.
    Absolute(Duration),
    /// So long after its last use; a read or a write is a use, a listing is not.
    Sliding(Duration),
}

/// How long an entry lives, as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// As long as its session.
    #[default]
    Never,
    /// Until then.
    At(Timestamp),
    /// So long after its last use, which [`Sliding`](super::Sliding) knows.
    Sliding(Duration),
}

impl Expiry {
    /// What to store for a ttl asked for now. Durations are kept in whole microseconds, at least one and at most
    /// 100 years: files spell no time beyond the year 9999.
    pub(super) fn new(ttl: Ttl, now: Timestamp) -> Result<Self, DraftError> {
        match ttl {
            Ttl::Absolute(Duration::ZERO) | Ttl::Sliding(Duration::ZERO) => Err(DraftError::ZeroTtl),
            Ttl::Never => Ok(Self::Never),
            Ttl::Absolute(ttl) => Ok(Self::At(now.after(ttl.clamp(Duration::from_micros(1), MAX_TIMEOUT)))),
            Ttl::Sliding(ttl) => Ok(Self::Sliding(Duration::from_micros(micros(ttl.min(MAX_TIMEOUT)).max(1)))),
        }
    }
}

/// The two limits of a session's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// How long it lives after its last use.
    pub(crate) idle: Option<Duration>,
    /// When it ends, used or not.
    pub(crate) ends_at: Option<Timestamp>,
}

/// A lifetime as sessions hold it: half the size, as every one has one, and each limit a number that an atomic can hold.
#[derive(Clone, Copy)]
pub(crate) struct CompactLifetime {
    /// Microseconds.
    pub(crate) idle: u64,
    /// Microseconds since the Unix epoch.
    pub(crate) ends_at: u64,
}

/// In place of a limit that is not there; no time that anybody may ask for is as far away.
const NEVER: u64 = u64::MAX;

impl From<Lifetime> for CompactLifetime {
    fn from(lifetime: Lifetime) -> Self {
        Self {
            idle: lifetime.idle.map_or(NEVER, micros),
            ends_at: lifetime.ends_at.map_or(NEVER, Timestamp::as_micros),
        }
    }
}

impl From<CompactLifetime> for Lifetime {
    fn from(compact: CompactLifetime) -> Self {
        let limit = |micros: u64| (micros != NEVER).then_some(micros);
        Self {
            idle: limit(compact.idle).map(Duration::from_micros),
            ends_at: limit(compact.ends_at).map(Timestamp::from_micros),
        }
    }
}

impl Lifetime {
    /// When the session ends if nobody uses it any more, and by which limit; the earlier of both.
    pub(crate) fn deadline(&self, last_active: Timestamp) -> Option<(Timestamp, EndReason)> {
        let idle = self.idle.map(|idle| (last_active.after(idle), EndReason::Idle));
        let end = self.ends_at.map(|at| (at, EndReason::Lifetime));
        match (idle, end) {
            (Some(idle), Some(end)) => Some(if idle.0 < end.0 { idle } else { end }),
            (one, other) => one.or(other),
        }
    }

    /// The end of a session that has reached its deadline; its time is the deadline, not now.
    pub(crate) fn ended(&self, last_active: Timestamp, now: Timestamp) -> Option<Ended> {
        let (at, reason) = self.deadline(last_active)?;
        (at <= now).then_some(Ended { reason, at })
    }
}
