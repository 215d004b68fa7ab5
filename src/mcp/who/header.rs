//! A caller whom a proxy in front has verified, named in a header.

use std::fmt;

use http::HeaderName;
use http::request::Parts;

use super::{Asking, PrincipalSource, Refusal};
use crate::principal::{Caller, Principal};

/// Callers by a header that a trusted proxy sets, such as `X-Forwarded-User`.
///
/// The header is believed of requests that come from the proxy alone, as the author says; any other request is refused,
/// and so is one that brings the header twice: a proxy that adds its own to what the client sent leaves it open whose
/// counts. Have the proxy replace it.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr, SocketAddr};
///
/// use http::HeaderName;
/// use sessile::mcp::TrustedHeader;
///
/// /// What the listener puts into the extensions; axum's `ConnectInfo<SocketAddr>` serves as well.
/// #[derive(Clone)]
/// struct Peer(SocketAddr);
///
/// let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
/// let users = TrustedHeader::new(HeaderName::from_static("x-forwarded-user"), "sso", move |parts| {
///     parts.extensions.get::<Peer>().is_some_and(|Peer(peer)| peer.ip().to_canonical() == proxy)
/// });
/// ```
pub struct TrustedHeader {
    header: HeaderName,
    issuer: Box<str>,
    from_proxy: Box<dyn Fn(&Parts) -> bool + Send + Sync>,
}

impl TrustedHeader {
    /// Believes `header`, as `issuer` vouches for it, where `from_proxy` says that the request comes from the proxy.
    /// That has to be known from the connection, never from what the request says of itself.
    pub fn new(
        header: HeaderName,
        issuer: impl Into<Box<str>>,
        from_proxy: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { header, issuer: issuer.into(), from_proxy: Box::new(from_proxy) }
    }

    fn believed(&self, parts: &mut Parts) -> Result<Caller, Refusal> {
        if !(self.from_proxy)(parts) {
            tracing::debug!("refused a request that does not come from the proxy");
            return Err(Refusal::Missing);
        }
        let mut values = parts.headers.get_all(&self.header).iter();
        let value = values.next().ok_or(Refusal::Missing)?;
        let subject = value.to_str().map_err(|_| Refusal::Malformed)?.trim();
        if values.next().is_some() || subject.is_empty() {
            tracing::debug!("refused a request whose header names nobody, or more than one");
            return Err(Refusal::Malformed);
        }
        let caller = Caller::Principal(Principal::new(self.issuer.clone(), subject));
        parts.headers.remove(&self.header);
        Ok(caller)
    }
}

impl PrincipalSource for TrustedHeader {
    fn caller<'a>(&'a self, parts: &'a mut Parts) -> Asking<'a> {
        Box::pin(async move { self.believed(parts) })
    }
}

impl fmt::Debug for TrustedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedHeader").field("header", &self.header).finish_non_exhaustive()
    }
}
