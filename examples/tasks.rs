//! A tool whose work outlives the server: tasks (SEP-2663) over a restart. Run with `--features rmcp`.
//!
//! The requests are made in process, so that the example ends by itself. To serve it, give `mcp` to a router, as in
//! `examples/rmcp_cart.rs`.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ErrorData, GetTaskParams, GetTaskResult,
    ServerCapabilities, ServerConfig, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::TaskExit;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use sessile::mcp::{CallContext, McpOptions, McpService, TaskContext, TaskOptions, Tasks, mount};
use sessile::{Caller, Durability, Principal, SessionService};
use tower_service::Service;

struct Reports {
    tasks: Tasks,
}

/// Writes a report of so many pages; one page takes as long as it is told.
async fn write(pages: u64, page: Duration, task: TaskContext) -> Result<CallToolResult, TaskExit> {
    for done in 0..pages {
        task.progress(done, pages);
        tokio::select! {
            () = task.cancelled() => return Err(TaskExit::Cancelled),
            () = tokio::time::sleep(page) => {}
        }
    }
    Ok(CallToolResult::structured(json!({ "pages": pages })))
}

fn caller(context: &RequestContext<RoleServer>) -> Result<&CallContext, ErrorData> {
    let call = context.extensions.get::<http::request::Parts>().and_then(CallContext::from_parts);
    call.ok_or_else(|| ErrorData::internal_error("the request did not pass the session layer", None))
}

impl ServerHandler for Reports {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !context.client_capabilities().is_some_and(|client| client.supports_tasks()) {
            return Err(ErrorData::invalid_params("a report takes long; call with a client that knows tasks", None));
        }
        let argument = |name: &str| request.arguments.as_ref().and_then(|all| all.get(name)?.as_u64()).unwrap_or(1);
        let (pages, page) = (argument("pages"), Duration::from_millis(argument("milliseconds")));
        self.tasks.create(caller(&context)?, move |task| write(pages, page, task)).await
    }

    async fn get_task(
        &self,
        task: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks.get(caller(&context)?, task).await
    }

    async fn update_task(&self, task: UpdateTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.tasks.update(caller(&context)?, task).await
    }

    async fn cancel_task(&self, task: CancelTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.tasks.cancel(caller(&context)?, task).await
    }
}

/// Starts on a folder, with every commit on disk before it is acknowledged.
async fn start(folder: &Path) -> Result<(SessionService, McpService), Box<dyn Error>> {
    let service = SessionService::builder().snapshots(folder).durability(Durability::Commit).kinds(["task"]).start();
    let service = service.await?;
    let tasks = Tasks::new(&service, TaskOptions::default().ttl(Duration::from_secs(3_600)));
    let mcp = mount(&service, move || Ok(Reports { tasks: tasks.clone() }), McpOptions::default());
    Ok((service, mcp))
}

/// Makes one request as `who`; gives the whole message.
async fn ask(mcp: &mut McpService, who: &str, method: &str, mut params: Value) -> Result<Value, Box<dyn Error>> {
    let name = params.get("name").or(params.get("taskId")).and_then(Value::as_str).unwrap_or_default().to_owned();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    });
    params.as_object_mut().ok_or("parameters are an object")?.insert("_meta".to_owned(), meta);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let request = Request::post("/mcp")
        .header("host", "localhost")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("mcp-name", name)
        .extension(Caller::Principal(Principal::new("https://id.example", who)))
        .body(Full::new(Bytes::from(body)))?;
    let answer = mcp.call(request).await?.into_body().collect().await.map_err(|_| "the answer broke off")?.to_bytes();
    let text = std::str::from_utf8(&answer)?;
    // One JSON document, or the last event of a stream.
    let text =
        text.lines().rev().map(|line| line.trim_start_matches("data:").trim()).find(|line| line.starts_with('{'));
    Ok(serde_json::from_str(text.ok_or("no answer")?)?)
}

/// Begins a report; gives the task's id.
async fn begin(mcp: &mut McpService, arguments: Value) -> Result<String, Box<dyn Error>> {
    let begun = ask(mcp, "alice", "tools/call", json!({ "name": "write_report", "arguments": arguments })).await?;
    let id = begun.pointer("/result/taskId").and_then(Value::as_str);
    Ok(id.ok_or_else(|| format!("no task: {begun}"))?.to_owned())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (service, mut mcp) = start(folder.path()).await?;
    let short = begin(&mut mcp, json!({ "pages": 2, "milliseconds": 1 })).await?;
    let long = begin(&mut mcp, json!({ "pages": 1_000, "milliseconds": 60_000 })).await?;
    let finished = loop {
        let task = ask(&mut mcp, "alice", "tasks/get", json!({ "taskId": short })).await?;
        if task.pointer("/result/status") == Some(&json!("completed")) {
            break task;
        }
        // As often as a client polls that was not told how often it should.
        tokio::time::sleep(Duration::from_millis(1)).await;
    };

    // What a kill does: no drain. `Tasks::drain` would let them end.
    drop((mcp, service));
    let (service, mut mcp) = start(folder.path()).await?;

    let after = ask(&mut mcp, "alice", "tasks/get", json!({ "taskId": short })).await?;
    assert_eq!(after, finished);
    let after = ask(&mut mcp, "alice", "tasks/get", json!({ "taskId": long })).await?;
    assert_eq!(after.pointer("/result/status"), Some(&json!("failed")));
    assert_eq!(after.pointer("/result/error/data"), Some(&json!({ "interrupted": true })));
    // To anybody else it never was.
    let refused = ask(&mut mcp, "bob", "tasks/get", json!({ "taskId": short })).await?;
    assert_eq!(refused.pointer("/error/code"), Some(&json!(-32602)));

    service.drain().await?;
    Ok(())
}
