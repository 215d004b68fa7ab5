//! The server under test: a counter in the protocol session, and probes into what its handlers see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, InitializeRequestParams, InitializeResult,
    ProgressNotificationParam, ResourceUpdatedNotificationParam,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use sessile::mcp::{CallContext, Era};
use sessile::{Caller, CallerOwner};
use tokio::sync::Semaphore;

/// What all handlers of one server share with their test.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Shared>);

struct Shared {
    handlers: AtomicUsize,
    handshakes: AtomicUsize,
    refuse: AtomicBool,
    waiting: Semaphore,
    release: Semaphore,
    steps: Semaphore,
}

impl Probe {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            handlers: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            refuse: AtomicBool::new(false),
            waiting: Semaphore::new(0),
            release: Semaphore::new(0),
            steps: Semaphore::new(0),
        }))
    }

    pub(crate) fn handler(&self) -> Handler {
        self.0.handlers.fetch_add(1, Ordering::SeqCst);
        Handler(self.clone())
    }

    /// Handlers alive: one for each worker.
    pub(crate) fn handlers(&self) -> usize {
        self.0.handlers.load(Ordering::SeqCst)
    }

    /// Handshakes made, replayed ones among them.
    pub(crate) fn handshakes(&self) -> usize {
        self.0.handshakes.load(Ordering::SeqCst)
    }

    /// From now on handshakes are refused, or no longer.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.0.refuse.store(refuse, Ordering::SeqCst);
    }

    /// Returns once a call of the tool `wait` runs.
    pub(crate) async fn waits(&self) {
        self.0.waiting.acquire().await.unwrap().forget();
    }

    /// Lets one call of the tool `wait` end.
    pub(crate) fn release(&self) {
        self.0.release.add_permits(1);
    }

    /// Lets calls of the tool `steps` make so many more.
    pub(crate) fn step(&self, steps: usize) {
        self.0.steps.add_permits(steps);
    }
}

pub(crate) struct Handler(Probe);

impl Drop for Handler {
    fn drop(&mut self) {
        self.0.0.handlers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ServerHandler for Handler {
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        // Long enough for others to arrive in the middle of it.
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        if self.0.0.refuse.load(Ordering::SeqCst) {
            return Err(ErrorData::invalid_request("not today", None));
        }
        self.0.0.handshakes.fetch_add(1, Ordering::SeqCst);
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>().expect("parts");
        let call = CallContext::from_parts(parts).expect("a call context");
        let answer = match &*request.name {
            "add" => {
                let session = call.protocol_session.as_ref().expect("a protocol session");
                json!({"count": session.increment("count", 1).await.map_err(internal)?.value})
            }
            "read" => {
                let session = call.protocol_session.as_ref().expect("a protocol session");
                json!({"count": session.get::<i64>("count").map_err(internal)?})
            }
            "who" => who(call, parts),
            "wait" => {
                self.0.0.waiting.add_permits(1);
                self.0.0.release.acquire().await.unwrap().forget();
                let session = call.protocol_session.as_ref();
                json!({"released": true, "lives": session.is_some_and(|session| session.info().is_ok())})
            }
            "steps" => self.steps(&request, &context).await?,
            "announce" => announce(&request, &context).await?,
            "large" => json!({"text": "x".repeat(count(&request))}),
            other => return Err(ErrorData::invalid_params(format!("unknown tool {other}"), None)),
        };
        Ok(CallToolResult::structured(answer).into())
    }
}

impl Handler {
    /// Tells of its progress, a step for each permit.
    async fn steps(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Value, ErrorData> {
        let token = context.meta.get_progress_token().expect("a progress token");
        for step in 1..=count(request) {
            self.0.0.steps.acquire().await.unwrap().forget();
            let progress = ProgressNotificationParam::new(token.clone(), step as f64);
            context.peer.notify_progress(progress).await.map_err(internal)?;
        }
        Ok(json!({"steps": count(request)}))
    }
}

/// Tells on the standalone stream.
async fn announce(request: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    for number in 1..=count(request) {
        let updated = ResourceUpdatedNotificationParam::new(format!("n:{number}"));
        context.peer.notify_resource_updated(updated).await.map_err(internal)?;
    }
    Ok(json!({}))
}

fn count(request: &CallToolRequestParams) -> usize {
    let count = request.arguments.as_ref().and_then(|arguments| arguments["count"].as_u64()).unwrap();
    count.try_into().unwrap()
}

fn who(call: &CallContext, parts: &http::request::Parts) -> Value {
    json!({
        "era": match call.era { Era::Legacy => "legacy", Era::Modern => "modern" },
        "caller": match &call.caller { Caller::Principal(who) => who.subject(), Caller::Anonymous => "anonymous" },
        "owner": match call.owner() { CallerOwner::Owner(owner) => owner.principal().subject(), CallerOwner::Anonymous(_) => "anonymous" },
        "session": call.protocol_session.as_ref().map(|session| session.id().as_str().to_owned()),
        "header": parts.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned()),
    })
}

fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
