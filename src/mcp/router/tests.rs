//! What a router has, and for whom.

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use super::*;
use crate::mcp::{Local, TokenHash, Tokens};

struct Server;
impl ServerHandler for Server {}

async fn ask(routes: &Router, request: http::request::Builder) -> (StatusCode, http::HeaderMap, String) {
    let response = routes.clone().call(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

async fn status(routes: &Router, path: &str) -> u16 {
    ask(routes, Request::get(path)).await.0.as_u16()
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_there() {
    let service = SessionService::builder().start().await.unwrap();
    let bare = router(&service, || Ok(Server), McpOptions::default().principals(Local)).router;
    for path in ["/healthz", "/readyz", "/metrics", "/.well-known/oauth-protected-resource", "/"] {
        assert_eq!(status(&bare, path).await, 404, "{path}");
    }
    let options = RouterOptions::from(McpOptions::default()).health().metrics(|| "sessile_x 1\n".to_owned());
    let served = router(&service, || Ok(Server), options);
    assert_eq!(ask(&served.router, Request::get("/readyz")).await.2, "ready\n");
    assert_eq!(ask(&served.router, Request::get("/healthz")).await.2, "ok\n");
    let (_, headers, text) = ask(&served.router, Request::get("/metrics")).await;
    assert_eq!((headers[CONTENT_TYPE].to_str().unwrap(), &*text), (TEXT, "sessile_x 1\n"));
    service.drain().await.unwrap();
    assert_eq!(status(&served.router, "/readyz").await, 503);
}

#[tokio::test]
async fn whoever_is_refused_finds_the_metadata() {
    let service = SessionService::builder().start().await.unwrap();
    let resource = ProtectedResource::new("https://a.example/mcp", ["https://id.example"]).unwrap();
    let tokens: Tokens = [(TokenHash::of("t"), "alice")].into_iter().collect();
    let options = McpOptions::default().principals(Identify::by(tokens).resource(resource.clone()));
    let routes = router(&service, || Ok(Server), options).router;
    let (refused, headers, _) = ask(&routes, Request::post("/mcp").header("host", "localhost")).await;
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    let (_, url) = challenge.split_once("resource_metadata=\"").unwrap();
    let path = url.trim_end_matches('"').strip_prefix("https://a.example").unwrap();
    for path in [path, "/.well-known/oauth-protected-resource"] {
        let (found, headers, text) = ask(&routes, Request::get(path)).await;
        assert_eq!((found, &*text), (StatusCode::OK, &*resource.metadata()), "{path}");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(headers[CONTENT_TYPE], "application/json");
    }
    service.drain().await.unwrap();
}

#[tokio::test]
async fn a_guard_lets_those_in_who_are_known_and_keeps_their_credentials() {
    let seen = async |axum::Extension(caller): axum::Extension<crate::Caller>, headers: http::HeaderMap| {
        assert!(!headers.contains_key("authorization") && !headers.contains_key("proxy-authorization"));
        let crate::Caller::Principal(principal) = caller else { panic!("anonymous") };
        principal.subject().to_owned()
    };
    let tokens: Tokens = [(TokenHash::of("t"), "alice")].into_iter().collect();
    let guarded = Identify::by(tokens).guard(Router::new().route("/", get(seen)));
    let request = || Request::get("/").header("proxy-authorization", "Basic x").extension(crate::Caller::Anonymous);
    let known = ask(&guarded, request().header("authorization", "Bearer t")).await;
    assert_eq!((known.0, &*known.2), (StatusCode::OK, "alice"));
    assert_eq!(ask(&guarded, request().header("authorization", "Bearer u")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&guarded, request()).await.0, StatusCode::UNAUTHORIZED);
}
