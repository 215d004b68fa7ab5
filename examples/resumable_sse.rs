//! An event stream that is cut and gone on with, over a restart too. Run with `--features rmcp`.
//!
//! A tool tells of its progress. Its client (of the older era of MCP, which has such streams) loses the connection after
//! the second event, then the server is started anew; the client names the last event it got, and gets the rest.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, ProgressNotificationParam, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use sessile::mcp::{McpOptions, McpService, mount};
use sessile::{Durability, SessionService};
use tower_service::Service;

type Failure = Box<dyn Error>;

/// A server with one tool, which tells of three steps.
struct Steps;

impl ServerHandler for Steps {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(token) = context.meta.get_progress_token() else {
            return Err(ErrorData::invalid_params("a progress token is missing", None));
        };
        for step in [1.0, 2.0, 3.0] {
            let told = context.peer.notify_progress(ProgressNotificationParam::new(token.clone(), step)).await;
            told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
        Ok(CallToolResult::structured(json!({ "steps": 3 })).into())
    }
}

async fn start(folder: &Path) -> Result<(SessionService, McpService), Failure> {
    // At this level no client gets an event that a power cut could take back.
    let service = SessionService::builder().snapshots(folder.to_owned()).durability(Durability::Commit).start().await?;
    let mcp = mount(&service, || Ok(Steps), McpOptions::default());
    Ok((service, mcp))
}

async fn send(
    mcp: &mut McpService,
    session: Option<&str>,
    method: Method,
    last: Option<&str>,
    body: Value,
) -> Result<Response<Reply>, Failure> {
    let mut request = Request::builder().method(method).uri("/mcp").header("host", "localhost");
    request =
        request.header("accept", "application/json, text/event-stream").header("content-type", "application/json");
    for (name, value) in [("mcp-session-id", session), ("last-event-id", last)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let answer = mcp.call(request.body(Full::new(Bytes::from(body.to_string())))?).await?;
    Ok(answer.map(|body| Reply { body: Box::pin(body.map_err(Into::into)), text: String::new() }))
}

/// A stream of events, read one by one.
struct Reply {
    body: std::pin::Pin<Box<dyn Body<Data = Bytes, Error = Failure>>>,
    text: String,
}

impl Reply {
    /// The id and the message of the next event.
    async fn next(&mut self) -> Result<Option<(String, Value)>, Failure> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
                let (id, data) = (field("id:").to_owned(), field("data:").to_owned());
                self.text = rest.to_owned();
                // The first event of a stream has an id and says nothing.
                return Ok(Some((id, if data.is_empty() { Value::Null } else { serde_json::from_str(&data)? })));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            self.text.push_str(std::str::from_utf8(frame?.data_ref().ok_or("trailers")?)?);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (service, mut mcp) = start(folder.path()).await?;

    let client = json!({ "name": "example", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let handshake = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let opened = send(&mut mcp, None, Method::POST, None, handshake).await?;
    let session = opened.headers().get("mcp-session-id").ok_or("no session")?.to_str()?.to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    send(&mut mcp, Some(&session), Method::POST, None, initialized).await?;

    let params = json!({ "name": "count", "arguments": {}, "_meta": { "progressToken": "t" } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut stream = send(&mut mcp, Some(&session), Method::POST, None, call).await?.into_body();
    let mut last = String::new();
    for expected in [None, Some(1.0)] {
        let (id, message) = stream.next().await?.ok_or("the stream ended")?;
        assert_eq!(message.pointer("/params/progress").and_then(Value::as_f64), expected);
        last = id;
    }
    // The connection is lost. The call goes on, and what it says is kept.
    drop(stream);

    let mut stream = send(&mut mcp, Some(&session), Method::GET, Some(&last), Value::Null).await?.into_body();
    let (id, message) = stream.next().await?.ok_or("the stream ended")?;
    assert_eq!(message.pointer("/params/progress"), Some(&json!(2.0)));
    while stream.next().await?.is_some() {}

    // The server is started anew.
    mcp.drain(Duration::from_secs(5)).await;
    service.drain().await?;
    drop((mcp, service));
    let (service, mut mcp) = start(folder.path()).await?;

    let mut stream = send(&mut mcp, Some(&session), Method::GET, Some(&id), Value::Null).await?.into_body();
    let (_, message) = stream.next().await?.ok_or("the stream ended")?;
    assert_eq!(message.pointer("/params/progress"), Some(&json!(3.0)));
    let (_, message) = stream.next().await?.ok_or("the stream ended")?;
    assert_eq!(message.pointer("/result/structuredContent"), Some(&json!({ "steps": 3 })));
    assert!(stream.next().await?.is_none());

    service.drain().await?;
    Ok(())
}
