//! An rmcp server whose callers are told apart by the access tokens of an authorization server. Run with
//! `--features axum,jwt`.
//!
//! Keys and tokens are made here, and the requests are made in process, so that the example ends by itself. In earnest
//! the keys come from the authorization server ([`JwksFile`](sessile::mcp::JwksFile), or a `JwksSource` with an HTTP
//! client), and the router goes to `axum::serve`.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rmcp::ServerHandler;
use serde_json::{Value, json};
use sessile::SessionService;
use sessile::mcp::{Identify, Jwks, Jwt, McpOptions, ProtectedResource, RouterOptions, router};
use tower_service::Service;

const ISSUER: &str = "https://id.example.com";
const HERE: &str = "https://mcp.example.com/mcp";

/// Tools come here; this one has none.
struct Server;
impl ServerHandler for Server {}

/// The authorization server, as far as it matters here.
struct Authority(EncodingKey);

impl Authority {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        // An Ed25519 key in PKCS #8 is these bytes and the secret.
        let before = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        Ok(Self(EncodingKey::from_ed_der(&[&before[..], &secret[..]].concat())))
    }

    /// What it publishes: the public half, under a name.
    fn keys(&self) -> Result<String, Box<dyn Error>> {
        let mut key = Jwk::from_encoding_key(&self.0, Algorithm::EdDSA)?;
        key.common.key_id = Some("2026-11".to_owned());
        Ok(json!({ "keys": [key] }).to_string())
    }

    fn token(&self, subject: &str, audience: &str) -> Result<String, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("2026-11".to_owned());
        let claims =
            json!({ "iss": ISSUER, "sub": subject, "aud": audience, "exp": now + 300, "jti": getrandom::u64()? });
        Ok(encode(&header, &claims, &self.0)?)
    }
}

/// Sends `initialize`, or a ping within a protocol session; gives the status, the challenge and the session's id.
async fn send(
    routes: &mut Router,
    token: Option<&str>,
    session: Option<&str>,
) -> Result<(StatusCode, String, Option<String>), Box<dyn Error>> {
    let hello =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
    let body = match session {
        None => json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
        Some(_) => json!({ "jsonrpc": "2.0", "id": getrandom::u32()?, "method": "ping" }),
    };
    let mut request = Request::post("/mcp")
        .header("host", "localhost")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(session) = session {
        request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
    }
    let answer = routes.call(request.body(Body::from(body.to_string()))?).await?;
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let told = (answer.status(), header("www-authenticate").unwrap_or_default(), header("mcp-session-id"));
    answer.into_body().collect().await?;
    Ok(told)
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let authority = Authority::new()?;
    let service = SessionService::builder().start().await?;

    let tokens = Jwt::new(ISSUER, HERE, Jwks::new(authority.keys()?));
    let resource = ProtectedResource::new(HERE, [ISSUER])?;
    let options = McpOptions::default().principals(Identify::by(tokens).resource(resource));
    let served = router(&service, || Ok(Server), RouterOptions::from(options).health());
    let mut routes = served.router;

    // Whoever comes without a token is told where to get one.
    let (status, challenge, _) = send(&mut routes, None, None).await?;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (_, url) = challenge.split_once("resource_metadata=\"").ok_or("no metadata")?;
    let path = url.trim_end_matches('"').strip_prefix("https://mcp.example.com").ok_or("elsewhere")?;
    let metadata = routes.call(Request::get(path).body(Body::empty())?).await?.into_body().collect().await?.to_bytes();
    let metadata: Value = serde_json::from_slice(&metadata)?;
    assert_eq!(metadata.pointer("/authorization_servers/0"), Some(&json!(ISSUER)));

    // A token makes a session; another token of the same subject goes on with it.
    let (status, _, session) = send(&mut routes, Some(&authority.token("alice", HERE)?), None).await?;
    assert_eq!(status, StatusCode::OK);
    let session = session.ok_or("no session")?;
    let again = send(&mut routes, Some(&authority.token("alice", HERE)?), Some(&session)).await?;
    assert_eq!(again.0, StatusCode::OK);

    // To somebody else the session never was, and a token for another server is none here.
    let bob = send(&mut routes, Some(&authority.token("bob", HERE)?), Some(&session)).await?;
    assert_eq!(bob.0, StatusCode::NOT_FOUND);
    let elsewhere =
        send(&mut routes, Some(&authority.token("alice", "https://else.example.com")?), Some(&session)).await?;
    assert_eq!(elsewhere.0, StatusCode::UNAUTHORIZED);

    served.mcp.drain(std::time::Duration::from_secs(1)).await;
    service.drain().await?;
    Ok(())
}
