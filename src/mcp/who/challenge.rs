//! What a refused request is answered (RFC 6750, RFC 9728).

use std::fmt::Write as _;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;

use super::{ProtectedResource, Refusal};
use crate::mcp::reply::Body;

/// The answer for a refusal: the same for every reason within a variant.
pub(super) fn answer(refusal: &Refusal, resource: Option<&ProtectedResource>) -> Response<Body> {
    let (status, error) = match refusal {
        Refusal::Missing => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Refusal::Malformed => (StatusCode::BAD_REQUEST, "invalid_request"),
        Refusal::Invalid => (StatusCode::UNAUTHORIZED, "invalid_token"),
        Refusal::Scope(_) => (StatusCode::FORBIDDEN, "insufficient_scope"),
        Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    };
    let body = json!({ "error": error, "message": refusal.to_string() }).to_string();
    let mut response = Response::new(Full::from(body).boxed());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if *refusal == Refusal::Unavailable {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    } else {
        headers.insert(WWW_AUTHENTICATE, challenge(refusal, resource));
    }
    response
}

/// `WWW-Authenticate`. Whoever brought no credentials is told of no error (RFC 6750, section 3.1).
fn challenge(refusal: &Refusal, resource: Option<&ProtectedResource>) -> HeaderValue {
    let mut text = r#"Bearer realm="sessile""#.to_owned();
    let mut add = |name: &str, value: &str| {
        // Writing to a text cannot fail.
        let _ = write!(text, r#", {name}="{value}""#);
    };
    let wanted = || resource.and_then(ProtectedResource::scope);
    match refusal {
        Refusal::Malformed => add("error", "invalid_request"),
        Refusal::Invalid => add("error", "invalid_token"),
        Refusal::Scope(_) => add("error", "insufficient_scope"),
        _ => {}
    }
    match refusal {
        Refusal::Scope(needed) => add("scope", needed),
        _ => wanted().iter().for_each(|scope| add("scope", scope)),
    }
    if let Some(resource) = resource {
        add("resource_metadata", &resource.url());
    }
    // A source of the author's may name a scope that no header can hold.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(r#"Bearer realm="sessile""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: &Refusal, resource: Option<&ProtectedResource>) -> (u16, Option<String>, Option<String>) {
        let response = answer(refusal, resource);
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), header(WWW_AUTHENTICATE), header(RETRY_AFTER))
    }

    #[test]
    fn each_refusal_has_its_answer() {
        let bare = r#"Bearer realm="sessile""#;
        let resource = ProtectedResource::new("https://a.example/mcp", ["https://id.example"]).unwrap();
        let at = r#"resource_metadata="https://a.example/.well-known/oauth-protected-resource/mcp""#;
        let scoped = resource.clone().scopes(["a", "b"]).unwrap();
        let table = [
            (Refusal::Missing, 401, ""),
            (Refusal::Malformed, 400, r#", error="invalid_request""#),
            (Refusal::Invalid, 401, r#", error="invalid_token""#),
        ];
        for (refusal, status, error) in table {
            assert_eq!(told(&refusal, None), (status, Some(format!("{bare}{error}")), None));
            assert_eq!(told(&refusal, Some(&resource)), (status, Some(format!("{bare}{error}, {at}")), None));
            let with_scope = format!(r#"{bare}{error}, scope="a b", {at}"#);
            assert_eq!(told(&refusal, Some(&scoped)), (status, Some(with_scope), None));
        }
        let needed = Refusal::Scope("b".into());
        let expected = format!(r#"{bare}, error="insufficient_scope", scope="b", {at}"#);
        assert_eq!(told(&needed, Some(&scoped)), (403, Some(expected), None));
        assert_eq!(told(&Refusal::Unavailable, Some(&scoped)), (503, None, Some("5".to_owned())));
        assert_eq!(told(&Refusal::Scope("b\n".into()), None), (403, Some(bare.to_owned()), None));
    }
}
