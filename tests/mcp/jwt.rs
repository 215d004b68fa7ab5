//! Callers by signed tokens: who is let in, as whom, and what everybody else is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sessile::mcp::{Fetching, Identify, Jwks, JwksSource, Jwt, McpOptions, McpService, ProtectedResource};
use sessile::{Clock, SessionService, TimeSource, Timestamp};
use tokio::sync::Semaphore;

use crate::client::{Answer, Call, mounted_with, service};
use crate::issuer::{HERE, Signer, but, claims, set};
use crate::server::Probe;

const ISSUER: &str = "https://id.example";

/// A clock that a test moves; shows second 1,000 at first.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_000)))
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        Clock::from_source(self.clone())
    }
}

impl TimeSource for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst) * 1_000_000)
    }
}

/// Keys that change, and how often they were asked for.
#[derive(Clone)]
struct Published(Arc<Publisher>);

struct Publisher {
    text: Mutex<Result<String, &'static str>>,
    asked: AtomicUsize,
    /// Answers that may be given.
    answers: Semaphore,
}

impl Published {
    fn new(text: String) -> Self {
        let answers = Semaphore::new(1_000);
        Self(Arc::new(Publisher { text: Mutex::new(Ok(text)), asked: AtomicUsize::new(0), answers }))
    }

    fn publish(&self, text: Result<String, &'static str>) {
        *self.0.text.lock() = text;
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl JwksSource for Published {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async {
            self.0.asked.fetch_add(1, Ordering::SeqCst);
            self.0.answers.acquire().await?.forget();
            Ok(self.0.text.lock().clone()?.into_bytes())
        })
    }
}

fn on(service: &SessionService, source: Jwt) -> McpService {
    mounted_with(service, &Probe::new(), McpOptions::default().principals(source))
}

fn bearer(call: Call, token: &str) -> Call {
    call.header("authorization", &format!("Bearer {token}"))
}

async fn who(mcp: &McpService, token: &str) -> Answer {
    bearer(Call::modern_tool("who"), token).send(mcp).await
}

/// The text of an answer without the id of its request: what an attacker could compare.
fn shown(answer: &Answer) -> (StatusCode, String, String) {
    let challenge = answer.headers.get("www-authenticate").cloned().unwrap_or_default();
    (answer.status, challenge, String::from_utf8(answer.body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_refreshed_token_finds_the_same_session_and_another_issuers_does_not() {
    let (service, hand) = (service().await, Hand::new());
    let (ours, theirs) = (Signer::ed25519("k"), Signer::p256("k"));
    let source = |issuer: &str, signer| Jwt::new(issuer, HERE, Jwks::new(set(&[signer]))).clock(hand.clock());
    let mcp = on(&service, source(ISSUER, &ours));
    let other = on(&service, source("https://other.example", &theirs));
    let first = ours.sign(&claims(ISSUER, "alice"));
    let opened = bearer(Call::initialize(), &first).send(&mcp).await;
    let id = opened.session_id().unwrap_or_else(|| panic!("{opened:?}")).to_owned();
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let ready = bearer(Call::post(&ready), &first).session(&id).send(&mcp).await;
    assert_eq!(ready.status, StatusCode::ACCEPTED);
    let add = |token: &str, number| bearer(Call::tool_as("add", number), token).session(&id);
    assert_eq!(add(&first, 1).send(&mcp).await.structured()["count"], 1);
    // The first token has expired; the next is another text of the same principal.
    hand.pass(1_000);
    assert_eq!(add(&first, 2).send(&mcp).await.status, StatusCode::UNAUTHORIZED);
    let refreshed = but(but(claims(ISSUER, "alice"), "exp", json!(2_500)), "client_id", json!("another app"));
    assert_eq!(add(&ours.sign(&refreshed), 3).send(&mcp).await.structured()["count"], 2);
    let bob = but(claims(ISSUER, "bob"), "exp", json!(2_500));
    assert_eq!(add(&ours.sign(&bob), 4).send(&mcp).await.status, StatusCode::NOT_FOUND);
    let namesake = but(claims("https://other.example", "alice"), "exp", json!(2_500));
    assert_eq!(add(&theirs.sign(&namesake), 5).send(&other).await.status, StatusCode::NOT_FOUND);
    service.drain().await.unwrap();
}

#[tokio::test]
async fn everything_but_a_good_token_is_told_the_same() {
    let (service, hand) = (service().await, Hand::new());
    let (signer, stranger) = (Signer::ed25519("k"), Signer::ed25519("k"));
    let mcp = on(&service, Jwt::new(ISSUER, HERE, Jwks::new(set(&[&signer]))).clock(hand.clock()));
    let good = claims(ISSUER, "alice");
    assert_eq!(who(&mcp, &signer.sign(&good)).await.structured()["caller"], "alice");
    for (name, value) in [
        ("aud", json!(["https://else.example", HERE])),
        ("nbf", Value::Null),
        ("nbf", json!(1_060)),
        ("exp", json!(941)),
        ("exp", json!(1_000.5)),
    ] {
        let token = signer.sign(&but(good.clone(), name, value.clone()));
        assert_eq!(who(&mcp, &token).await.status, StatusCode::OK, "{name}: {value}");
    }
    let mut bad: Vec<(String, String)> = Vec::new();
    for (name, value) in [
        ("exp", json!(940)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!("1300")),
        ("exp", Value::Null),
        ("nbf", json!(1_061)),
        ("aud", json!("https://else.example")),
        ("aud", json!([])),
        ("aud", json!("https://mcp.example/mcp/")),
        ("aud", Value::Null),
        ("iss", json!("https://else.example")),
        ("iss", json!("https://id.example/")),
        ("iss", Value::Null),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", Value::Null),
    ] {
        bad.push((format!("{name}: {value}"), signer.sign(&but(good.clone(), name, value))));
    }
    let under = |change: fn(&mut Header)| {
        let mut header = signer.header();
        change(&mut header);
        signer.sign_under(&header, &good)
    };
    bad.push(("no kid".to_owned(), under(|header| header.kid = None)));
    bad.push(("a kid that nobody has".to_owned(), under(|header| header.kid = Some("x".to_owned()))));
    bad.push(("another kind of token".to_owned(), under(|header| header.typ = Some("logout+jwt".to_owned()))));
    bad.push(("critical".to_owned(), under(|header| header.crit = Some(vec!["b64".to_owned()]))));
    bad.push(("another's key under the same kid".to_owned(), stranger.sign(&good)));
    // The public key, which everybody has, as the secret of a symmetric algorithm.
    let public = signer.jwk();
    for secret in [public["x"].as_str().unwrap().to_owned(), public.to_string(), String::new()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some("k".to_owned());
            let token = encode(&header, &good, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
            bad.push((format!("{algorithm:?}"), token));
        }
    }
    let token = signer.sign(&good);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (_, body) = signed.split_once('.').unwrap();
    // {"alg":"none","kid":"k"} and {"alg":"None","kid":"k"}
    for header in ["eyJhbGciOiJub25lIiwia2lkIjoiayJ9", "eyJhbGciOiJOb25lIiwia2lkIjoiayJ9"] {
        for signature in ["", signature] {
            bad.push(("alg none".to_owned(), format!("{header}.{body}.{signature}")));
        }
    }
    bad.push(("no signature".to_owned(), format!("{signed}.")));
    bad.push(("two parts".to_owned(), signed.to_owned()));
    bad.push(("no token".to_owned(), "x".to_owned()));
    bad.push(("too long".to_owned(), signer.sign(&but(good.clone(), "fill", json!("x".repeat(20_000))))));
    let expected = shown(&who(&mcp, "x").await);
    assert_eq!(expected.0, StatusCode::UNAUTHORIZED);
    assert_eq!(expected.1, r#"Bearer realm="sessile", error="invalid_token""#);
    for (what, token) in &bad {
        assert_eq!(shown(&who(&mcp, token).await), expected, "{what}");
    }
    let missing = Call::modern_tool("who").send(&mcp).await;
    assert_eq!(
        (missing.status, missing.headers["www-authenticate"].as_str()),
        (StatusCode::UNAUTHORIZED, r#"Bearer realm="sessile""#)
    );
    service.drain().await.unwrap();
}

#[tokio::test]
async fn a_token_that_lacks_a_scope_is_told_which() {
    let (service, hand, signer) = (service().await, Hand::new(), Signer::p256("k"));
    let source = Jwt::new(ISSUER, HERE, Jwks::new(set(&[&signer]))).clock(hand.clock()).require_scope("state:write");
    let resource = ProtectedResource::new(HERE, [ISSUER]).unwrap().scopes(["state:write"]).unwrap();
    let options = McpOptions::default().principals(Identify::by(source).resource(resource));
    let mcp = mounted_with(&service, &Probe::new(), options);
    let told = async |scope: Value| who(&mcp, &signer.sign(&but(claims(ISSUER, "alice"), "scope", scope))).await;
    assert_eq!(told(json!("state:read state:write")).await.status, StatusCode::OK);
    let metadata = r#"resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp""#;
    for scope in [Value::Null, json!(""), json!("state:read"), json!("state:writes")] {
        let refused = told(scope.clone()).await;
        let challenge =
            format!(r#"Bearer realm="sessile", error="insufficient_scope", scope="state:write", {metadata}"#);
        assert_eq!(
            (refused.status, &refused.headers["www-authenticate"]),
            (StatusCode::FORBIDDEN, &challenge),
            "{scope}"
        );
    }
    let missing = Call::modern_tool("who").send(&mcp).await;
    let challenge = format!(r#"Bearer realm="sessile", scope="state:write", {metadata}"#);
    assert_eq!((missing.status, &missing.headers["www-authenticate"]), (StatusCode::UNAUTHORIZED, &challenge));
    service.drain().await.unwrap();
}

#[tokio::test]
async fn a_flood_of_unknown_kids_reads_the_keys_once_a_minute() {
    let (service, hand) = (service().await, Hand::new());
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let published = Published::new(set(&[&old]));
    let mcp = on(&service, Jwt::new(ISSUER, HERE, published.clone()).clock(hand.clock()));
    let good = but(claims(ISSUER, "alice"), "exp", json!(100_000));
    assert_eq!(who(&mcp, &old.sign(&good)).await.status, StatusCode::OK);
    assert_eq!(published.asked(), 1);
    hand.pass(60);
    let flood = (0..200).map(|number| {
        let mut header = old.header();
        header.kid = Some(format!("kid {number}"));
        let (mcp, token) = (mcp.clone(), old.sign_under(&header, &good));
        tokio::spawn(async move { who(&mcp, &token).await.status })
    });
    for refused in flood.collect::<Vec<_>>() {
        assert_eq!(refused.await.unwrap(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(published.asked(), 2);
    // A new key is found within a minute, and meanwhile the old one counts.
    published.publish(Ok(set(&[&old, &new])));
    assert_eq!(who(&mcp, &new.sign(&good)).await.status, StatusCode::UNAUTHORIZED);
    hand.pass(60);
    assert_eq!(who(&mcp, &new.sign(&good)).await.status, StatusCode::OK);
    assert_eq!(who(&mcp, &old.sign(&good)).await.status, StatusCode::OK);
    assert_eq!(published.asked(), 3);
    // Known kids ask for nothing, and what is no token of ours in form neither.
    hand.pass(60);
    for token in ["x", "a.b.c"] {
        assert_eq!(who(&mcp, token).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(who(&mcp, &new.sign(&good)).await.status, StatusCode::OK);
    assert_eq!(published.asked(), 3);
    service.drain().await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_forgotten_and_a_server_that_is_down_takes_none_away() {
    let (service, hand) = (service().await, Hand::new());
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let published = Published::new(set(&[&old, &new]));
    let mcp = on(&service, Jwt::new(ISSUER, HERE, published.clone()).clock(hand.clock()));
    let good = but(claims(ISSUER, "alice"), "exp", json!(100_000));
    assert_eq!(who(&mcp, &old.sign(&good)).await.status, StatusCode::OK);
    for unusable in [Err("down"), Ok("<html>".to_owned()), Ok(r#"{"keys":[]}"#.to_owned())] {
        published.publish(unusable);
        hand.pass(10 * 60);
        let before = published.asked();
        assert_eq!(who(&mcp, &old.sign(&good)).await.status, StatusCode::OK);
        // A kid that nobody has waits for what is being read.
        assert_eq!(who(&mcp, &Signer::ed25519("x").sign(&good)).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(published.asked(), before + 1);
    }
    published.publish(Ok(set(&[&new])));
    hand.pass(10 * 60);
    assert_eq!(who(&mcp, &new.sign(&good)).await.status, StatusCode::OK);
    assert_eq!(who(&mcp, &Signer::ed25519("x").sign(&good)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(who(&mcp, &old.sign(&good)).await.status, StatusCode::UNAUTHORIZED);
    service.drain().await.unwrap();
}

#[tokio::test]
async fn without_any_keys_nobody_is_told_that_a_token_is_bad() {
    let (service, hand, signer) = (service().await, Hand::new(), Signer::ed25519("k"));
    let published = Published::new(String::new());
    published.publish(Err("down"));
    let mcp = on(&service, Jwt::new(ISSUER, HERE, published.clone()).clock(hand.clock()));
    let token = signer.sign(&claims(ISSUER, "alice"));
    for _ in 0..3 {
        let refused = who(&mcp, &token).await;
        assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    }
    assert_eq!(published.asked(), 1);
    published.publish(Ok(set(&[&signer])));
    hand.pass(60);
    assert_eq!(who(&mcp, &token).await.status, StatusCode::OK);
    service.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_keeps_nobody_from_a_key_and_a_source_that_hangs_is_cut() {
    let (service, hand, signer) = (service().await, Hand::new(), Signer::ed25519("k"));
    let published = Published::new(set(&[&signer]));
    published.0.answers.forget_permits(1_000);
    let mcp = on(&service, Jwt::new(ISSUER, HERE, published.clone()).clock(hand.clock()));
    let token = signer.sign(&claims(ISSUER, "alice"));
    let left = tokio::time::timeout(Duration::from_secs(1), who(&mcp, &token)).await;
    assert!(left.is_err() && published.asked() == 1);
    published.0.answers.add_permits(1);
    assert_eq!(who(&mcp, &token).await.status, StatusCode::OK);
    assert_eq!(published.asked(), 1);
    // A reading that never ends holds nobody for longer than it may take.
    hand.pass(60);
    let unknown = Signer::ed25519("x").sign(&claims(ISSUER, "alice"));
    let started = tokio::time::Instant::now();
    assert_eq!(who(&mcp, &unknown).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    assert_eq!(who(&mcp, &token).await.status, StatusCode::OK);
    service.drain().await.unwrap();
}

#[tokio::test]
async fn no_handler_sees_a_token() {
    let (service, hand, signer) = (service().await, Hand::new(), Signer::ed25519("k"));
    let seen = Arc::new(Mutex::new(None));
    let into = Arc::clone(&seen);
    let factory = move || Ok(crate::who::Eavesdropper(Arc::clone(&into)));
    let source = Jwt::new(ISSUER, HERE, Jwks::new(set(&[&signer]))).clock(hand.clock());
    let mcp = sessile::mcp::mount(&service, factory, McpOptions::default().principals(source));
    let token = signer.sign(&claims(ISSUER, "alice"));
    assert_eq!(who(&mcp, &token).await.status, StatusCode::OK);
    let headers: HeaderMap = seen.lock().take().unwrap();
    assert!(!headers.contains_key("authorization") && !format!("{headers:?}").contains(&token));
    service.drain().await.unwrap();
}
