//! What can be said of event logs.

use super::{Ended, IdError, LimitExceeded, NotDurable, Overload};

/// Why something could not be done with a session's event log. Nothing of it was, but for what [`EventError::NotDurable`]
/// says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The session has ended, and its log with it.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// This stream of this session never gave out such an id.
    #[error("unknown event: no event of this stream has this id; read the stream from its beginning")]
    Unknown,
    /// The name of the stream is not one.
    #[error("the name of a stream is 1 to {max} bytes without control characters")]
    Stream {
        /// The most bytes a name may have.
        max: usize,
    },
    /// The event is larger than a whole log, or its owner or the service has no room for it.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// As many updates, creates and appends are in flight as the service takes.
    #[error("overloaded: {0}")]
    Overloaded(Overload),
    /// The service is draining or stopped.
    #[error("the service is shutting down and takes no more events; connect again in a moment")]
    Stopping,
    /// What the service promises of its files cannot be kept. Where the event, or the trim, was being written when that was
    /// found out, it is in the log, and may be there after a restart.
    #[error(transparent)]
    NotDurable(#[from] NotDurable),
    /// The operating system gave no random numbers for the log's ids.
    #[error(transparent)]
    Id(#[from] IdError),
}
