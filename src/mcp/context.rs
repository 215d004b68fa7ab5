//! What a tool handler learns about its caller.

use crate::principal::Caller;
use crate::service::CallerOwner;
use crate::session::Session;

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
}

impl CallContext {
    pub(super) fn new(caller: Caller, owner: CallerOwner, era: Era, protocol_session: Option<Session>) -> Self {
        Self { caller, era, protocol_session, owner }
    }

    /// What this caller may reach.
    #[must_use]
    pub fn owner(&self) -> &CallerOwner {
        &self.owner
    }

    /// The context in a request's parts; none when the request did not pass the layer.
    #[must_use]
    pub fn from_parts(parts: &http::request::Parts) -> Option<&Self> {
        parts.extensions.get()
    }
}
