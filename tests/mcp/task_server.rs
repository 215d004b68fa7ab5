//! A server whose tools are tasks, and a client that polls them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ContentBlock, ErrorData, GetTaskParams,
    GetTaskResult, InputRequest, ServerCapabilities, ServerConfig, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::TaskExit;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use sessile::mcp::{CallContext, McpOptions, McpService, NewTask, TaskContext, TaskOptions, Tasks, mount};
use sessile::{Caller, SessionService};
use tokio::sync::Semaphore;

use crate::client::{Answer, Call};

/// What tasks share with their test.
pub(crate) struct Bench {
    /// A permit for each work that has begun, or has come to where it tells.
    pub(crate) begun: Semaphore,
    /// A permit lets one work end.
    pub(crate) release: Semaphore,
    /// Works that were let go, in whatever way.
    pub(crate) gone: AtomicUsize,
}

impl Bench {
    /// Returns once one more work has begun.
    pub(crate) async fn begins(&self) {
        self.begun.acquire().await.unwrap().forget();
    }

    /// Returns once so many works were let go.
    pub(crate) async fn have_gone(&self, works: usize) {
        while self.gone.load(Ordering::SeqCst) < works {
            tokio::task::yield_now().await;
        }
    }
}

/// Tells when a work is let go.
struct Leaving(Arc<Bench>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, Ordering::SeqCst);
    }
}

struct Handler {
    tasks: Tasks,
    bench: Arc<Bench>,
}

fn call(context: &RequestContext<RoleServer>) -> &CallContext {
    let parts = context.extensions.get::<http::request::Parts>().expect("parts");
    CallContext::from_parts(parts).expect("a call context")
}

fn question() -> InputRequest {
    serde_json::from_value(json!({"method": "elicitation/create", "params": {
        "mode": "form", "message": "Which one?", "requestedSchema": {"type": "object", "properties": {}},
    }}))
    .unwrap()
}

fn done(value: Value) -> Result<CallToolResult, TaskExit> {
    Ok(CallToolResult::structured(value))
}

async fn work(
    tool: String,
    arguments: Value,
    bench: Arc<Bench>,
    task: TaskContext,
) -> Result<CallToolResult, TaskExit> {
    let _leaving = Leaving(Arc::clone(&bench));
    let begins = || bench.begun.add_permits(1);
    let released = || async { bench.release.acquire().await.unwrap().forget() };
    match &*tool {
        // Ends when it is let, cancelled or not.
        "stubborn" => {
            begins();
            released().await;
            done(json!({"cancelled": task.is_cancel_requested()}))
        }
        // Ends when it is told to stop.
        "polite" => {
            begins();
            task.cancelled().await;
            Err(TaskExit::Cancelled)
        }
        // Asks under the keys of its arguments, one after another.
        "ask" => {
            let mut answers = Vec::new();
            for key in arguments["keys"].as_array().unwrap() {
                answers.push(task.request_input(key.as_str().unwrap(), question()).await?);
            }
            done(json!({"answers": answers}))
        }
        // Asks, and thinks better of it when it is let.
        "fickle" => {
            tokio::select! {
                _ = task.request_input("one", question()) => {}
                () = released() => {}
            }
            begins();
            released().await;
            done(json!({}))
        }
        "chatty" => {
            for n in 1..=1_000 {
                task.progress(n, 1_000);
                tokio::task::yield_now().await;
            }
            begins();
            released().await;
            done(json!({}))
        }
        "large" => {
            if arguments["wait"] == true {
                begins();
                released().await;
            }
            done(json!("x".repeat(arguments["bytes"].as_u64().unwrap() as usize)))
        }
        "error" => Err(ErrorData::invalid_params("no such thing", Some(json!({"thing": 7}))).into()),
        "panic" => panic!("on purpose"),
        other => panic!("no tool {other}"),
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !context.client_capabilities().is_some_and(|client| client.supports_tasks()) {
            return Ok(CallToolResult::success(vec![ContentBlock::text("no task")]).into());
        }
        let (tool, bench) = (request.name.into_owned(), Arc::clone(&self.bench));
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let mut new = NewTask::default().label(tool.clone()).status_message("begun");
        if let Some(seconds) = arguments["ttl"].as_u64() {
            new = new.ttl(Duration::from_secs(seconds));
        }
        self.tasks.create_with(call(&context), new, move |task| work(tool, arguments, bench, task)).await
    }

    async fn get_task(
        &self,
        task: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks.get(call(&context), task).await
    }

    async fn update_task(&self, task: UpdateTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.tasks.update(call(&context), task).await
    }

    async fn cancel_task(&self, task: CancelTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.tasks.cancel(call(&context), task).await
    }
}

/// The server on a service, with what its test needs.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) mcp: McpService,
    pub(crate) tasks: Tasks,
    pub(crate) bench: Arc<Bench>,
}

impl Server {
    pub(crate) fn on(service: &SessionService, options: TaskOptions) -> Self {
        let bench = Bench { begun: Semaphore::new(0), release: Semaphore::new(0), gone: AtomicUsize::new(0) };
        let (tasks, bench) = (Tasks::new(service, options), Arc::new(bench));
        // Made a second time: what runs belongs to the service.
        let (own, shared) = (Tasks::new(service, options), Arc::clone(&bench));
        let factory = move || Ok(Handler { tasks: own.clone(), bench: Arc::clone(&shared) });
        Self { mcp: mount(service, factory, McpOptions::default()), tasks, bench }
    }

    pub(crate) async fn ask(&self, who: &Caller, method: &str, name: &str, params: Value) -> Answer {
        Call::modern(method, name, params).by(who).send(&self.mcp).await
    }

    /// Calls a tool; gives the whole message.
    pub(crate) async fn tool(&self, who: &Caller, name: &str, arguments: Value) -> Value {
        self.ask(who, "tools/call", name, json!({"name": name, "arguments": arguments})).await.message()
    }

    /// Calls a tool that answers with a task; gives its id.
    pub(crate) async fn begin(&self, who: &Caller, name: &str, arguments: Value) -> String {
        let message = self.tool(who, name, arguments).await;
        assert_eq!(message["result"]["resultType"], "task", "{message}");
        message["result"]["taskId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get_raw(&self, who: &Caller, id: &str) -> Answer {
        self.ask(who, "tasks/get", id, json!({"taskId": id})).await
    }

    /// The task as `tasks/get` shows it.
    pub(crate) async fn get(&self, who: &Caller, id: &str) -> Value {
        let message = self.get_raw(who, id).await.message();
        assert!(message["result"].is_object(), "{message}");
        message["result"].clone()
    }

    pub(crate) async fn update(&self, who: &Caller, id: &str, responses: Value) -> Answer {
        self.ask(who, "tasks/update", id, json!({"taskId": id, "inputResponses": responses})).await
    }

    pub(crate) async fn cancel(&self, who: &Caller, id: &str) -> Answer {
        self.ask(who, "tasks/cancel", id, json!({"taskId": id})).await
    }

    /// Asks until the task says so; no time passes meanwhile.
    pub(crate) async fn until(&self, who: &Caller, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let task = self.get(who, id).await;
            if wanted(&task) {
                return task;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "it stays as it is: {task}");
            tokio::task::yield_now().await;
        }
    }

    /// Asks until the task has this status.
    pub(crate) async fn status(&self, who: &Caller, id: &str, status: &str) -> Value {
        self.until(who, id, |task| {
            let is = task["status"].as_str().unwrap();
            assert!(is == status || is == "working" || is == "input_required", "{task}");
            is == status
        })
        .await
    }
}
