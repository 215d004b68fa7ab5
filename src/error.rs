//! Errors: one enum for each decision that a caller takes.

mod conflict;
mod event;
mod limit;

use std::fmt;
use std::time::Duration;

pub use conflict::{Conflict, KeyReused};
pub use event::EventError;
pub use limit::{Limit, LimitExceeded};

use crate::time::Timestamp;

/// A strictly increasing number: of a session's commits, or of the commit that last changed an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// The revision of a session that nobody has updated yet.
    pub const ZERO: Self = Self(0);

    /// The revision with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an id, a kind or a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// One of our ids with a typing error: it never named a session.
    #[error("the session id is mistyped: its check part does not fit; copy it again from where it was given out")]
    Mistyped,
    /// Not usable as an id at all.
    #[error("a session id is 1 to {max} visible ascii characters without spaces")]
    Invalid {
        /// The most bytes an id may have.
        max: usize,
    },
    /// Looks like an id that this service mints, so it cannot be chosen.
    #[error("this id has the form of a minted id and cannot be chosen; choose another or let one be minted")]
    Reserved,
    /// Not a kind.
    #[error("a kind starts with a lower-case letter and has up to 32 lower-case letters, digits and hyphens")]
    Kind,
    /// Not an event's id.
    #[error("this is no event id; send one back as it was given out")]
    Event,
    /// Not an idempotency key.
    #[error("an idempotency key is 1 to {max} visible ascii characters without spaces")]
    IdempotencyKey {
        /// The most bytes a key may have.
        max: usize,
    },
    /// Not a name.
    #[error("a name is 1 to {max} bytes without control characters")]
    Name {
        /// The most bytes a name may have.
        max: usize,
    },
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers: {detail}")]
    NoRandomness {
        /// What it said.
        detail: String,
    },
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// Nobody used it for longer than its idle timeout.
    Idle,
    /// It reached its max lifetime.
    Lifetime,
    /// It made room for others at a cap.
    Evicted,
    /// Somebody closed it.
    Closed,
}

impl EndReason {
    /// The word for metric labels.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Evicted => "evicted",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "expired after its idle timeout",
            Self::Lifetime => "expired at the end of its max lifetime",
            Self::Evicted => "was evicted to make room",
            Self::Closed => "was closed",
        })
    }
}

/// That a session has ended, how, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session {reason}; create a new one")]
pub struct Ended {
    /// How it ended.
    pub reason: EndReason,
    /// When it ended: for an expired session its deadline, not the time it was noticed.
    pub at: Timestamp,
}

/// Why a value, a key or a patch was refused. The draft is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// A cap on a single key or value.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// The key is empty or holds control characters.
    #[error("a key is 1 or more bytes of text without control characters")]
    InvalidKey,
    /// The value cannot be written as JSON.
    #[error("the value cannot be written as json")]
    Encode(#[source] serde_json::Error),
    /// The text is not one JSON value.
    #[error("the text is not one json value: {0}")]
    NotJson(#[source] serde_json::Error),
    /// An object in the text names a member twice.
    #[error("the json names the member {0:?} twice; keep one")]
    DuplicateMember(String),
    /// The entry's value does not fit the type asked for.
    #[error("the value of the entry does not fit the type asked for")]
    Decode(#[source] serde_json::Error),
    /// The entry is not what the operation needs.
    #[error("the entry holds {found}, the operation needs {needed}")]
    WrongType {
        /// What the operation works on.
        needed: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// The number would leave the range of a signed 64-bit integer.
    #[error("the sum leaves the range of a signed 64-bit integer")]
    Overflow,
    /// A ttl of zero: it means "now" here and "for ever" elsewhere.
    #[error("a ttl of zero is refused; leave it out for an entry that does not expire")]
    ZeroTtl,
    /// The JSON patch failed.
    #[error("the json patch failed: {0}")]
    Patch(String),
}

/// Where an update or a create found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overload {
    /// The session's mailbox stayed full for as long as the caller was willing to wait.
    Mailbox,
    /// As many callers wait for a place in the session's mailbox as may.
    Line,
    /// As many updates and creates are in flight as the service takes.
    Service,
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mailbox => "the session's mailbox is full; send it fewer updates at a time, or try again later",
            Self::Line => "too many wait for this session; send it fewer updates at a time, or try again later",
            Self::Service => "the service has as much in flight as it takes; try again in a moment",
        })
    }
}

/// That a change cannot be made durable, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal cannot be written, so the change would not last; reads go on, and a snapshot into a healthy folder heals it"
)]
pub struct NotDurable;

/// Why an update was not applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError<E = DraftError> {
    /// The update itself said no; its error.
    #[error("the update was rejected: {0}")]
    Rejected(E),
    /// The session has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The expected revision is not the current one.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The idempotency key was used for another request.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// A cap on the session, its owner or the service.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// There was no room for one more: in the session's mailbox, in the line for it, or in the whole service.
    #[error("overloaded after {waited:?}: {met}")]
    Overloaded {
        /// Where there was no room.
        met: Overload,
        /// How long the caller waited: the update's timeout for a mailbox that stayed full, else zero.
        waited: Duration,
    },
    /// The update panicked; the session is as it was.
    #[error("the update panicked: {message}")]
    Panicked {
        /// The panic's message, where it was text.
        message: String,
    },
    /// The service is draining or stopped and takes no more updates.
    #[error("the service is shutting down and takes no more updates; connect again in a moment")]
    Stopping,
    /// What the service promises of its files cannot be kept. Nobody sees the update; where it was being written when that
    /// was found out, it may be there after a restart.
    #[error(transparent)]
    NotDurable(#[from] NotDurable),
    /// No actor could be started to run the mailbox; the update was dropped unrun.
    #[error("no actor could be started for this session; nothing was applied, try again")]
    Unavailable,
}

impl<E> UpdateError<E> {
    /// Changes the type of the update's own error.
    pub fn map_rejected<F>(self, map: impl FnOnce(E) -> F) -> UpdateError<F> {
        self.flattened(|error| UpdateError::Rejected(map(error)))
    }

    /// The same, where the update's own error may stand for any other.
    pub(crate) fn flattened<F>(self, map: impl FnOnce(E) -> UpdateError<F>) -> UpdateError<F> {
        match self {
            Self::Rejected(error) => map(error),
            Self::Ended(ended) => UpdateError::Ended(ended),
            Self::Conflict(conflict) => UpdateError::Conflict(conflict),
            Self::KeyReused(reused) => UpdateError::KeyReused(reused),
            Self::LimitExceeded(limit) => UpdateError::LimitExceeded(limit),
            Self::Overloaded { met, waited } => UpdateError::Overloaded { met, waited },
            Self::Panicked { message } => UpdateError::Panicked { message },
            Self::Stopping => UpdateError::Stopping,
            Self::NotDurable(error) => UpdateError::NotDurable(error),
            Self::Unavailable => UpdateError::Unavailable,
        }
    }
}

/// Why a session could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The session has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The value does not fit the type asked for.
    #[error("the value of the entry does not fit the type asked for")]
    Decode(#[source] serde_json::Error),
}

/// Why a session could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No session of this owner has this id: it never was, belongs to somebody else, or ended too long ago to be remembered.
    #[error("unknown session: list your sessions or create one")]
    Unknown,
    /// The id is not one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// It was this owner's and has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Why a session could not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// This owner has a session of this id or name.
    #[error("a session of this id or name exists already; open it or choose another")]
    AlreadyExists,
    /// This owner had a session of this id; while that is remembered the id cannot be used again.
    #[error("this id was used before: {0}")]
    Ended(#[from] Ended),
    /// The id, kind or name is not usable.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A timeout of zero or one beyond what the service allows.
    #[error("{option} must be from {min:?} to {max:?}")]
    Timeout {
        /// Which option.
        option: &'static str,
        /// The least that is allowed.
        min: Duration,
        /// The most that is allowed.
        max: Duration,
    },
    /// A cap on sessions, or on the metadata given.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// Metadata that is not usable.
    #[error("the metadata is not usable: {0}")]
    Metadata(String),
    /// As many updates and creates are in flight as the service takes.
    #[error("overloaded: {0}")]
    Overloaded(Overload),
    /// What the service promises of its files cannot be kept. A session whose end was asked for has ended, and may be there
    /// again after a restart.
    #[error(transparent)]
    NotDurable(#[from] NotDurable),
    /// The service is draining or stopped.
    #[error("the service is shutting down and creates no more sessions; connect again in a moment")]
    Stopping,
}
