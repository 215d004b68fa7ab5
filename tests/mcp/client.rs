//! A client that speaks to the test server in process.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use sessile::mcp::{McpOptions, McpService, mount};
use sessile::{Caller, Principal, SessionService};
use tower_service::Service as _;

use crate::server::Probe;

/// Somebody with this name.
pub(crate) fn somebody(name: &str) -> Caller {
    Caller::Principal(Principal::new("https://id.example", name))
}

/// A service without files.
pub(crate) async fn service() -> SessionService {
    SessionService::builder().start().await.unwrap()
}

/// The test server on a service.
pub(crate) fn mounted(service: &SessionService, probe: &Probe) -> McpService {
    mounted_with(service, probe, McpOptions::default())
}

pub(crate) fn mounted_with(service: &SessionService, probe: &Probe, options: McpOptions) -> McpService {
    let probe = probe.clone();
    mount(service, move || Ok(probe.handler()), options)
}

/// An answer, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The JSON-RPC message: the body itself, or the last one of the stream.
    pub(crate) fn message(&self) -> Value {
        let text = std::str::from_utf8(&self.body).unwrap();
        let mut data =
            text.lines().filter_map(|line| line.strip_prefix("data:")).filter(|data| !data.trim().is_empty());
        serde_json::from_str(data.next_back().unwrap_or(text)).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What a tool answered.
    pub(crate) fn structured(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.message()["result"]["structuredContent"].clone()
    }

    pub(crate) fn session_id(&self) -> Option<&str> {
        self.headers.get("mcp-session-id").map(String::as_str)
    }
}

/// A request under way: method, headers, body, caller.
pub(crate) struct Call {
    request: Request<Full<Bytes>>,
}

impl Call {
    pub(crate) fn new(method: Method, body: impl ToString) -> Self {
        let request = Request::builder().method(method).uri("/mcp").header("host", "localhost");
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("content-type", "application/json");
        Self { request: request.body(Full::new(Bytes::from(body.to_string()))).unwrap() }
    }

    pub(crate) fn post(body: &Value) -> Self {
        Self::new(Method::POST, body)
    }

    pub(crate) fn get() -> Self {
        Self::new(Method::GET, "")
    }

    pub(crate) fn delete() -> Self {
        Self::new(Method::DELETE, "")
    }

    pub(crate) fn initialize() -> Self {
        Self::post(&initialize("2025-11-25"))
    }

    /// A tool call of the older era.
    pub(crate) fn tool(name: &str) -> Self {
        Self::tool_as(name, 1)
    }

    pub(crate) fn tool_as(name: &str, id: u64) -> Self {
        Self::post(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name}}))
            .header("mcp-protocol-version", "2025-11-25")
    }

    /// A call of a tool that does something so many times, and tells of it.
    pub(crate) fn counting(name: &str, count: usize) -> Self {
        let params = json!({"name": name, "arguments": {"count": count}, "_meta": {"progressToken": "t"}});
        Self::post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
            .header("mcp-protocol-version", "2025-11-25")
    }

    /// Goes on with a stream after an event.
    pub(crate) fn resume(last_event_id: &str) -> Self {
        Self::get().header("last-event-id", last_event_id)
    }

    /// A tool call of 2026-07-28.
    pub(crate) fn modern_tool(name: &str) -> Self {
        Self::modern_tool_with(name, &json!({}))
    }

    pub(crate) fn modern_tool_with(name: &str, arguments: &Value) -> Self {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": name, "arguments": arguments, "_meta": meta});
        Self::post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", name)
    }

    /// Any request of 2026-07-28, by a client with tasks; `name` is what its header tells of its parameters.
    pub(crate) fn modern(method: &str, name: &str, mut params: Value) -> Self {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
        });
        Self::post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name)
    }

    /// Sets a header; an earlier value of it is gone.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn session(self, id: &str) -> Self {
        self.header("mcp-session-id", id)
    }

    pub(crate) fn by(mut self, caller: &Caller) -> Self {
        self.request.extensions_mut().insert(caller.clone());
        self
    }

    /// Adds what a listener or a middleware outside says of the request.
    pub(crate) fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request.extensions_mut().insert(value);
        self
    }

    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request.headers_mut()
    }

    /// Sends it; the answer's body is still to be read.
    pub(crate) async fn open(
        self,
        mcp: &McpService,
    ) -> http::Response<impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> + use<>> {
        mcp.clone().call(self.request).await.unwrap()
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn send(self, mcp: &McpService) -> Answer {
        let (parts, body) = self.open(mcp).await.into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Answer { status: parts.status, headers: headers.collect(), body: body.collect().await.unwrap().to_bytes() }
    }
}

pub(crate) fn initialize(version: &str) -> Value {
    let params =
        json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

/// Makes the whole handshake; gives the id.
pub(crate) async fn connect(mcp: &McpService, caller: &Caller) -> String {
    let opened = Call::initialize().by(caller).send(mcp).await;
    assert_eq!(opened.status, StatusCode::OK, "{opened:?}");
    assert_eq!(opened.message()["result"]["protocolVersion"], "2025-11-25");
    let id = opened.session_id().expect("a session id").to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let accepted = Call::post(&initialized).by(caller).session(&id).send(mcp).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    id
}
