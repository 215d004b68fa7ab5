//! What tool and prompt handlers may ask for as an argument.

use http::request::Parts;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::{ErrorData, Extensions};

use super::context::CallContext;
use super::handles::ToolRefusal;
use crate::principal::Caller;
use crate::session::Session;

/// The session of a call, for handlers that take no handle: see [`CallContext::session`].
///
/// ```
/// use sessile::mcp::{CurrentSession, ToolRefusal};
///
/// // As a method in `#[tool_router] impl Server`, under `#[tool(description = "Counts.")]`.
/// async fn count(session: CurrentSession) -> Result<String, ToolRefusal> {
///     let session = session.open().await?;
///     let count = session.increment("count", 1).await.map_err(|error| ToolRefusal::update(error, &session))?;
///     Ok(count.value.to_string())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentSession(CallContext);

impl CurrentSession {
    /// Opens it.
    ///
    /// # Errors
    /// As [`CallContext::session`].
    pub async fn open(&self) -> Result<Session, ToolRefusal> {
        self.0.session().await
    }
}

impl CallContext {
    /// The context in the extensions of a request; none when the request did not pass the layer.
    pub(super) fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Parts>().and_then(Self::from_parts)
    }
}

impl<C: AsRequestContext> FromContextPart<C> for CallContext {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let call = Self::from_extensions(&context.as_request_context().extensions);
        call.cloned().ok_or_else(|| ErrorData::internal_error("the request did not pass the session layer", None))
    }
}

impl<C: AsRequestContext> FromContextPart<C> for Caller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        CallContext::from_context_part(context).map(|call| call.caller)
    }
}

impl<C: AsRequestContext> FromContextPart<C> for CurrentSession {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        CallContext::from_context_part(context).map(Self)
    }
}
