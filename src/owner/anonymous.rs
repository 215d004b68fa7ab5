//! Callers without an identity: the id is all they have.

use std::sync::Arc;

use super::{CoreRef, finish_create, open};
use crate::actor::core::Core;
use crate::actor::create::{self, Creator};
use crate::actor::new_session::NewSession;
use crate::error::{CreateError, OpenError};
use crate::principal::OwnerKey;
use crate::session::Session;

/// What callers without an identity may do: create a session and open one they hold the id of.
///
/// The id is a bearer secret of 128 random bits. There is no list, no bucket, no name and no id of one's own choosing,
/// since all anonymous callers would share them.
#[derive(Clone, Debug)]
pub struct AnonymousOwner {
    core: CoreRef,
}

impl AnonymousOwner {
    /// The service's own time.
    #[cfg(feature = "rmcp")]
    pub(crate) fn now(&self) -> crate::time::Timestamp {
        self.core.0.clock.now()
    }

    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: CoreRef(Arc::clone(core)) }
    }

    /// Creates a session under a minted id. A name given in `new` is refused.
    ///
    /// # Errors
    /// [`CreateError`]: nothing was created.
    pub async fn create(&self, new: NewSession) -> Result<Session, CreateError> {
        if new.name.is_some() {
            return Err(CreateError::Metadata("an anonymous session has no name; use a label".to_owned()));
        }
        let creator = Creator { key: OwnerKey::ANONYMOUS, principal: None };
        finish_create(&self.core.0, create::session(&self.core.0, creator, new, None, false))
            .await
            .map(|(session, _)| session)
    }

    /// Opens a session by its id; counts as use.
    ///
    /// # Errors
    /// As [`crate::Owner::open`]: whoever holds the id is told how the session ended.
    pub async fn open(&self, id: &str) -> Result<Session, OpenError> {
        open(&self.core.0, &OwnerKey::ANONYMOUS, id)
    }
}
