//! Answers that the layer gives itself.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};

/// The body of every answer, as rmcp has it.
pub(super) type Body = BoxBody<Bytes, Infallible>;

/// The one answer for a session that is unknown, somebody else's, ended or mistyped: the same to the last byte. It names
/// the likely causes, and which of them it is nobody is told.
pub(super) fn unknown_session() -> Response<Body> {
    plain(
        StatusCode::NOT_FOUND,
        "Not Found: Session not found. Either it ended (its client closed it, or nobody used it for as long as its idle \
         timeout), or it belongs to another caller (check the credentials), or this server never had it (check the address, \
         and that it keeps its files over restarts). Send `initialize` without a session id to open another.",
    )
}

/// A request of the older era that names no session.
pub(super) fn session_required() -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, "Bad Request: Session ID is required")
}

/// A GET or DELETE of the modern era, which has neither.
pub(super) fn post_only() -> Response<Body> {
    with(plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"), ALLOW, "POST")
}

/// No place for one more session.
pub(super) fn full() -> Response<Body> {
    let reply = plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable: no more sessions; try again later");
    with(reply, RETRY_AFTER, "30")
}

/// Nothing is lost, and in a moment the request can be served.
pub(super) fn unavailable() -> Response<Body> {
    let reply = plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable: try again in a moment");
    with(reply, RETRY_AFTER, "1")
}

/// More than one request may hold.
pub(super) fn too_large(at_most: usize) -> Response<Body> {
    let text = format!("Payload Too Large: a request may have at most {at_most} bytes; split it over several requests");
    plain(StatusCode::PAYLOAD_TOO_LARGE, text)
}

/// More than a session keeps of its handshake.
pub(super) fn handshake_too_large() -> Response<Body> {
    plain(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large: the handshake is more than a session keeps; shorten it")
}

/// A body that did not arrive in time. What may still come of it is not waited for.
pub(super) fn too_slow(within: Duration) -> Response<Body> {
    let text = format!("Request Timeout: the body was not there within {within:?}; send the request again, faster");
    with(plain(StatusCode::REQUEST_TIMEOUT, text), CONNECTION, "close")
}

/// Two requests in flight with one id. Names none: whose answer it would be is what nobody could tell.
pub(super) fn id_in_use() -> Response<Body> {
    let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a request in flight has this id; give each request of a session an id of its own"}}"#;
    with(plain(StatusCode::BAD_REQUEST, text), CONTENT_TYPE, "application/json")
}

/// The request's body broke off.
pub(super) fn unreadable() -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, "Bad Request: the body could not be read")
}

/// Something is wrong on this side; what, is in the log.
pub(super) fn failed() -> Response<Body> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).boxed());
    *response.status_mut() = status;
    response
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
