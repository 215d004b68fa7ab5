//! An rmcp server whose sessions belong to whoever pays. Run with `--features axum`.
//!
//! The middleware that verifies payments (x402) is the author's; the one here believes a header, so that the example ends
//! by itself. It puts a [`Payer`] into the request's extensions, and sessions are the payer's from there on.

use std::error::Error;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use sessile::mcp::{CallContext, McpOptions, Payer, Payers, router};
use sessile::{CallerOwner, SessionService};
use tower_service::Service;

/// The price, as a client has to see it.
const PRICE: &str =
    r#"{"x402Version":1,"error":"payment required","accepts":[{"scheme":"exact","network":"eip155:8453"}]}"#;

/// Lets requests in that are paid for.
async fn paid(mut request: Request, next: Next) -> Response {
    // In earnest: verify the payment with the facilitator, and take the payer from its answer, never from the client.
    let verified = request.headers_mut().remove("x-payment");
    let payer = verified.and_then(|value| value.to_str().map(|address| Payer::new("eip155:8453", address)).ok());
    match payer {
        Some(payer) => {
            request.extensions_mut().insert(payer);
            next.run(request).await
        }
        None => (StatusCode::PAYMENT_REQUIRED, [("content-type", "application/json")], PRICE).into_response(),
    }
}

/// Counts the calls of each payer.
struct Counter;

impl ServerHandler for Counter {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let failed = |text: String| ErrorData::internal_error(text, None);
        let parts = context.extensions.get::<http::request::Parts>();
        let found = parts.and_then(|parts| Some((CallContext::from_parts(parts)?, parts.extensions.get::<Payer>()?)));
        let (call, payer) = found.ok_or_else(|| failed("nobody has paid".to_owned()))?;
        let CallerOwner::Owner(owner) = call.owner() else { return Err(failed("nobody has paid".to_owned())) };
        // The bucket of the payer: no handle, no cookie, the same for every request that they pay for.
        let bucket = owner.bucket().await.map_err(|error| failed(error.to_string()))?;
        let calls = bucket.increment("calls", 1).await.map_err(|error| failed(error.to_string()))?;
        Ok(CallToolResult::structured(json!({ "payer": payer.address(), "calls": calls.value })).into())
    }
}

/// Calls the tool, paid for by this address; gives the status and what the tool answered.
async fn call(routes: &mut axum::Router, payer: Option<&str>) -> Result<(StatusCode, Value), Box<dyn Error>> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "count", "arguments": {}, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let mut request = Request::post("/mcp")
        .header("host", "localhost")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "count");
    if let Some(payer) = payer {
        request = request.header("x-payment", payer);
    }
    let answer = routes.call(request.body(Body::from(body))?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let text = std::str::from_utf8(&body)?;
    // One JSON document, or the last event of a stream.
    let text =
        text.lines().rev().map(|line| line.trim_start_matches("data:").trim()).find(|line| line.starts_with('{'));
    let answer: Value = serde_json::from_str(text.ok_or("no answer")?)?;
    Ok((status, answer.pointer("/result/structuredContent").cloned().unwrap_or_default()))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let service = SessionService::builder().start().await?;
    let served = router(&service, || Ok(Counter), McpOptions::default().principals(Payers));
    let mut routes = served.router.layer(from_fn(paid));

    assert_eq!(call(&mut routes, None).await?.0, StatusCode::PAYMENT_REQUIRED);

    // One payer, however the address is written; it is shown as it came.
    let (mixed, lower) = ("0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B", "0xab5801a7d398351b8be11c439e05c5b3259aec9b");
    assert_eq!(call(&mut routes, Some(mixed)).await?.1, json!({ "payer": mixed, "calls": 1 }));
    assert_eq!(call(&mut routes, Some(lower)).await?.1, json!({ "payer": lower, "calls": 2 }));

    let other = "0x000000000000000000000000000000000000dEaD";
    assert_eq!(call(&mut routes, Some(other)).await?.1, json!({ "payer": other, "calls": 1 }));

    service.drain().await?;
    Ok(())
}
