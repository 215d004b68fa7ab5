//! An author's handler, in whose every call [`current`](super::current) tells who calls.

use std::borrow::Cow;

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

use super::ambient::scoped;
use super::context::CallContext;

/// The handler, inside.
pub(super) struct Ambient<S>(pub(super) S);

type Page = Option<PaginatedRequestParams>;

/// Forwards requests and notifications in the scope of their call. A test compares the names with rmcp's: one that is not
/// forwarded would be answered by the trait's own default, as if the author had not written it.
macro_rules! forwarded {
    (
        requests { $($ask:ident($($asked:ident: $params:ty)?) -> $answer:ty;)* }
        notifications { $($tell:ident($($told:ident: $news:ty)?);)* }
    ) => {
        $(
            #[allow(deprecated, reason = "authors of the older era still write some of them")]
            async fn $ask(&self, $($asked: $params,)? context: RequestContext<RoleServer>) -> Result<$answer, ErrorData> {
                let call = CallContext::from_extensions(&context.extensions).cloned();
                scoped(call, self.0.$ask($($asked,)? context)).await
            }
        )*
        $(
            async fn $tell(&self, $($told: $news,)? context: NotificationContext<RoleServer>) {
                let call = CallContext::from_extensions(&context.extensions).cloned();
                scoped(call, self.0.$tell($($told,)? context)).await;
            }
        )*
    };
}

impl<S: ServerHandler> ServerHandler for Ambient<S> {
    forwarded! {
        requests {
            ping() -> ();
            initialize(request: InitializeRequestParams) -> InitializeResult;
            discover() -> DiscoverResult;
            complete(request: CompleteRequestParams) -> CompleteResult;
            set_level(request: SetLevelRequestParams) -> ();
            get_prompt(request: GetPromptRequestParams) -> GetPromptResponse;
            list_prompts(page: Page) -> ListPromptsResult;
            list_resources(page: Page) -> ListResourcesResult;
            list_resource_templates(page: Page) -> ListResourceTemplatesResult;
            read_resource(request: ReadResourceRequestParams) -> ReadResourceResponse;
            subscribe(request: SubscribeRequestParams) -> ();
            unsubscribe(request: UnsubscribeRequestParams) -> ();
            call_tool(request: CallToolRequestParams) -> CallToolResponse;
            list_tools(page: Page) -> ListToolsResult;
            on_custom_request(request: CustomRequest) -> CustomResult;
            get_task(request: GetTaskParams) -> GetTaskResult;
            update_task(request: UpdateTaskParams) -> ();
            cancel_task(request: CancelTaskParams) -> ();
            list_skills(page: Page) -> ListSkillsResult;
            get_skill(request: GetSkillRequestParams) -> GetSkillResult;
            read_resource_directory(request: ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult;
        }
        notifications {
            on_cancelled(notification: CancelledNotificationParam);
            on_progress(notification: ProgressNotificationParam);
            on_initialized();
            on_roots_list_changed();
            on_custom_notification(notification: CustomNotification);
        }
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let call = CallContext::from_extensions(&context.request_context().extensions).cloned();
        scoped(call, self.0.listen(context)).await
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.0.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.0.supported_protocol_versions()
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.0.accepted_subscription_filter(requested)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.get_tool(name)
    }

    fn get_info(&self) -> ServerConfig {
        self.0.get_info()
    }
}
