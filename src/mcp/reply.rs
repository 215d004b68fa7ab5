//! Answers that the layer gives itself.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};

/// The body of every answer, as rmcp has it.
pub(super) type Body = BoxBody<Bytes, Infallible>;

/// The one answer for a session that is unknown, somebody else's, ended or mistyped: the same to the last byte.
pub(super) fn unknown_session() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "Not Found: Session not found")
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

/// More than one request, or one handshake, may hold.
pub(super) fn too_large() -> Response<Body> {
    plain(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large")
}

/// The request's body broke off.
pub(super) fn unreadable() -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, "Bad Request: the body could not be read")
}

/// Something is wrong on this side; what, is in the log.
pub(super) fn failed() -> Response<Body> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    response
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
