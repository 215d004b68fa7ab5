//! What a token has to say (RFC 7519, section 4.1; RFC 9068).

use std::time::Duration;

use serde::Deserialize;

use crate::time::Timestamp;

/// The claims that are looked at.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    aud: Audience,
    /// Seconds since the Unix epoch, with fractions where the issuer likes.
    exp: f64,
    nbf: Option<f64>,
    scope: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) azp: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What claims are held against.
pub(super) struct Rules {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) skew: Duration,
}

impl Rules {
    /// Checks all but the scopes.
    pub(super) fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
        let ours = |audience: &String| self.audiences.contains(audience);
        let for_us = match &claims.aud {
            Audience::One(audience) => ours(audience),
            Audience::Many(audiences) => audiences.iter().any(ours),
        };
        let (now, skew) = (now.to_system_time(), self.skew.as_secs_f64());
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if claims.iss != self.issuer {
            Err("it is of another issuer")
        } else if !for_us {
            Err("it is for another audience")
        } else if claims.exp + skew <= now {
            Err("it has expired")
        } else if claims.nbf.is_some_and(|from| from - skew > now) {
            Err("it is not valid yet")
        } else if claims.sub.is_empty() {
            Err("it names no subject")
        } else {
            Ok(())
        }
    }

    /// Whether the claims have every scope that is needed.
    pub(super) fn reaches(&self, claims: &Claims) -> bool {
        let has = |scope: &String| claims.scope.iter().flat_map(|text| text.split(' ')).any(|held| held == scope);
        self.scopes.iter().all(has)
    }
}
