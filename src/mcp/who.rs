//! Who is calling: asked of every request before anything else.

mod bearer;
mod challenge;
mod header;
mod identify;
#[cfg(feature = "jwt")]
mod jwt;
mod known;
mod payer;
mod resource;
mod tokens;

use std::pin::Pin;

use http::request::Parts;

use crate::principal::Caller;

pub use header::TrustedHeader;
pub use identify::Identify;
#[cfg(feature = "jwt")]
pub use jwt::{Fetching, Jwks, JwksFile, JwksSource, Jwt, KeysUnusable};
pub use known::{Anonymous, Local};
pub use payer::{Payer, Payers};
pub use resource::{ProtectedResource, ResourceProblem};
pub use tokens::{TokenHash, Tokens};

/// An answer of a [`PrincipalSource`] that is on its way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<Caller, Refusal>> + Send + 'a>>;

/// Says who calls, from the head of a request.
///
/// One that reads a header takes it out, so that nothing behind can log it or hand it on; `Authorization` and
/// `Proxy-Authorization` are taken out in any case. What handlers may want to know beside the caller goes into the
/// extensions. One principal is whoever stays the same: a token that was refreshed is no other principal.
///
/// ```
/// use http::request::Parts;
/// use sessile::mcp::{Asking, PrincipalSource, Refusal};
/// use sessile::{Caller, Principal};
///
/// /// The subject of the client certificate that the listener has verified.
/// #[derive(Clone)]
/// struct Certificate(String);
///
/// struct ByCertificate;
///
/// impl PrincipalSource for ByCertificate {
///     fn caller<'a>(&'a self, parts: &'a mut Parts) -> Asking<'a> {
///         Box::pin(async move {
///             let Certificate(subject) = parts.extensions.get().cloned().ok_or(Refusal::Missing)?;
///             Ok(Caller::Principal(Principal::new("mtls", subject)))
///         })
///     }
/// }
/// ```
pub trait PrincipalSource: Send + Sync + 'static {
    /// Says who calls.
    ///
    /// # Errors
    ///
    /// Nobody that is let in. The answer tells no more than the variant does: log why, without the credentials.
    ///
    /// # Cancellation
    ///
    /// A client may leave while it is asked: what others wait for has to go on elsewhere.
    fn caller<'a>(&'a self, parts: &'a mut Parts) -> Asking<'a>;
}

/// Why a request has no caller, as far as whoever sent it is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No credentials, or none of the kind that is taken here: 401.
    #[error(
        "this server needs to know who calls: send the credentials that it takes, such as the header `Authorization: Bearer <token>`"
    )]
    Missing,
    /// Credentials that can be read in more than one way, or in none: 400.
    #[error("the credentials cannot be read: send one header `Authorization: Bearer <token>`")]
    Malformed,
    /// Credentials that are not, or no longer, good here: 401.
    #[error("the token in the header `Authorization` is not good here: get another from whoever issues them")]
    Invalid,
    /// Good credentials that do not reach as far as this; what is needed, by spaces: 403.
    #[error("the token has not the scope that is needed here: get one with the scope `{0}`")]
    Scope(Box<str>),
    /// Nobody can be told from anybody in this moment: 503.
    #[error("callers cannot be told apart in this moment: try again in a few seconds")]
    Unavailable,
}
