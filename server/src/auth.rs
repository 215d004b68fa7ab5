//! Who is calling: from the headers of a request to the caller that sessions are bound to.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use sessile::{Caller, Principal};

use crate::options::AuthOption;
use crate::tokens::{TokenTable, TokensError};

/// How callers are told apart.
#[derive(Debug)]
pub(crate) enum Auth {
    /// They are not: whoever reaches the port is the one local user.
    Local,
    /// They are not, and none has an identity.
    Anonymous,
    /// By the bearer token they present.
    Tokens(TokenTable),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No credentials, or none of the kind that is taken here.
    #[error("this server needs a token: send the header `Authorization: Bearer <token>`")]
    Missing,
    /// A token that stands for nobody.
    #[error("the token in the header `Authorization` is not known here: ask the operator of this server for one")]
    Unknown,
}

impl Auth {
    /// Makes what the options ask for ready. Beside it: what is odd but no reason to refuse.
    ///
    /// # Errors
    ///
    /// The tokens file cannot be used.
    pub(crate) fn new(option: &AuthOption) -> Result<(Self, Option<String>), TokensError> {
        Ok(match option {
            AuthOption::Local => (Self::Local, None),
            AuthOption::Anonymous => (Self::Anonymous, None),
            AuthOption::Tokens(path) => {
                let (table, warning) = TokenTable::load(path)?;
                tracing::info!(tokens = table.len(), "read the tokens file");
                (Self::Tokens(table), warning)
            }
        })
    }

    /// The caller that these headers speak for.
    ///
    /// # Errors
    ///
    /// Tokens are needed, and the headers carry no known one.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        match self {
            Self::Local => Ok(Caller::Principal(Principal::new("local", "user"))),
            Self::Anonymous => Ok(Caller::Anonymous),
            Self::Tokens(table) => {
                let subject = table.subject(bearer(headers)?).ok_or(Refusal::Unknown)?;
                Ok(Caller::Principal(Principal::new("tokens", subject)))
            }
        }
    }
}

/// Puts the caller into the extensions of every request that `router` sees, and takes the credentials out: nothing
/// behind this point can log or hand on what it never saw. A request without a known caller goes no further.
pub(crate) fn identify(router: Router, auth: Arc<Auth>) -> Router {
    router.layer(middleware::from_fn_with_state(auth, check))
}

async fn check(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    match auth.caller(request.headers()) {
        Ok(caller) => {
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The one bearer token of the headers; two `Authorization` headers are none, since nobody knows which one counts.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Refusal::Missing) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::Missing)?;
    let token = token.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(Refusal::Missing) }
}

impl IntoResponse for Refusal {
    /// A 401 that names the header. No `resource_metadata`: there is no authorization server to send a client to.
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": "unauthorized", "message": self.to_string() }).to_string();
        let headers = [(WWW_AUTHENTICATE, r#"Bearer realm="sessile""#), (CONTENT_TYPE, "application/json")];
        (StatusCode::UNAUTHORIZED, headers, body).into_response()
    }
}

#[cfg(test)]
mod tests;
