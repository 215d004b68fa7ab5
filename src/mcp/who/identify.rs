//! The question that every request is asked before anything else.

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{Request, Response};

use super::{PrincipalSource, ProtectedResource, Refusal, challenge};
use crate::mcp::reply::Body;
use crate::principal::Caller;

/// Finds out who calls, for a mounted server or for a middleware before it; cheap to clone.
///
/// [`McpOptions::principals`](crate::mcp::McpOptions::principals) takes it, and nothing else is needed. Where something
/// stands before the mounted server that is only for whom is known (a cap on load, say), ask it there: what is behind
/// finds the [`Caller`] in the request's extensions.
#[derive(Clone)]
pub struct Identify {
    source: Arc<dyn PrincipalSource>,
    resource: Option<Arc<ProtectedResource>>,
}

impl Identify {
    /// Asks this source.
    pub fn by(source: impl PrincipalSource) -> Self {
        Self { source: Arc::new(source), resource: None }
    }

    /// Sends whoever is refused to the metadata of this resource. They have to be served:
    /// [`ProtectedResource::paths`].
    #[must_use]
    pub fn resource(mut self, resource: ProtectedResource) -> Self {
        self.resource = Some(Arc::new(resource));
        self
    }

    /// The resource that whoever is refused is sent to.
    #[must_use]
    pub fn protected_resource(&self) -> Option<&ProtectedResource> {
        self.resource.as_deref()
    }

    /// Puts the [`Caller`] into the extensions of a request and takes its credentials out, so that nothing behind can
    /// log them or hand them on.
    ///
    /// # Errors
    ///
    /// The answer for a request that goes no further.
    pub async fn admit<B>(&self, request: Request<B>) -> Result<Request<B>, Response<Body>> {
        let (mut parts, body) = request.into_parts();
        match self.ask(&mut parts).await {
            Ok(()) => Ok(Request::from_parts(parts, body)),
            Err(refusal) => Err(challenge::answer(&refusal, self.resource.as_deref())),
        }
    }

    /// The same for a request that was taken apart.
    pub(in crate::mcp) async fn admit_parts(&self, parts: &mut Parts) -> Result<(), Box<Response<Body>>> {
        let asked = self.ask(parts).await;
        asked.map_err(|refusal| Box::new(challenge::answer(&refusal, self.resource.as_deref())))
    }

    async fn ask(&self, parts: &mut Parts) -> Result<(), Refusal> {
        // Whatever stood there before is no verdict of this source.
        parts.extensions.remove::<Caller>();
        let caller = self.source.caller(parts).await?;
        for credentials in [AUTHORIZATION, PROXY_AUTHORIZATION] {
            parts.headers.remove(credentials);
        }
        parts.extensions.insert(caller);
        Ok(())
    }
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identify").field("resource", &self.resource).finish_non_exhaustive()
    }
}

impl<S: PrincipalSource> From<S> for Identify {
    fn from(source: S) -> Self {
        Self::by(source)
    }
}
