//! Who calls, by each of the sources that need no keys.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use parking_lot::Mutex;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;
use sessile::Caller;
use sessile::mcp::{
    Anonymous, Asking, Local, McpOptions, McpService, Payer, Payers, PrincipalSource, Refusal, TokenHash, Tokens,
    TrustedHeader,
};

use crate::client::{Answer, Call, mounted_with, service, somebody};
use crate::server::Probe;

/// A handler that keeps the headers of the last tool call.
pub(crate) struct Eavesdropper(pub(crate) Arc<Mutex<Option<HeaderMap>>>);

impl ServerHandler for Eavesdropper {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        *self.0.lock() = Some(context.extensions.get::<Parts>().unwrap().headers.clone());
        Ok(CallToolResult::structured(json!({})).into())
    }
}

async fn on(source: impl PrincipalSource) -> (sessile::SessionService, McpService) {
    let service = service().await;
    let mcp = mounted_with(&service, &Probe::new(), McpOptions::default().principals(source));
    (service, mcp)
}

fn refused(answer: &Answer, status: StatusCode) -> &str {
    assert_eq!(answer.status, status, "{answer:?}");
    &answer.headers["www-authenticate"]
}

#[tokio::test]
async fn what_stands_in_the_extensions_counts_only_where_no_source_does() {
    let mallory = somebody("mallory");
    let ask =
        async |mcp: &McpService| Call::modern_tool("who").by(&mallory).send(mcp).await.structured()["caller"].clone();
    let (service, mcp) = on(Local).await;
    assert_eq!(ask(&mcp).await, "user");
    let (_, mcp) = on(Anonymous).await;
    assert_eq!(ask(&mcp).await, "anonymous");
    let mcp = mounted_with(&service, &Probe::new(), McpOptions::default());
    assert_eq!(ask(&mcp).await, "mallory");
}

#[tokio::test]
async fn a_token_is_its_subject_and_is_asked_for_before_anything_else() {
    let (_service, mcp) = on([(TokenHash::of("good"), "alice")].into_iter().collect::<Tokens>()).await;
    let call = |token: &str| Call::modern_tool("who").header("authorization", token);
    assert_eq!(call("Bearer good").send(&mcp).await.structured()["caller"], "alice");
    let bad = call("Bearer bad").send(&mcp).await;
    assert_eq!(refused(&bad, StatusCode::UNAUTHORIZED), r#"Bearer realm="sessile", error="invalid_token""#);
    let none = call("Basic good").send(&mcp).await;
    assert_eq!(refused(&none, StatusCode::UNAUTHORIZED), r#"Bearer realm="sessile""#);
    let mut twice = call("Bearer good");
    twice.headers_mut().append("authorization", "Bearer good".parse().unwrap());
    let twice = twice.send(&mcp).await;
    assert_eq!(refused(&twice, StatusCode::BAD_REQUEST), r#"Bearer realm="sessile", error="invalid_request""#);
    // Neither the host nor the body nor the session is looked at for somebody who is nobody here.
    let foreign = Call::new(Method::POST, "x".repeat(5 << 20)).header("host", "evil.example").session("unknown");
    assert_eq!(foreign.send(&mcp).await.status, StatusCode::UNAUTHORIZED);
    for call in [Call::get(), Call::delete()] {
        assert_eq!(call.send(&mcp).await.status, StatusCode::UNAUTHORIZED);
    }
}

/// Where a request comes from, as its connection says.
#[derive(Clone)]
struct Peer(IpAddr);

#[tokio::test]
async fn a_header_is_believed_of_the_proxy_alone_and_once() {
    let name = HeaderName::from_static("x-forwarded-user");
    let proxy: IpAddr = [10, 0, 0, 7].into();
    let source = TrustedHeader::new(name, "sso", move |parts| {
        parts.extensions.get::<Peer>().is_some_and(|Peer(peer)| *peer == proxy)
    });
    let (_service, mcp) = on(source).await;
    let from = |peer: [u8; 4]| Call::modern_tool("who").extension(Peer(peer.into()));
    let alice = |call: Call| call.header("x-forwarded-user", "alice");
    assert_eq!(alice(from([10, 0, 0, 7])).send(&mcp).await.structured()["caller"], "alice");
    let stranger = alice(from([10, 0, 0, 8])).send(&mcp).await;
    let unknown = alice(Call::modern_tool("who")).send(&mcp).await;
    let nobody = from([10, 0, 0, 7]).send(&mcp).await;
    for answer in [&stranger, &unknown, &nobody] {
        assert_eq!(refused(answer, StatusCode::UNAUTHORIZED), r#"Bearer realm="sessile""#);
        assert_eq!(answer.body, stranger.body);
    }
    let mut twice = alice(from([10, 0, 0, 7]));
    twice.headers_mut().append("x-forwarded-user", "mallory".parse().unwrap());
    let mut same = alice(from([10, 0, 0, 7]));
    same.headers_mut().append("x-forwarded-user", "alice".parse().unwrap());
    for call in [twice, same, from([10, 0, 0, 7]).header("x-forwarded-user", " ")] {
        assert_eq!(call.send(&mcp).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn the_header_of_the_proxy_reaches_no_handler() {
    let service = service().await;
    let seen = Arc::new(Mutex::new(None));
    let into = Arc::clone(&seen);
    let source = TrustedHeader::new(HeaderName::from_static("x-user"), "sso", |_| true);
    let options = McpOptions::default().principals(source);
    let mcp = sessile::mcp::mount(&service, move || Ok(Eavesdropper(Arc::clone(&into))), options);
    let call = Call::modern_tool("x").header("x-user", "alice").header("authorization", "Basic x");
    assert_eq!(call.send(&mcp).await.status, StatusCode::OK);
    let headers = seen.lock().take().unwrap();
    assert!(!headers.contains_key("x-user") && !headers.contains_key("authorization"), "{headers:?}");
}

#[tokio::test]
async fn a_payer_is_the_same_in_either_case_and_is_shown_as_given() {
    let (service, mcp) = on(Payers).await;
    let paid = |call: Call, network: &str, address: &str| call.extension(Payer::new(network, address));
    let (mixed, upper) = ("0xAbCd000000000000000000000000000000000001", "0XABCD000000000000000000000000000000000001");
    let lower = mixed.to_lowercase();
    let opened = paid(Call::initialize(), "eip155:8453", mixed).send(&mcp).await;
    let id = opened.session_id().unwrap().to_owned();
    let ready = Call::post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).session(&id);
    assert_eq!(paid(ready, "eip155:8453", &lower).send(&mcp).await.status, StatusCode::ACCEPTED);
    let add = |number, network: &str, address: &str| paid(Call::tool_as("add", number).session(&id), network, address);
    for (number, address) in [(1, mixed), (2, upper), (3, &lower)] {
        assert_eq!(add(number, "eip155:8453", address).send(&mcp).await.structured()["count"], number);
    }
    let other = "0xabcd000000000000000000000000000000000002";
    assert_eq!(add(4, "eip155:8453", other).send(&mcp).await.status, StatusCode::NOT_FOUND);
    assert_eq!(add(5, "eip155:1", &lower).send(&mcp).await.status, StatusCode::NOT_FOUND);
    assert_eq!(Call::tool_as("add", 6).session(&id).send(&mcp).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(Payer::new("eip155:8453", mixed).address(), mixed);
    // In base58 two cases are two keys.
    assert_ne!(Payer::new("solana:x", "AbC").principal(), Payer::new("solana:x", "abc").principal());
    service.drain().await.unwrap();
}

/// A source of an author's own, which is not ready.
struct Unready;

impl PrincipalSource for Unready {
    fn caller<'a>(&'a self, _: &'a mut Parts) -> Asking<'a> {
        Box::pin(async {
            tokio::task::yield_now().await;
            Err::<Caller, _>(Refusal::Unavailable)
        })
    }
}

#[tokio::test]
async fn a_source_that_cannot_tell_is_no_reason_to_throw_a_token_away() {
    let (_service, mcp) = on(Unready).await;
    let answer = Call::modern_tool("who").send(&mcp).await;
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(!answer.headers.contains_key("www-authenticate"));
}
