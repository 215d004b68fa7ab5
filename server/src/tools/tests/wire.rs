//! The tools as clients reach them: over HTTP, through the session layer, in both eras.

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response};
use serde_json::{Value, json};
use sessile::mcp::{McpOptions, mount};
use sessile::{Caller, Principal};
use tower::ServiceExt as _;

use super::World;

const NEWER: &str = "2026-07-28";

/// What a client got: the status, the session it was given, the JSON-RPC message.
struct Reply {
    status: u16,
    session: Option<String>,
    message: Value,
}

fn router(world: &World) -> Router {
    let server = world.server.clone();
    Router::new().route_service("/mcp", mount(&world.service, move || Ok(server.clone()), McpOptions::default()))
}

fn post(caller: &Caller) -> http::request::Builder {
    Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .extension(caller.clone())
}

async fn send(router: &Router, request: Request<Body>) -> Reply {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let body = String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
    let events = body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let message = events.chain([body.as_str()]).find_map(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    Reply { status, session, message }
}

/// A request of the newer era.
async fn newer(router: &Router, caller: &Caller, method: &str, mut params: Value) -> Reply {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": NEWER,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut request = post(caller).header("mcp-protocol-version", NEWER).header("mcp-method", method);
    if let Some(name) = params["name"].as_str() {
        request = request.header("mcp-name", name);
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    send(router, request.body(body.to_string().into()).unwrap()).await
}

/// A request of the older era.
async fn older(router: &Router, caller: &Caller, session: Option<&str>, body: Value) -> Reply {
    let mut request = post(caller);
    if let Some(session) = session {
        request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
    }
    send(router, request.body(body.to_string().into()).unwrap()).await
}

async fn connect(router: &Router, caller: &Caller) -> (String, Value) {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let reply = older(router, caller, None, hello).await;
    assert_eq!(reply.status, 200, "{}", reply.message);
    let session = reply.session.unwrap();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(older(router, caller, Some(&session), ready).await.status, 202);
    (session, reply.message)
}

async fn older_tool(router: &Router, caller: &Caller, session: &str, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
    older(router, caller, Some(session), call).await.message["result"].clone()
}

async fn newer_tool(router: &Router, caller: &Caller, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    newer(router, caller, "tools/call", params).await.message["result"].clone()
}

#[tokio::test]
async fn both_eras_list_the_same_tools_and_say_the_same_about_the_server() {
    let world = World::new().await;
    let (router, alice) = (router(&world), Caller::Principal(Principal::new("test", "alice")));
    let (session, hello) = connect(&router, &alice).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let older = older(&router, &alice, Some(&session), list).await.message["result"]["tools"].clone();
    let newer_list = newer(&router, &alice, "tools/list", json!({})).await.message["result"]["tools"].clone();
    assert_eq!(older.as_array().unwrap().len(), 8);
    assert_eq!(older, newer_list);
    let found = newer(&router, &alice, "server/discover", json!({})).await.message["result"].clone();
    assert_eq!(hello["result"]["instructions"], found["instructions"]);
    assert_eq!(hello["result"]["serverInfo"]["name"], "sessile");
}

#[tokio::test]
async fn both_eras_of_one_caller_share_its_bucket_and_nobody_elses() {
    let world = World::new().await;
    let (router, alice) = (router(&world), Caller::Principal(Principal::new("test", "alice")));
    let (session, _) = connect(&router, &alice).await;
    let set = json!({ "set": [{ "key": "a", "value": 1 }] });
    let written = older_tool(&router, &alice, &session, "write_state", set).await;
    assert_eq!(written["structuredContent"], json!({ "revision": 1, "deleted": 0 }));
    let read = newer_tool(&router, &alice, "read_state", json!({})).await;
    assert_eq!(read["structuredContent"]["entries"][0]["value"], 1);
    let bob = Caller::Principal(Principal::new("test", "bob"));
    let read = newer_tool(&router, &bob, "read_state", json!({})).await;
    assert_eq!(read["structuredContent"]["entries"], json!([]));
}

#[tokio::test]
async fn an_anonymous_caller_keeps_state_in_its_protocol_session() {
    let world = World::new().await;
    let (router, nobody) = (router(&world), Caller::Anonymous);
    let (first, _) = connect(&router, &nobody).await;
    let (second, _) = connect(&router, &nobody).await;
    let counted = older_tool(&router, &nobody, &first, "increment_state", json!({ "key": "n" })).await;
    assert_eq!(counted["structuredContent"]["value"], 1);
    let counted = older_tool(&router, &nobody, &second, "increment_state", json!({ "key": "n" })).await;
    assert_eq!(counted["structuredContent"]["value"], 1, "each connection has its own");
    let refused = newer_tool(&router, &nobody, "increment_state", json!({ "key": "n" })).await;
    assert_eq!(refused["isError"], true);
    assert!(refused["content"][1]["text"].as_str().unwrap().contains("needs_session"), "{refused}");
}

#[tokio::test]
async fn an_error_is_the_models_and_an_unknown_tool_the_protocols() {
    let world = World::new().await;
    let (router, alice) = (router(&world), Caller::Principal(Principal::new("test", "alice")));
    let refused = newer_tool(&router, &alice, "read_state", json!({ "limit": 0 })).await;
    assert_eq!((&refused["isError"], refused.get("structuredContent")), (&json!(true), None));
    let unknown = newer(&router, &alice, "tools/call", json!({ "name": "drop_tables", "arguments": {} })).await;
    assert_eq!(unknown.message["error"]["code"], -32602, "{}", unknown.message);
}

#[tokio::test]
async fn without_the_session_layer_nobody_is_served() {
    use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
    use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

    let world = World::new().await;
    let server = world.server.clone();
    let config = StreamableHttpServerConfig::default();
    let bare = StreamableHttpService::new(move || Ok(server.clone()), NeverSessionManager::default().into(), config);
    let alice = Caller::Principal(Principal::new("test", "alice"));
    let router = Router::new().route_service("/mcp", bare);
    let refused = newer(&router, &alice, "tools/call", json!({ "name": "read_state", "arguments": {} })).await;
    assert_eq!(refused.message["error"]["code"], -32603, "{}", refused.message);
}
