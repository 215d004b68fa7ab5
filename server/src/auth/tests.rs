//! Each kind of caller, and each way to be refused.

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::HeaderValue;
use tower::ServiceExt;

use super::*;

fn tokens() -> (tempfile::TempDir, Auth, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let token = crate::tokens::add(&path, "alice").unwrap();
    let (auth, warning) = Auth::new(&AuthOption::Tokens(path)).unwrap();
    assert_eq!(warning, None);
    (folder, auth, token)
}

fn headers(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
}

#[test]
fn local_is_one_user_whatever_is_sent() {
    let user = Caller::Principal(Principal::new("local", "user"));
    assert_eq!(Auth::Local.caller(&headers(&[])), Ok(user.clone()));
    assert_eq!(Auth::Local.caller(&headers(&["Bearer x"])), Ok(user));
}

#[test]
fn anonymous_is_nobody_whatever_is_sent() {
    assert_eq!(Auth::Anonymous.caller(&headers(&["Bearer x"])), Ok(Caller::Anonymous));
}

#[test]
fn a_token_is_its_subject() {
    let (_folder, auth, token) = tokens();
    let alice = Ok(Caller::Principal(Principal::new("tokens", "alice")));
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        assert_eq!(auth.caller(&headers(&[&format!("{scheme} {token}")])), alice, "{scheme}");
    }
}

#[test]
fn everything_else_is_refused() {
    let (_folder, auth, token) = tokens();
    let good = format!("Bearer {token}");
    let basic = format!("Basic {token}");
    for wrong in [&[][..], &[good.as_str(), &good], &[&basic], &[&token], &["Bearer"], &["Bearer "], &["Bearer\t"]] {
        assert_eq!(auth.caller(&headers(wrong)), Err(Refusal::Missing), "{wrong:?}");
    }
    let longer = format!("{good}0");
    for wrong in ["Bearer x", &longer, &good[..good.len() - 1]] {
        assert_eq!(auth.caller(&headers(&[wrong])), Err(Refusal::Unknown), "{wrong}");
    }
    let mut bytes = HeaderMap::new();
    bytes.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
    assert_eq!(auth.caller(&bytes), Err(Refusal::Missing));
}

#[tokio::test]
async fn the_caller_arrives_and_the_token_does_not() {
    let (_folder, auth, token) = tokens();
    let seen = async |Extension(caller): Extension<Caller>, headers: HeaderMap| {
        assert_eq!(caller, Caller::Principal(Principal::new("tokens", "alice")));
        assert!(!headers.contains_key(AUTHORIZATION));
    };
    let router = identify(Router::new().route("/mcp", get(seen)), Arc::new(auth));
    let request = Request::get("/mcp").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_refusal_names_the_header_and_starts_no_oauth() {
    let (_folder, auth, token) = tokens();
    let reached = async || -> StatusCode { panic!("went through") };
    let router = identify(Router::new().route("/mcp", get(reached)), Arc::new(auth));
    for value in ["Basic x", &format!("Bearer {token}x")] {
        let request = Request::get("/mcp").header(AUTHORIZATION, value).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="sessile""#);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = to_bytes(response.into_body(), 1_024).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let message = body["message"].as_str().unwrap();
        assert!(message.contains("`Authorization") && !message.contains(&token), "{message}");
    }
}
