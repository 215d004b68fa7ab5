//! An author's handler, in whose every call [`current`](super::current) tells who calls, and which is measured.

use std::borrow::Cow;
use std::sync::Arc;

#[allow(deprecated, reason = "the older era still has it")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam, CompleteRequestParams,
    CompleteResult, CustomNotification, CustomRequest, CustomResult, DiscoverResult, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use tracing::Instrument as _;

use super::ambient::scoped;
use super::context::CallContext;
use super::history::{Recording, ToolHistory};
use super::operations::{Fine, Operations};

/// The handler, inside.
pub(super) struct Ambient<S> {
    pub(super) handler: S,
    pub(super) operations: Operations,
    pub(super) history: Arc<ToolHistory>,
}

type Page = Option<PaginatedRequestParams>;

/// Forwards requests and notifications in the scope of their call. A test compares the names with rmcp's: one that is not
/// forwarded would be answered by the trait's own default, as if the author had not written it.
macro_rules! forwarded {
    (
        requests { $($method:literal => $ask:ident($($asked:ident: $params:ty)?) -> $answer:ty;)* }
        notifications { $($tell:ident($($told:ident: $news:ty)?);)* }
    ) => {
        $(
            #[allow(deprecated, reason = "authors of the older era still write some of them")]
            async fn $ask(&self, $($asked: $params,)? context: RequestContext<RoleServer>) -> Result<$answer, ErrorData> {
                let running = self.operations.begin($method, None, &context);
                let call = CallContext::from_extensions(&context.extensions).cloned();
                let asked = self.handler.$ask($($asked,)? context);
                let answer = scoped(call, asked).instrument(running.span()).await;
                running.answered(answer.as_ref().map(|_| Fine));
                answer
            }
        )*
        $(
            async fn $tell(&self, $($told: $news,)? context: NotificationContext<RoleServer>) {
                let call = CallContext::from_extensions(&context.extensions).cloned();
                scoped(call, self.handler.$tell($($told,)? context)).await;
            }
        )*
    };
}

impl<S: ServerHandler> ServerHandler for Ambient<S> {
    forwarded! {
        requests {
            "ping" => ping() -> ();
            "initialize" => initialize(request: InitializeRequestParams) -> InitializeResult;
            "server/discover" => discover() -> DiscoverResult;
            "completion/complete" => complete(request: CompleteRequestParams) -> CompleteResult;
            "logging/setLevel" => set_level(request: SetLevelRequestParams) -> ();
            "prompts/get" => get_prompt(request: GetPromptRequestParams) -> GetPromptResponse;
            "prompts/list" => list_prompts(page: Page) -> ListPromptsResult;
            "resources/list" => list_resources(page: Page) -> ListResourcesResult;
            "resources/templates/list" => list_resource_templates(page: Page) -> ListResourceTemplatesResult;
            "resources/read" => read_resource(request: ReadResourceRequestParams) -> ReadResourceResponse;
            "resources/subscribe" => subscribe(request: SubscribeRequestParams) -> ();
            "resources/unsubscribe" => unsubscribe(request: UnsubscribeRequestParams) -> ();
            "tools/list" => list_tools(page: Page) -> ListToolsResult;
            "_OTHER" => on_custom_request(request: CustomRequest) -> CustomResult;
            "tasks/get" => get_task(request: GetTaskParams) -> GetTaskResult;
            "tasks/update" => update_task(request: UpdateTaskParams) -> ();
            "tasks/cancel" => cancel_task(request: CancelTaskParams) -> ();
            "skills/list" => list_skills(page: Page) -> ListSkillsResult;
            "skills/get" => get_skill(request: GetSkillRequestParams) -> GetSkillResult;
            "resources/directory/read" => read_resource_directory(request: ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult;
        }
        notifications {
            on_cancelled(notification: CancelledNotificationParam);
            on_progress(notification: ProgressNotificationParam);
            on_initialized();
            on_roots_list_changed();
            on_custom_notification(notification: CustomNotification);
        }
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let known = self.handler.get_tool(&request.name).map(|tool| tool.name.into_owned());
        let running = self.operations.begin("tools/call", known, &context);
        let call = CallContext::from_extensions(&context.extensions).cloned();
        let recording = Recording::begin(&self.history, call.as_ref(), &request);
        let answer = scoped(call, self.handler.call_tool(request, context)).instrument(running.span()).await;
        running.answered(answer.as_ref());
        if let Some(recording) = recording {
            recording.answered(&answer);
        }
        answer
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let call = CallContext::from_extensions(&context.request_context().extensions).cloned();
        scoped(call, self.handler.listen(context)).await
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.handler.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler.supported_protocol_versions()
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.handler.accepted_subscription_filter(requested)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.handler.get_tool(name)
    }

    fn get_info(&self) -> ServerConfig {
        self.handler.get_info()
    }
}
