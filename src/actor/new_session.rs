//! What a caller may choose about a session it creates.

use std::time::Duration;

use crate::config::{Config, MAX_TEXT_BYTES, MAX_TIMEOUT};
use crate::error::{CreateError, IdError};
use crate::id::Kind;
use crate::state::Lifetime;
use crate::state::Metadata;
use crate::time::Timestamp;

/// The shortest timeout that a session may have.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// Options of a session to be created. The default is a session of kind `session` with the service's timeouts.
///
/// ```
/// use std::time::Duration;
/// let cart = sessile::NewSession::of_kind("cart")?.name("groceries").idle_timeout(Duration::from_secs(600));
/// # Ok::<(), sessile::IdError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    pub(crate) kind: Kind,
    pub(crate) name: Option<Box<str>>,
    pub(crate) metadata: Metadata,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    /// In place of both limits: so long from the creation, used or not.
    lasting: Option<Duration>,
}

impl NewSession {
    /// Options of a session of this kind.
    ///
    /// # Errors
    /// [`IdError::Kind`] when the kind does not match `[a-z][a-z0-9-]{0,31}`.
    pub fn of_kind(kind: &str) -> Result<Self, IdError> {
        Ok(Self { kind: Kind::new(kind)?, ..Self::default() })
    }

    /// Gives the session a name of its owner's: one live session has it at a time, and it outlives no end.
    #[must_use]
    pub fn name(mut self, name: impl Into<Box<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Gives the session a label for people.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.metadata.label = Some(label.into());
        self
    }

    /// Sets all metadata at once.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Shortens the idle timeout; at most the service's.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Shortens the max lifetime; at most the service's.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// Lets the session live so long from its creation, used or not; no longer than the service lets any session live.
    #[cfg(feature = "rmcp")]
    pub(crate) fn lasting(mut self, lifetime: Duration) -> Self {
        self.lasting = Some(lifetime);
        self
    }

    /// Checks everything that does not need the registry.
    pub(crate) fn check(&self, config: &Config, now: Timestamp) -> Result<Lifetime, CreateError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        self.metadata.check()?;
        if let Some(lasting) = self.lasting {
            let most = config.max_lifetime.unwrap_or(MAX_TIMEOUT);
            return Ok(Lifetime { idle: None, ends_at: Some(now.after(lasting.min(most).max(MIN_TIMEOUT))) });
        }
        let idle = within("idle_timeout", self.idle_timeout, config.idle_timeout)?;
        let lifetime = within("max_lifetime", self.max_lifetime, config.max_lifetime)?;
        Ok(Lifetime { idle, ends_at: lifetime.map(|lifetime| now.after(lifetime)) })
    }
}

/// Checks a session's name: text of 1 to 256 bytes without control characters.
pub(crate) fn check_name(name: &str) -> Result<(), IdError> {
    let fits = !name.is_empty() && name.len() as u64 <= MAX_TEXT_BYTES && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(IdError::Name { max: MAX_TEXT_BYTES as usize }) }
}

/// What was asked for, or the service's own, which is also the most that may be asked for.
fn within(
    option: &'static str,
    asked: Option<Duration>,
    own: Option<Duration>,
) -> Result<Option<Duration>, CreateError> {
    let (min, max) = (MIN_TIMEOUT, own.unwrap_or(MAX_TIMEOUT));
    match asked {
        Some(asked) if asked < min || asked > max => Err(CreateError::Timeout { option, min, max }),
        Some(asked) => Ok(Some(asked)),
        None => Ok(own),
    }
}
