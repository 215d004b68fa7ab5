//! Tasks (extension `io.modelcontextprotocol/tasks`, SEP-2663): tool calls that outlive their request, and the restart of
//! the server.

mod context;
mod driver;
mod live;
mod options;
mod record;
mod refusal;
mod running;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResponse, CallToolResult, CancelTaskParams, CreateTaskResult, GetTaskParams, GetTaskResult, InputResponses,
    UpdateTaskParams,
};
use rmcp::task_manager::TaskExit;

pub use context::TaskContext;
use live::Live;
pub use options::{NewTask, TaskOptions};
use record::Kept;
use running::Running;

use super::context::CallContext;
use crate::actor::new_session::NewSession;
use crate::service::{CallerOwner, SessionService};
use crate::session::Session;

/// The kind of sessions that hold tasks; their ids begin with it.
pub const TASK_KIND: &str = "task";

/// How long tasks that a drain cut off have to be written down as such.
const WRITING_TIME: Duration = Duration::from_secs(5);

/// The tasks of a server: cheap to clone, and to make anew for each handler, as all of one service share what runs.
///
/// Each task is a session of the kind [`TASK_KIND`] that belongs to who called the tool, so owners, caps, durability and
/// restarts are those of sessions, and `owner.list` of that kind lists an owner's tasks. A task that ran when the server went
/// away is `failed` after the restart, with `interrupted: true` in the data of its error.
///
/// Where a server has tools that change any session of their caller by its id, they change tasks too.
///
/// A handler declares the extension, makes tasks in `call_tool` for clients that declare it too, and forwards three methods:
///
/// ```
/// use rmcp::model::*;
/// use rmcp::service::RequestContext;
/// use rmcp::{ErrorData, RoleServer, ServerHandler};
/// use sessile::mcp::{CallContext, Tasks};
///
/// struct Server {
///     tasks: Tasks,
/// }
///
/// fn call(context: &RequestContext<RoleServer>) -> Result<&CallContext, ErrorData> {
///     let parts = context.extensions.get::<http::request::Parts>();
///     let call = parts.and_then(CallContext::from_parts);
///     call.ok_or_else(|| ErrorData::internal_error("the request did not pass the session layer", None))
/// }
///
/// impl ServerHandler for Server {
///     fn get_info(&self) -> ServerConfig {
///         ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
///     }
///     async fn call_tool(
///         &self,
///         _: CallToolRequestParams,
///         context: RequestContext<RoleServer>,
///     ) -> Result<CallToolResponse, ErrorData> {
///         if !context.client_capabilities().is_some_and(|client| client.supports_tasks()) {
///             return Ok(CallToolResult::success(vec![ContentBlock::text("done at once")]).into());
///         }
///         let work = |task: sessile::mcp::TaskContext| async move {
///             task.progress(1, 2);
///             Ok(CallToolResult::success(vec![ContentBlock::text("done")]))
///         };
///         self.tasks.create(call(&context)?, work).await
///     }
///     async fn get_task(&self, task: GetTaskParams, context: RequestContext<RoleServer>) -> Result<GetTaskResult, ErrorData> {
///         self.tasks.get(call(&context)?, task).await
///     }
///     async fn update_task(&self, task: UpdateTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
///         self.tasks.update(call(&context)?, task).await
///     }
///     async fn cancel_task(&self, task: CancelTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
///         self.tasks.cancel(call(&context)?, task).await
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Tasks {
    running: Arc<Running>,
    options: TaskOptions,
}

/// A task that was asked for by somebody who may.
struct Found {
    session: Session,
    /// None when it does not run.
    live: Option<Arc<Live>>,
    kept: Kept,
}

/// A session that nobody was told of yet; ended where its task does not come about.
struct Unannounced(Option<Session>);

impl Drop for Unannounced {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            session.abandon();
        }
    }
}

impl Tasks {
    /// Tasks on a session service.
    #[must_use]
    pub fn new(service: &SessionService, options: TaskOptions) -> Self {
        Self { running: service.attached(), options }
    }

    /// Begins a task and answers with it, once it is as durable as an update is.
    ///
    /// `work` begins then, in a tokio task of its own. What it returns is the task's result; what does not fit a session
    /// (`max_value_bytes`, 256 KiB by default, and the other caps) makes it a failure that says so, as a panic does. When the
    /// ttl passes first, or the session is closed, the work is told to stop, and dropped a second later.
    ///
    /// Only for a client that declares the extension with this request: rmcp refuses the answer to any other, and the task
    /// would run for nobody.
    ///
    /// # Errors
    /// When too many tasks run, a cap on sessions or bytes is met, or the service stops; nothing was begun.
    ///
    /// # Cancellation
    /// Nothing was begun. Once it has answered, the task runs on whether or not the answer arrives.
    pub async fn create<W, F>(&self, context: &CallContext, work: W) -> Result<CallToolResponse, ErrorData>
    where
        W: FnOnce(TaskContext) -> F + Send + 'static,
        F: Future<Output = Result<CallToolResult, TaskExit>> + Send + 'static,
    {
        self.create_with(context, NewTask::default(), work).await
    }

    /// Like [`Tasks::create`], for a task with a ttl, a message or a label of its own.
    ///
    /// # Errors
    /// As [`Tasks::create`].
    pub async fn create_with<W, F>(
        &self,
        context: &CallContext,
        new: NewTask,
        work: W,
    ) -> Result<CallToolResponse, ErrorData>
    where
        W: FnOnce(TaskContext) -> F + Send + 'static,
        F: Future<Output = Result<CallToolResult, TaskExit>> + Send + 'static,
    {
        let owner = match context.owner() {
            CallerOwner::Owner(owner) => Some(owner.principal().key()),
            CallerOwner::Anonymous(_) => None,
        };
        let mut place = self.running.reserve(owner, &self.options)?;
        let ttl = new.ttl.unwrap_or(self.options.ttl).min(self.options.max_ttl);
        let mut asked = NewSession::of_kind(TASK_KIND).map_err(refusal::refused)?.lasting(ttl);
        if let Some(label) = new.label {
            asked = asked.label(label);
        }
        let created = match context.owner() {
            CallerOwner::Owner(owner) => owner.create(asked).await,
            CallerOwner::Anonymous(anonymous) => anonymous.create(asked).await,
        };
        let session = created.map_err(refusal::refused)?;
        let mut unannounced = Unannounced(Some(session.clone()));
        let live = Arc::new(Live::default());
        // Before its record can be read: what has a record and does not run was interrupted.
        place.enter(session.id().as_str(), &live);
        let poll = new.poll_interval.unwrap_or(self.options.poll_interval).as_millis();
        let (message, poll) = (new.status_message, u64::try_from(poll).unwrap_or(u64::MAX));
        let begun = session.update(move |draft| record::begin(draft, message.clone(), poll));
        begun.await.map_err(refusal::refused)?;
        let kept = Kept::of(&session).ok().flatten().ok_or_else(refusal::unknown)?;
        let task = kept.task(session.id().as_str());
        unannounced.0 = None;
        let given = TaskContext { session: session.clone(), live: Arc::clone(&live) };
        let work = tokio::spawn(async move { work(given).await });
        tokio::spawn(driver::drive(session, live, place, work, self.options.status_every));
        Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
    }

    /// Answers `tasks/get`.
    ///
    /// # Errors
    /// -32602, the same to the byte for what never was, is somebody else's, or is over.
    pub async fn get(&self, context: &CallContext, params: GetTaskParams) -> Result<GetTaskResult, ErrorData> {
        let found = self.find(context, &params.task_id).await?;
        Ok(GetTaskResult::new(found.kept.detailed(found.session.id().as_str())))
    }

    /// Answers `tasks/update`: hands answers to the work that waits for them. Keys that are not outstanding are ignored.
    ///
    /// # Errors
    /// As [`Tasks::get`]; and when the answers could not be committed: then none was handed on.
    ///
    /// # Cancellation
    /// The answers are handed on all the same.
    pub async fn update(&self, context: &CallContext, params: UpdateTaskParams) -> Result<(), ErrorData> {
        let found = self.find(context, &params.task_id).await?;
        let Some(live) = found.live.filter(|_| found.kept.asks_any(params.input_responses.keys())) else {
            return Ok(());
        };
        // In a task of its own: between the commit and the hand-over nobody may leave.
        let answered = tokio::spawn(answer(found.session, live, params.input_responses));
        answered.await.unwrap_or_else(|_| Err(refusal::stopping()))
    }

    /// Answers `tasks/cancel`: tells the work to stop, which it does when it is ready.
    ///
    /// # Errors
    /// As [`Tasks::get`]; and when it could not be committed that nothing is asked of the client any more: the work was told
    /// nevertheless.
    pub async fn cancel(&self, context: &CallContext, params: CancelTaskParams) -> Result<(), ErrorData> {
        let found = self.find(context, &params.task_id).await?;
        let Some(live) = found.live else { return Ok(()) };
        live.cancel();
        found.session.update(record::settle_all_inputs).await.map(drop).map_err(refusal::not_updated)
    }

    /// Tasks of this service that have not ended, those of other `Tasks` on it among them.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.taken()
    }

    /// Begins no more tasks on this service, tells those that run to stop, and waits until they have ended; false when
    /// `patience` ended first: what is left then is written down as interrupted. Call it after
    /// [`McpService::drain`](super::McpService::drain) and before [`SessionService::drain`], from which on nothing can be
    /// written: a task that runs until then is found interrupted after the restart.
    ///
    /// # Cancellation
    /// Tasks stay told; a second drain goes on.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.running.close();
        for live in self.running.all() {
            live.cancel();
        }
        if tokio::time::timeout(patience, self.running.empty()).await.is_ok() {
            return true;
        }
        for live in self.running.all() {
            live.stop();
        }
        let written = tokio::time::timeout(WRITING_TIME, self.running.empty()).await;
        tracing::warn!(written = written.is_ok(), "tasks did not end in time and were interrupted");
        false
    }

    /// The caller's task of this id. One that does not run, though it was not seen to end, was interrupted.
    async fn find(&self, context: &CallContext, id: &str) -> Result<Found, ErrorData> {
        let opened = match context.owner() {
            CallerOwner::Owner(owner) => owner.open(id).await,
            CallerOwner::Anonymous(anonymous) => anonymous.open(id).await,
        };
        let session = opened.ok().filter(|session| session.kind() == TASK_KIND).ok_or_else(refusal::unknown)?;
        let kept = || Kept::of(&session).ok().flatten().ok_or_else(refusal::unknown);
        let mut read = kept()?;
        // Looked for after it was read: what ends leaves the table after its end is committed.
        let live = self.running.find(session.id().as_str());
        if read.is_working() && live.is_none() {
            // One that has ended since it was read stays as it is.
            let written = session.update(record::interrupt).await;
            read = kept()?;
            if let Err(error) = written {
                // Where nothing can be written it is told nevertheless: it does not run, whoever asks.
                tracing::warn!(%error, session = %session.id().tag(), "that a task was interrupted could not be kept");
                read.cut_off();
            }
        }
        Ok(Found { session, live, kept: read })
    }
}

/// Commits that these requests are answered, then hands the answers on.
async fn answer(session: Session, live: Arc<Live>, mut responses: InputResponses) -> Result<(), ErrorData> {
    let keys: Vec<_> = responses.keys().cloned().collect();
    let turn = session.update(move |draft| record::settle_inputs(draft, keys.iter()));
    for key in turn.await.map_err(refusal::not_updated)?.value {
        if let Some(response) = responses.remove(&key) {
            live.deliver(&key, response);
        }
    }
    Ok(())
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("options", &self.options).finish_non_exhaustive()
    }
}
