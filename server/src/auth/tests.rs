//! Each kind of caller, and each way to be refused.

use std::net::TcpListener;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use sessile::mcp::KeysUnusable;
use sessile::{Caller, Principal};
use tower::ServiceExt;

use super::*;

async fn tokens() -> (tempfile::TempDir, Identify, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let token = tokens::add(&path, "alice").unwrap();
    let (auth, warning) = prepare(&AuthOption::Tokens(path)).await.unwrap();
    assert_eq!(warning, None);
    (folder, auth, token)
}

/// The caller that these values of `Authorization` speak for, or the status of the refusal.
async fn caller(auth: &Identify, values: &[&str]) -> Result<Caller, StatusCode> {
    let mut request = Request::new(());
    for value in values {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let admitted = auth.admit(request).await.map_err(|answer| answer.status())?;
    assert!(!admitted.headers().contains_key(AUTHORIZATION));
    Ok(admitted.extensions().get().cloned().unwrap())
}

#[tokio::test]
async fn local_is_one_user_whatever_is_sent() {
    let (auth, _) = prepare(&AuthOption::Local).await.unwrap();
    let user = Caller::Principal(Principal::new("local", "user"));
    assert_eq!(caller(&auth, &[]).await, Ok(user.clone()));
    assert_eq!(caller(&auth, &["Bearer x"]).await, Ok(user));
}

#[tokio::test]
async fn anonymous_is_nobody_whatever_is_sent() {
    let (auth, _) = prepare(&AuthOption::Anonymous).await.unwrap();
    assert_eq!(caller(&auth, &["Bearer x"]).await, Ok(Caller::Anonymous));
}

#[tokio::test]
async fn a_token_is_its_subject() {
    let (_folder, auth, token) = tokens().await;
    let alice = Ok(Caller::Principal(Principal::new("tokens", "alice")));
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        assert_eq!(caller(&auth, &[&format!("{scheme} {token}")]).await, alice, "{scheme}");
    }
}

#[tokio::test]
async fn everything_else_is_refused() {
    let (_folder, auth, token) = tokens().await;
    let good = format!("Bearer {token}");
    let basic = format!("Basic {token}");
    let longer = format!("{good}0");
    let shorter = &good[..good.len() - 1];
    assert_eq!(caller(&auth, &[]).await, Err(StatusCode::UNAUTHORIZED));
    for wrong in [&basic, &token, "Bearer\t", "Bearer x", &longer, shorter] {
        assert_eq!(caller(&auth, &[wrong]).await, Err(StatusCode::UNAUTHORIZED), "{wrong:?}");
    }
    // Nobody knows what these say: RFC 6750, section 3.1.
    for wrong in [&[good.as_str(), &good][..], &["Bearer"], &["Bearer "], &["Bearer é"]] {
        assert_eq!(caller(&auth, wrong).await, Err(StatusCode::BAD_REQUEST), "{wrong:?}");
    }
}

#[tokio::test]
async fn the_caller_arrives_and_the_token_does_not() {
    let (_folder, auth, token) = tokens().await;
    let seen = async |axum::Extension(caller): axum::Extension<Caller>, headers: HeaderMap| {
        assert_eq!(caller, Caller::Principal(Principal::new("tokens", "alice")));
        assert!(!headers.contains_key(AUTHORIZATION));
    };
    let router = auth.guard(Router::new().route("/mcp", get(seen)));
    let request = Request::get("/mcp").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_refusal_names_the_header_and_starts_no_oauth() {
    let (_folder, auth, token) = tokens().await;
    let reached = async || -> StatusCode { panic!("went through") };
    let router = auth.guard(Router::new().route("/mcp", get(reached)));
    let unknown = r#"Bearer realm="sessile", error="invalid_token""#;
    for (value, challenge) in [("Basic x", r#"Bearer realm="sessile""#), (&*format!("Bearer {token}x"), unknown)] {
        let request = Request::get("/mcp").header(AUTHORIZATION, value).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], challenge);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = to_bytes(response.into_body(), 1_024).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let message = body["message"].as_str().unwrap();
        assert!(message.contains("`Authorization") && !message.contains(&token), "{message}");
    }
}

/// An Ed25519 key of nobody's.
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn signed_by(keys: KeySet, audience: &str) -> AuthOption {
    AuthOption::Jwt(JwtOption { issuer: "https://id.example".into(), audience: audience.into(), keys })
}

#[tokio::test]
async fn a_file_of_keys_is_read_at_start_or_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let option = signed_by(KeySet::File(path.clone()), "https://mcp.example/mcp");
    let told = prepare(&option).await.unwrap_err().explain();
    assert!(told.contains("(--jwks) cannot be used") && told.contains("the key set cannot be read"), "{told}");
    std::fs::write(&path, r#"{"keys":[]}"#).unwrap();
    assert!(matches!(prepare(&option).await, Err(Failure::Keys { source: KeysUnusable::Empty, .. })));
    std::fs::write(&path, KEYS).unwrap();
    let (auth, warning) = prepare(&option).await.unwrap();
    assert_eq!(warning, None);
    let resource = auth.protected_resource().unwrap();
    assert_eq!(resource.url(), "https://mcp.example/.well-known/oauth-protected-resource/mcp");
    assert_eq!(caller(&auth, &[]).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(caller(&auth, &["Bearer x"]).await, Err(StatusCode::UNAUTHORIZED));
    // An audience that is no address is a good one, but there is nothing to tell clients.
    let (auth, warning) = prepare(&signed_by(KeySet::File(path), "sessile")).await.unwrap();
    assert!(auth.protected_resource().is_none() && warning.unwrap().contains("not told where to get one"));
}

/// Answers one request with this, once per connection, until the test ends.
fn publisher(answer: &str) -> String {
    use std::io::{BufRead, BufReader, Write};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    url
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn keys_come_from_an_address_and_a_start_without_them_is_told() {
    let by = |url: &str| signed_by(KeySet::Url(url.to_owned()), "https://mcp.example/mcp");
    let good = publisher(&ok(KEYS));
    assert_eq!(prepare(&by(&good)).await.unwrap().1, None);
    let elsewhere = format!("HTTP/1.1 302 Found\r\nlocation: {good}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let too_long = ok(&format!("{KEYS}{}", " ".repeat(2 << 20)));
    let gone = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
    for answer in [elsewhere, too_long, gone, ok("<html>")] {
        let (auth, warning) = prepare(&by(&publisher(&answer))).await.unwrap();
        let warning = warning.unwrap();
        assert!(warning.contains("no caller is let in until they can be had"), "{warning}");
        assert_eq!(caller(&auth, &[]).await, Err(StatusCode::UNAUTHORIZED));
    }
}
