//! What a tool handler learns about its caller.

use std::sync::Arc;

use parking_lot::Mutex;

use super::handles::ToolRefusal;
use crate::actor::new_session::NewSession;
use crate::error::{CreateError, OpenError};
use crate::principal::Caller;
use crate::service::CallerOwner;
use crate::session::Session;
use crate::time::Timestamp;

/// The era of the protocol that a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2025-11-25 and older: `initialize`, `Mcp-Session-Id`.
    Legacy,
    /// 2026-07-28 and newer: every request stands alone, state is named by handles.
    Modern,
}

/// Who calls, in which era, in which protocol session.
///
/// The layer puts it into the extensions of every request. Take it from each call's own parts and keep it no longer:
/// a session restored after a restart runs its handler's `initialize` on behalf of whoever came first.
///
/// ```
/// use rmcp::{RoleServer, service::RequestContext};
/// use sessile::mcp::CallContext;
///
/// fn caller(context: &RequestContext<RoleServer>) -> Option<&CallContext> {
///     CallContext::from_parts(context.extensions.get::<http::request::Parts>()?)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The caller, as the author's authentication says; anonymous where there is none.
    pub caller: Caller,
    /// The era of this request.
    pub era: Era,
    /// The protocol session this request belongs to; none in the modern era and in `initialize`.
    pub protocol_session: Option<Session>,
    owner: CallerOwner,
    /// Sessions that this call has used so far: what its history is written to.
    used: Arc<Mutex<Vec<Session>>>,
}

/// Sessions of one call that its history is written to; a call that walks over many is in the history of the first.
const MAX_USED: usize = 8;

impl CallContext {
    pub(super) fn new(caller: Caller, owner: CallerOwner, era: Era, protocol_session: Option<Session>) -> Self {
        let used = Arc::new(Mutex::new(protocol_session.iter().cloned().collect()));
        Self { caller, era, protocol_session, owner, used }
    }

    /// What this caller may reach.
    #[must_use]
    pub fn owner(&self) -> &CallerOwner {
        &self.owner
    }

    /// Opens the session of an id, if it is this caller's. Counts as use.
    ///
    /// # Errors
    /// As [`Owner::open`](crate::Owner::open).
    pub async fn open(&self, id: &str) -> Result<Session, OpenError> {
        let opened = match &self.owner {
            CallerOwner::Owner(owner) => owner.open(id).await,
            CallerOwner::Anonymous(anonymous) => anonymous.open(id).await,
        };
        opened.inspect(|session| self.uses(session))
    }

    /// Creates a session of this caller's.
    ///
    /// # Errors
    /// As [`Owner::create`](crate::Owner::create).
    pub async fn create(&self, new: NewSession) -> Result<Session, CreateError> {
        let created = match &self.owner {
            CallerOwner::Owner(owner) => owner.create(new).await,
            CallerOwner::Anonymous(anonymous) => anonymous.create(new).await,
        };
        created.inspect(|session| self.uses(session))
    }

    /// The session of this call, for tools that take no handle: in the older era the protocol session, else the caller's own
    /// bucket, which all of its clients share.
    ///
    /// # Errors
    /// A [`ToolRefusal`] that says what to do: a caller without an identity has none in the modern era, and a bucket may meet
    /// caps.
    pub async fn session(&self) -> Result<Session, ToolRefusal> {
        match (&self.protocol_session, &self.owner) {
            (Some(session), _) => Ok(session.clone()),
            (None, CallerOwner::Owner(owner)) => {
                let bucket = owner.bucket().await.map_err(|error| ToolRefusal::not_created(error, self.now()))?;
                self.uses(&bucket);
                Ok(bucket)
            }
            (None, CallerOwner::Anonymous(_)) => Err(ToolRefusal::no_session()),
        }
    }

    fn uses(&self, session: &Session) {
        let mut used = self.used.lock();
        if used.len() < MAX_USED && used.iter().all(|known| known.id() != session.id()) {
            used.push(session.clone());
        }
    }

    /// Sessions that this call has used so far.
    pub(super) fn used(&self) -> Vec<Session> {
        self.used.lock().clone()
    }

    /// The service's own time.
    pub(super) fn now(&self) -> Timestamp {
        self.owner.now()
    }

    /// The context in a request's parts; none when the request did not pass the layer.
    #[must_use]
    pub fn from_parts(parts: &http::request::Parts) -> Option<&Self> {
        parts.extensions.get()
    }
}
