//! Caps, and what would have passed them.

use std::fmt;

/// The cap that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Sessions in all.
    Sessions,
    /// Sessions of one owner.
    SessionsPerOwner,
    /// Entries of one session.
    Entries,
    /// Bytes of one key.
    KeyBytes,
    /// Bytes of one value, as compact JSON.
    ValueBytes,
    /// Bytes of one session: keys, values and metadata.
    SessionBytes,
    /// Bytes of one event.
    EventBytes,
    /// Bytes of all sessions of one owner.
    OwnerBytes,
    /// Bytes of state in all.
    TotalBytes,
    /// Bytes of a session's custom metadata.
    CustomBytes,
    /// Bytes of a name, label, user agent, origin or tag.
    TextBytes,
    /// Tags of one session.
    Tags,
    /// Nesting of a JSON value.
    Depth,
    /// Bytes of a principal's issuer, subject or client id.
    IdentityBytes,
    /// Seconds that a session may still live.
    LifetimeSeconds,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sessions => "sessions in all",
            Self::SessionsPerOwner => "sessions of one owner",
            Self::Entries => "entries of one session",
            Self::KeyBytes => "bytes of one key",
            Self::ValueBytes => "bytes of one value",
            Self::SessionBytes => "bytes of one session",
            Self::EventBytes => "bytes of one event",
            Self::OwnerBytes => "bytes of one owner's sessions",
            Self::TotalBytes => "bytes of state in all",
            Self::CustomBytes => "bytes of custom metadata",
            Self::TextBytes => "bytes of a name, label, user agent, origin or tag",
            Self::Tags => "tags of one session",
            Self::Depth => "levels of nesting in one value",
            Self::IdentityBytes => "bytes of an issuer, subject or client id",
            Self::LifetimeSeconds => "seconds of lifetime",
        })
    }
}

/// A cap would have been passed; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit exceeded: {attempted} {limit}, at most {allowed} are allowed")]
pub struct LimitExceeded {
    /// Which cap.
    pub limit: Limit,
    /// Its figure.
    pub allowed: u64,
    /// What the refused change would have come to.
    pub attempted: u64,
}
