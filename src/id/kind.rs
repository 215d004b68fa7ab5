//! What a session is for.

use crate::error::IdError;

/// The kind of a session for which none was chosen.
pub const DEFAULT_KIND: &str = "session";

/// What a session is for: `[a-z][a-z0-9-]{0,31}`, the first part of its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(Box<str>);

impl Kind {
    /// Checks a kind's spelling.
    ///
    /// # Errors
    /// [`IdError::Kind`] when it does not match `[a-z][a-z0-9-]{0,31}`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let mut bytes = text.bytes();
        let head = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let tail = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if head && tail && text.len() <= 32 { Ok(Self(text.into())) } else { Err(IdError::Kind) }
    }

    /// The kind as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Kind {
    fn default() -> Self {
        Self(DEFAULT_KIND.into())
    }
}
