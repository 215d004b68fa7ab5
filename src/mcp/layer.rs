//! What every request passes before rmcp sees it, and every answer before the client does.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};

use super::body::holding;
use super::context::{CallContext, Era};
use super::era::{self, Kind};
use super::mount::Mounted;
use super::reply::{self, Body};
use super::scope::{Outcome, Scope};
use super::{PROTOCOL_KIND, SESSION_ID};
use crate::error::OpenError;
use crate::principal::Caller;
use crate::service::CallerOwner;
use crate::session::Session;

/// Serves one request.
pub(super) async fn serve<B>(mounted: &Mounted, request: Request<B>) -> Response<Body>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some(inside) = mounted.door.enter() else { return reply::unavailable() };
    let (mut parts, body) = request.into_parts();
    if let Some(identify) = &mounted.identify
        && let Err(refusal) = identify.admit_parts(&mut parts).await
    {
        return *refusal;
    }
    if let Some(refusal) = refused_address(mounted, &parts).await {
        return refusal;
    }
    let body = match parts.method {
        Method::POST => match read(body, mounted.max_body_bytes, mounted.body_timeout).await {
            Ok(body) => body,
            Err(refusal) => return *refusal,
        },
        _ => Bytes::new(),
    };
    let scope = match bind(mounted, &mut parts, &body).await {
        Ok(scope) => scope,
        Err(refusal) => return *refusal,
    };
    let answers = parts.method == Method::POST;
    let response = scope.run(mounted.endpoint.handle(Request::from_parts(parts, Full::new(body)))).await;
    let response = finish(&scope, response);
    // The stream that a GET opens has no end to wait for.
    if answers { response.map(|body| holding(body, inside)) } else { response }
}

/// Asks rmcp whether it takes requests for this `Host` from this `Origin`, before anything is looked up or touched.
///
/// rmcp checks both before it looks at the method, so a method that nobody serves tells.
async fn refused_address(mounted: &Mounted, parts: &Parts) -> Option<Response<Body>> {
    let mut question = Request::new(Full::new(Bytes::new()));
    *question.method_mut() = Method::OPTIONS;
    *question.uri_mut() = parts.uri.clone();
    for name in [http::header::HOST, http::header::ORIGIN] {
        for value in parts.headers.get_all(&name) {
            question.headers_mut().append(&name, value.clone());
        }
    }
    let answer = mounted.endpoint.handle(question).await;
    (answer.status() != StatusCode::METHOD_NOT_ALLOWED).then_some(answer)
}

/// The whole body, no longer than it may be and no later.
async fn read<B>(body: B, at_most: usize, within: Duration) -> Result<Bytes, Box<Response<Body>>>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // What says that it is too long need not be read to be believed.
    if body.size_hint().lower() > at_most as u64 {
        return Err(Box::new(reply::too_large(at_most)));
    }
    match tokio::time::timeout(within, Limited::new(body, at_most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Box::new(reply::too_large(at_most))),
        Ok(Err(_)) => Err(Box::new(reply::unreadable())),
        Err(_) => Err(Box::new(reply::too_slow(within))),
    }
}

/// Binds a request to its caller, and one of the older era to its session, or answers it.
async fn bind(mounted: &Mounted, parts: &mut Parts, body: &[u8]) -> Result<std::sync::Arc<Scope>, Box<Response<Body>>> {
    let caller = parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Anonymous);
    let owner = mounted.service.caller(&caller);
    let kind = era::classify(&parts.method, &parts.headers, body);
    if parts.method != Method::POST && era::is_modern(&parts.headers) {
        return Err(Box::new(reply::post_only()));
    }
    let session = match kind {
        // A session id means nothing here, so nobody behind this line may take it for one.
        Kind::Modern | Kind::Initialize => {
            parts.headers.remove(SESSION_ID);
            None
        }
        Kind::Legacy => match named(&parts.headers) {
            Ok(None) => None,
            Ok(Some(id)) => Some(proven(mounted, &owner, id).await.ok_or_else(|| Box::new(reply::unknown_session()))?),
            Err(()) => return Err(Box::new(reply::session_required())),
        },
    };
    if let Some(session) = &session {
        // One spelling for one session, whatever the client made of it.
        let mut id = HeaderValue::from_str(session.id().as_str()).map_err(|_| Box::new(reply::unknown_session()))?;
        id.set_sensitive(true);
        parts.headers.insert(SESSION_ID, id);
    }
    let era = if kind == Kind::Modern { Era::Modern } else { Era::Legacy };
    parts.extensions.insert(CallContext::new(caller, owner.clone(), era, session.clone()));
    Ok(Scope::new(owner, session))
}

/// The session id of a request: one header of visible ASCII, or none.
fn named(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(SESSION_ID).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let visible = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(id) if visible && values.next().is_none() => Ok(Some(id)),
        _ => Err(()),
    }
}

/// The protocol session of this id, if it is this caller's. Counts as use.
async fn proven(mounted: &Mounted, owner: &CallerOwner, id: &str) -> Option<Session> {
    let opened = match owner {
        CallerOwner::Owner(owner) => owner.open(id).await,
        CallerOwner::Anonymous(anonymous) => anonymous.open(id).await,
    };
    match opened {
        Ok(session) => (session.kind() == PROTOCOL_KIND).then_some(session),
        Err(OpenError::Ended(_)) => {
            mounted.table.forget(id);
            None
        }
        Err(_) => None,
    }
}

/// The answer for what the manager and the store found out, where rmcp has no words for it.
fn finish(scope: &Scope, mut response: Response<Body>) -> Response<Body> {
    let lives = || scope.session.as_ref().map(|session| session.check().is_ok());
    match (scope.outcome(), response.status()) {
        (Some(Outcome::Unknown), _) => reply::unknown_session(),
        (Some(Outcome::Full), _) => reply::full(),
        (Some(Outcome::IdInUse), _) => reply::id_in_use(),
        (Some(Outcome::TooLarge), _) => reply::handshake_too_large(),
        (Some(Outcome::Unavailable), _) => reply::unavailable(),
        (Some(Outcome::Failed), _) => reply::failed(),
        (Some(Outcome::HandshakeRefused), _) => {
            response.headers_mut().remove(SESSION_ID);
            response
        }
        // The body of a 500 is an error's text. A client that is told 404 gives its session up, so it is told so only
        // when the session is gone.
        (None, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::NOT_FOUND) => match lives() {
            Some(true) => reply::unavailable(),
            Some(false) => reply::unknown_session(),
            None if response.status() == StatusCode::NOT_FOUND => response,
            None => reply::failed(),
        },
        (None, _) => response,
    }
}
