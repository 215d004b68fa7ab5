//! An rmcp server with typed carts behind handles, in either era of MCP. Run with `--features rmcp`.
//!
//! The requests are made in process, so that the example ends by itself. To serve it, give `mcp` to a router:
//! `axum::Router::new().route_service("/mcp", mcp)`, with a middleware outside that puts the verified caller into the
//! extensions of each request, as `call` does here.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use garde::Validate;
use http::Request;
use http_body_util::{BodyExt, Full};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::schemars::{self, JsonSchema};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::mcp::{CallContext, McpOptions, McpService, StateHandle, StateKind, ToolRefusal, handle_tools, mount};
use sessile::{Caller, Principal, SessionService};
use tower_service::Service;

/// The state of one cart: each field is an entry of its session, and each rule holds for every commit.
#[derive(Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default)]
struct Cart {
    #[garde(length(max = 3), inner(length(min = 1, max = 100)))]
    items: Vec<String>,
    #[garde(skip)]
    paid: bool,
}

impl StateKind for Cart {
    const KIND: &'static str = "cart";
    const ABOUT: &'static str = "a shopping cart";
    const IDLE_TIMEOUT: Option<Duration> = Some(Duration::from_secs(20 * 60));
    const MAX_LIFETIME: Option<Duration> = None;
}

/// Holds nothing but its tools: all state is in sessions.
#[derive(Clone)]
struct Shop {
    tool_router: ToolRouter<Self>,
}

#[derive(Deserialize, JsonSchema)]
struct AddItem {
    cart: StateHandle<Cart>,
    /// What to put into it.
    item: String,
}

#[derive(Deserialize, JsonSchema)]
struct ShowCart {
    cart: StateHandle<Cart>,
}

#[derive(Serialize, JsonSchema)]
struct Count {
    items: usize,
}

#[tool_router]
impl Shop {
    fn new() -> Self {
        // create_cart, list_carts and close_cart are ready-made.
        Self { tool_router: Self::tool_router() + handle_tools::<Cart, Self>() }
    }

    #[tool(description = "Adds an item to a cart.")]
    async fn add_item(
        &self,
        call: CallContext,
        Parameters(AddItem { cart, item }): Parameters<AddItem>,
    ) -> Result<Json<Count>, ToolRefusal> {
        let cart = cart.open(&call).await?;
        // One update: two calls at once add two items.
        let added = cart.update(move |cart| {
            cart.items.push(item.clone());
            cart.items.len()
        });
        Ok(Json(Count { items: added.await?.value }))
    }

    #[tool(description = "Shows what is in a cart.")]
    async fn show_cart(
        &self,
        call: CallContext,
        Parameters(ShowCart { cart }): Parameters<ShowCart>,
    ) -> Result<Json<Cart>, ToolRefusal> {
        Ok(Json(cart.open(&call).await?.read()?))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Shop {}

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

/// What a refused call tells the model.
fn told(refused: &Value) -> &str {
    assert_eq!(refused.get("isError"), Some(&json!(true)), "{refused}");
    refused.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let service = SessionService::builder().kinds(["cart"]).start().await?;
    let mut mcp = mount(&service, || Ok(Shop::new()), McpOptions::default());

    let created = call(&mut mcp, "alice", "create_cart", json!({ "label": "Sunday" })).await?;
    let cart = created.pointer("/structuredContent/cart").cloned();
    for item in ["apples", "bread", "coffee"] {
        call(&mut mcp, "alice", "add_item", json!({ "cart": cart, "item": item })).await?;
    }
    let shown = call(&mut mcp, "alice", "show_cart", json!({ "cart": cart })).await?;
    assert_eq!(shown.get("structuredContent"), Some(&json!({ "items": ["apples", "bread", "coffee"], "paid": false })));

    // A rule of the state's own refuses the commit, by the path of the field.
    let refused = call(&mut mcp, "alice", "add_item", json!({ "cart": cart, "item": "dates" })).await?;
    assert_eq!(told(&refused), "Refused: `items`: length is greater than 3. Nothing was written.");

    // The handle is a name, not a key: to anybody else it never was.
    let refused = call(&mut mcp, "bob", "show_cart", json!({ "cart": cart })).await?;
    assert!(told(&refused).starts_with("Unknown handle: you have nothing under it. Call list_carts"));

    call(&mut mcp, "alice", "close_cart", json!({ "cart": cart })).await?;
    let refused = call(&mut mcp, "alice", "show_cart", json!({ "cart": cart })).await?;
    assert!(told(&refused).starts_with("This state was closed just now."));

    service.drain().await?;
    Ok(())
}
