//! Callers by the access tokens (JWT) of an OAuth authorization server.

mod cache;
mod claims;
mod keys;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::request::Parts;
use jsonwebtoken::{AlgorithmFamily, Header, Validation, decode, decode_header};

use super::{Asking, PrincipalSource, Refusal, bearer};
use crate::principal::{Caller, Principal};
use crate::time::{Clock, TimeSource, Timestamp, micros};
use cache::Cache;
use claims::{Claims, Rules};

pub use keys::KeysUnusable;
pub use source::{Fetching, Jwks, JwksFile, JwksSource};

/// Bytes of a token. One from an authorization server has one or two thousand.
const MAX_TOKEN_BYTES: usize = 16 << 10;
/// How far the clocks of the authorization server and of this machine may be apart by default.
const DEFAULT_SKEW: Duration = Duration::from_secs(60);

/// Callers by signed access tokens: the principal is the token's issuer and subject, so that a refreshed token is the same
/// principal.
///
/// A token has to be signed by a key of the authorization server (by its `kid`, with an algorithm of that key, never a
/// symmetric one), and has to name the issuer, this server as audience, a subject and an expiry. Its client id
/// (`client_id` or `azp`) joins the identity where the service was built with `bind_client(true)`.
///
/// Keys are read when they are first needed, again for a `kid` that is not among them (at most once a minute, whatever
/// is sent) and ten minutes after the last time, so that a key that was withdrawn is forgotten.
///
/// Why a token was refused is in the log, at the level `debug` under `sessile::mcp::who::jwt`; the client is told that it
/// is not good, and no more.
///
/// ```
/// use sessile::mcp::{Identify, JwksFile, Jwt, McpOptions, ProtectedResource};
///
/// let here = "https://mcp.example.com/mcp";
/// let tokens = Jwt::new("https://id.example.com", here, JwksFile::new("jwks.json"));
/// let resource = ProtectedResource::new(here, ["https://id.example.com"])?;
/// let options = McpOptions::default().principals(Identify::by(tokens).resource(resource));
/// # Ok::<_, sessile::mcp::ResourceProblem>(())
/// ```
pub struct Jwt {
    rules: Rules,
    clock: Clock,
    keys: Arc<Cache>,
}

impl Jwt {
    /// Takes tokens of `issuer` for `audience`, signed by one of `keys`. Both are compared to the letter; the audience is
    /// the address of this server's resource, where the authorization server follows RFC 8707.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: impl JwksSource) -> Self {
        Self {
            rules: Rules {
                issuer: issuer.into(),
                audiences: vec![audience.into()],
                scopes: Vec::new(),
                skew: DEFAULT_SKEW,
            },
            clock: Clock::from_source(Wall),
            keys: Arc::new(Cache::new(keys)),
        }
    }

    /// Takes tokens for this audience too.
    #[must_use]
    pub fn or_audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.audiences.push(audience.into());
        self
    }

    /// Refuses tokens without this scope, besides those that were named before: 403.
    #[must_use]
    pub fn require_scope(mut self, scope: impl Into<String>) -> Self {
        self.rules.scopes.push(scope.into());
        self
    }

    /// How far the clocks of both sides may be apart. Default 60 seconds.
    #[must_use]
    pub fn skew(mut self, skew: Duration) -> Self {
        self.rules.skew = skew;
        self
    }

    /// The clock that tokens are held against. Default: the machine's wall clock, which goes on while the machine sleeps.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the keys, for a program that wants to know at start that it can; gives how many can be used.
    ///
    /// # Errors
    ///
    /// They cannot be read, or none of them can be used. What was read earlier still counts.
    pub async fn load(&self) -> Result<usize, KeysUnusable> {
        self.keys.load(self.clock.now()).await
    }

    async fn verified(&self, token: &str) -> Result<Caller, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::Token("it is too long"));
        }
        let header =
            decode_header(token).map_err(|_| Refused::Token("it cannot be read, or its algorithm is not known"))?;
        let kid = acceptable(&header).map_err(Refused::Token)?;
        let now = self.clock.now();
        let key = self.keys.find(kid, header.alg, now).await.map_err(|_| Refused::NoKeys)?;
        let key = key.ok_or(Refused::Token("no key has its kid and its algorithm"))?;
        let mut signed = Validation::new(header.alg);
        // Claims are held against the rules below, by the injected clock; here the signature alone counts.
        signed.required_spec_claims.clear();
        (signed.validate_exp, signed.validate_nbf, signed.validate_aud) = (false, false, false);
        let token = decode::<Claims>(token, &key, &signed)
            .map_err(|_| Refused::Token("its signature is wrong, or a claim is missing or cannot be read"))?;
        let claims = token.claims;
        self.rules.check(&claims, now).map_err(Refused::Token)?;
        if !self.rules.reaches(&claims) {
            return Err(Refused::Scope(self.rules.scopes.join(" ").into()));
        }
        let principal = Principal::new(claims.iss, claims.sub);
        Ok(Caller::Principal(match claims.client_id.or(claims.azp) {
            Some(client) => principal.with_client(client),
            None => principal,
        }))
    }
}

/// Why a token was refused, for the log.
enum Refused {
    Token(&'static str),
    Scope(Box<str>),
    NoKeys,
}

impl PrincipalSource for Jwt {
    fn caller<'a>(&'a self, parts: &'a mut Parts) -> Asking<'a> {
        Box::pin(async move {
            self.verified(bearer::token(&parts.headers)?).await.map_err(|refused| match refused {
                Refused::Token(why) => {
                    tracing::debug!(why, "refused a token");
                    Refusal::Invalid
                }
                Refused::Scope(needed) => {
                    tracing::debug!(why = "it lacks a scope", "refused a token");
                    Refusal::Scope(needed)
                }
                Refused::NoKeys => Refusal::Unavailable,
            })
        })
    }
}

/// The `kid` of a header that can be accepted as far as it goes. A header may not bring its own key or say where one is,
/// and nothing of the kind is looked at; what it calls critical is not known here (RFC 7515, section 4.1.11).
fn acceptable(header: &Header) -> Result<&str, &'static str> {
    if header.alg.family() == AlgorithmFamily::Hmac {
        return Err("its algorithm is symmetric");
    }
    if header.crit.is_some() {
        return Err("its header has something critical that is not known");
    }
    // Tokens that the same server signed for another purpose say so (RFC 8725, section 3.11).
    let is_access = |typ: &str| {
        ["jwt", "at+jwt", "application/jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
    };
    if !header.typ.as_deref().is_none_or(is_access) {
        return Err("its type is not that of an access token");
    }
    header.kid.as_deref().ok_or("it names no key (kid)")
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("issuer", &self.rules.issuer).finish_non_exhaustive()
    }
}

/// The wall clock as it stands. It may go back, and everything that is held against it here bears that.
struct Wall;

impl TimeSource for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}
