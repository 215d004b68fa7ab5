//! Who calls, and the session that the call is about.

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::ErrorData;
use rmcp::service::RequestContext;
use sessile::mcp::{CallContext, Era};
use sessile::{CallerOwner, OpenError, Owner, Session, Timestamp};

use super::failure::{Code, Failure};

/// One call of a tool: what its caller may reach, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) owner: CallerOwner,
    pub(super) era: Era,
    pub(super) protocol_session: Option<Session>,
    pub(super) now: Timestamp,
}

impl Call {
    /// The call that a request carries. Without the session layer in front there is no caller, and nothing is served.
    pub(super) fn of(context: &RequestContext<RoleServer>, now: Timestamp) -> Result<Self, ErrorData> {
        let context = context
            .extensions
            .get::<Parts>()
            .and_then(CallContext::from_parts)
            .ok_or_else(|| ErrorData::internal_error("the request did not pass the session layer", None))?;
        Ok(Self {
            owner: context.owner().clone(),
            era: context.era,
            protocol_session: context.protocol_session.clone(),
            now,
        })
    }

    /// Whether the caller is somebody, and so has state of its own without a handle.
    pub(super) fn has_identity(&self) -> bool {
        matches!(self.owner, CallerOwner::Owner(_))
    }

    /// The caller's owner; anonymous callers are told to use what `instead` says.
    pub(super) fn identified(&self, what: &str, instead: &str) -> Result<&Owner, Failure> {
        match &self.owner {
            CallerOwner::Owner(owner) => Ok(owner),
            CallerOwner::Anonymous(_) => {
                Err(Failure::new(Code::NeedsIdentity, format!("You call without an identity, so {what}: {instead}.")))
            }
        }
    }

    /// The session of this handle or, without one, the caller's own.
    pub(super) async fn session(&self, handle: Option<&str>) -> Result<Session, Failure> {
        match handle {
            Some(handle) => self.open(handle).await,
            None => self.own().await,
        }
    }

    /// The session of this handle.
    pub(super) async fn open(&self, handle: &str) -> Result<Session, Failure> {
        let opened = match &self.owner {
            CallerOwner::Owner(owner) => owner.open(handle).await,
            CallerOwner::Anonymous(owner) => owner.open(handle).await,
        };
        opened.map_err(|error| match error {
            OpenError::Ended(ended) => Failure::ended(ended, self.now),
            OpenError::Id(error) => Failure::handle(&error),
            _ => Failure::unknown(self.has_identity()),
        })
    }

    async fn own(&self) -> Result<Session, Failure> {
        match (&self.owner, self.era, &self.protocol_session) {
            (CallerOwner::Owner(owner), ..) => owner.bucket().await.map_err(|error| Failure::create(error, self.now)),
            (CallerOwner::Anonymous(_), Era::Legacy, Some(session)) => Ok(session.clone()),
            (CallerOwner::Anonymous(_), ..) => Err(Failure::new(
                Code::NeedsSession,
                "You call without an identity, so there is no state without a handle: call create_session once, keep \
                 the handle it returns and pass it as `session` in this and every later call.",
            )),
        }
    }
}
