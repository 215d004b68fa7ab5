//! An rmcp server with a typed cart behind a handle, in either era of MCP. Run with `--features rmcp`.
//!
//! The requests are made in process, so that the example ends by itself. To serve it, give `mcp` to a router:
//! `axum::Router::new().route_service("/mcp", mcp)`, with a middleware outside that puts the verified caller into the
//! extensions of each request, as `call` does here.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::mcp::{CallContext, McpOptions, McpService, mount};
use sessile::{Caller, CallerOwner, NewSession, Principal, Session, SessionService};
use tower_service::Service;

/// The state of one cart: each field is an entry of its session.
#[derive(Default, Serialize, Deserialize)]
struct Cart {
    #[serde(default)]
    items: Vec<String>,
    #[serde(default)]
    paid: bool,
}

/// Holds nothing: all state is in sessions.
struct Shop;

/// What a model is told when a call cannot be done.
type Refusal = Box<dyn Error + Send + Sync>;

impl Shop {
    async fn run(&self, call: &CallContext, name: &str, arguments: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| {
            arguments.get(name).and_then(Value::as_str).ok_or_else(|| format!("the argument `{name}` is missing"))
        };
        match name {
            "create_cart" => {
                let new = NewSession::of_kind("cart")?;
                let cart = match call.owner() {
                    CallerOwner::Owner(owner) => owner.create(new).await?,
                    CallerOwner::Anonymous(anonymous) => anonymous.create(new).await?,
                };
                Ok(json!({ "cart": cart.id().as_str() }))
            }
            "add_item" => {
                let item = text("item")?.to_owned();
                let cart = open(call, text("cart")?).await?;
                // One update: two calls at once add two items.
                let state = cart.state::<Cart>();
                let count = state.update(move |cart| {
                    cart.items.push(item.clone());
                    cart.items.len()
                });
                Ok(json!({ "items": count.await?.value }))
            }
            "show_cart" => Ok(serde_json::to_value(open(call, text("cart")?).await?.state::<Cart>().read()?)?),
            other => Err(format!("there is no tool {other}").into()),
        }
    }
}

/// The cart of a handle, if it is this caller's.
async fn open(call: &CallContext, handle: &str) -> Result<Session, Refusal> {
    Ok(match call.owner() {
        CallerOwner::Owner(owner) => owner.open(handle).await?,
        CallerOwner::Anonymous(anonymous) => anonymous.open(handle).await?,
    })
}

fn tool(name: &'static str, description: &'static str, arguments: &[&str]) -> Tool {
    let properties: serde_json::Map<_, _> =
        arguments.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": arguments });
    Tool::new(name, description, Arc::new(schema.as_object().cloned().unwrap_or_default()))
}

impl ServerHandler for Shop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![
            tool("create_cart", "Creates a cart; it ends after 30 minutes without use.", &[]),
            tool("add_item", "Adds an item to a cart.", &["cart", "item"]),
            tool("show_cart", "Shows what is in a cart.", &["cart"]),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = context.extensions.get::<http::request::Parts>().and_then(CallContext::from_parts);
        let call = call.ok_or_else(|| ErrorData::internal_error("the request did not pass the session layer", None))?;
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        Ok(match self.run(call, &request.name, &arguments).await {
            Ok(answer) => CallToolResult::structured(answer).into(),
            // An execution error: the model reads it and knows what to do.
            Err(refusal) => CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]).into(),
        })
    }
}

/// Calls a tool as `who`, in the era without protocol sessions; gives the tool's result.
async fn call(mcp: &mut McpService, who: &str, name: &str, arguments: Value) -> Result<Value, Box<dyn Error>> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": name, "arguments": arguments, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let request = Request::post("/mcp")
        .header("host", "localhost")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", name)
        .extension(Caller::Principal(Principal::new("https://id.example", who)))
        .body(Full::new(Bytes::from(body)))?;
    let answer = mcp.call(request).await?.into_body().collect().await.map_err(|_| "the answer broke off")?.to_bytes();
    let text = std::str::from_utf8(&answer)?;
    // One JSON document, or the last event of a stream.
    let text =
        text.lines().rev().map(|line| line.trim_start_matches("data:").trim()).find(|line| line.starts_with('{'));
    let answer: Value = serde_json::from_str(text.ok_or("no answer")?)?;
    answer.get("result").cloned().ok_or_else(|| format!("refused: {answer}").into())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let service = SessionService::builder().kinds(["cart"]).start().await?;
    let mut mcp = mount(&service, || Ok(Shop), McpOptions::default());

    let created = call(&mut mcp, "alice", "create_cart", json!({})).await?;
    let cart = created.pointer("/structuredContent/cart").cloned();
    for item in ["apples", "bread"] {
        call(&mut mcp, "alice", "add_item", json!({ "cart": cart, "item": item })).await?;
    }
    let shown = call(&mut mcp, "alice", "show_cart", json!({ "cart": cart })).await?;
    assert_eq!(shown.get("structuredContent"), Some(&json!({ "items": ["apples", "bread"], "paid": false })));

    // The handle is a name, not a key: to anybody else it never was.
    let refused = call(&mut mcp, "bob", "show_cart", json!({ "cart": cart })).await?;
    assert_eq!(refused.get("isError"), Some(&json!(true)));
    let told = refused.pointer("/content/0/text").and_then(Value::as_str);
    assert_eq!(told, Some("unknown session: list your sessions or create one"));

    service.drain().await?;
    Ok(())
}
