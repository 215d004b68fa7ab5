//! The tools of a kind: create, list, close.

use std::sync::Arc;

use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::{ToolCallContext, schema_for_type};
use rmcp::model::{CallToolResponse, CallToolResult, ErrorData, JsonObject, Tool, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::handle::{State, StateHandle};
use super::kind::{Names, StateKind, lifetime, noun};
use super::refusal::ToolRefusal;
use crate::actor::new_session::NewSession;
use crate::mcp::context::CallContext;
use crate::mcp::words;
use crate::owner::{Cursor, ListQuery};
use crate::service::CallerOwner;

/// Handles in one page of a list.
const PAGE: usize = 50;

/// The three tools that give out, show and close handles of the kind `K`, for any server's router.
///
/// `create_<kind>` takes the first state, if any, and a label; it answers with the handle under the name of the kind, and
/// says how long it lives. `list_<kind>s` shows the caller's own, the newest first. `close_<kind>` ends one.
///
/// ```
/// # use garde::Validate;
/// # use rmcp::schemars::{self, JsonSchema};
/// # use serde::{Deserialize, Serialize};
/// # use sessile::mcp::StateKind;
/// # #[derive(Default, Serialize, Deserialize, JsonSchema, Validate)]
/// # #[serde(default)]
/// # struct Cart { #[garde(skip)] items: Vec<String> }
/// # impl StateKind for Cart {
/// #     const KIND: &'static str = "cart";
/// #     const ABOUT: &'static str = "a shopping cart";
/// #     const IDLE_TIMEOUT: Option<std::time::Duration> = None;
/// #     const MAX_LIFETIME: Option<std::time::Duration> = None;
/// # }
/// # struct Shop;
/// let mut router = rmcp::handler::server::router::tool::ToolRouter::<Shop>::new();
/// router.merge(sessile::mcp::handle_tools::<Cart, Shop>());
/// assert!(router.has_route("create_cart") && router.has_route("list_carts") && router.has_route("close_cart"));
/// ```
#[must_use]
pub fn handle_tools<K: StateKind, S: Send + Sync + 'static>() -> ToolRouter<S> {
    let mut router = ToolRouter::new();
    router.add_route(route(create_tool::<K>(), |call, arguments| Box::pin(create::<K>(call, arguments))));
    router.add_route(route(list_tool::<K>(), |call, arguments| Box::pin(list::<K>(call, arguments))));
    router.add_route(route(close_tool::<K>(), |call, arguments| Box::pin(close::<K>(call, arguments))));
    router
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<Value, ToolRefusal>> + Send>>;

fn route<S: Send + Sync + 'static>(tool: Tool, run: fn(CallContext, JsonObject) -> Answer) -> ToolRoute<S> {
    ToolRoute::new_dyn(tool, move |mut context: ToolCallContext<'_, S>| {
        let call = CallContext::from_extensions(&context.request_context.extensions).cloned();
        let arguments = context.arguments.take().unwrap_or_default();
        Box::pin(async move {
            let call =
                call.ok_or_else(|| ErrorData::internal_error("the request did not pass the session layer", None))?;
            Ok(match run(call, arguments).await {
                Ok(answer) => CallToolResponse::from(CallToolResult::structured(answer)),
                Err(refusal) => CallToolResult::from(refusal).into(),
            })
        })
    })
}

fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, ToolRefusal> {
    let read = serde_json::from_value(Value::Object(arguments));
    read.map_err(|error| ToolRefusal::new("invalid_argument", format!("Invalid arguments: {error}. Nothing was done.")))
}

fn object(properties: Value, required: &[&str]) -> Arc<JsonObject> {
    let schema =
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    Arc::new(schema.as_object().cloned().unwrap_or_default())
}

fn tool(name: String, description: String, input: Arc<JsonObject>, annotations: ToolAnnotations) -> Tool {
    let mut tool = Tool::new(name, description, input);
    tool.annotations = Some(annotations.open_world(false));
    tool
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    label: Option<String>,
    state: Option<JsonObject>,
}

fn create_tool<K: StateKind>() -> Tool {
    let (noun, names) = (noun::<K>(), Names::of::<K>());
    let mut state = schema_for_type::<K>().as_ref().clone();
    state.remove("$schema");
    state.insert("description".to_owned(), "What it holds at first; what is left out has its default.".into());
    state.remove("required");
    let properties = json!({
        "label": { "type": "string", "description": "A title for people, and for finding it in the list." },
        "state": state,
    });
    let description = format!(
        "Creates {}, and returns its handle as `{noun}`: keep it, and pass it to the tools that ask for one. {} Lost handles \
         are found again with {}.",
        K::ABOUT,
        lifetime::<K>(),
        names.list,
    );
    let effect = ToolAnnotations::new().read_only(false).destructive(false).idempotent(false);
    tool(names.create, description, object(properties, &[]), effect)
}

async fn create<K: StateKind>(call: CallContext, arguments: JsonObject) -> Result<Value, ToolRefusal> {
    let Create { label, state } = read(arguments)?;
    let mut first =
        serde_json::to_value(K::default()).map_err(|_| ToolRefusal::internal("its default cannot be written"))?;
    if let (Value::Object(first), Some(state)) = (&mut first, state) {
        first.extend(state);
    }
    let first: K = serde_json::from_value(first).map_err(|error| {
        ToolRefusal::new("invalid_argument", format!("Invalid `state`: {error}. Nothing was done."))
    })?;
    first.validate().map_err(|report| ToolRefusal::rules(&report))?;
    let mut new = NewSession::of_kind(K::KIND).map_err(|error| ToolRefusal::internal(&error.to_string()))?;
    if let Some(label) = label {
        new = new.label(label);
    }
    if let Some(idle) = K::IDLE_TIMEOUT {
        new = new.idle_timeout(idle);
    }
    if let Some(max) = K::MAX_LIFETIME {
        new = new.max_lifetime(max);
    }
    let state = State::<K>::new(call.create(new).await.map_err(|error| ToolRefusal::not_created(error, call.now()))?);
    let mut first = Some(first);
    let filled = state.update(move |state| {
        if let Some(first) = first.take() {
            *state = first;
        }
    });
    if let Err(refusal) = filled.await {
        // Nobody knows of it. Where it cannot be closed either it ends by its timeout.
        let _ = state.session().close().await;
        return Err(refusal);
    }
    Ok(json!({ noun::<K>(): state.handle().as_str(), "lifetime": lifetime::<K>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    created: String,
    used: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<String>,
}

fn list_tool<K: StateKind>() -> Tool {
    let names = Names::of::<K>();
    let cursor = json!({ "type": "string", "description": "`next` of the page before, for the page after it." });
    let description = format!(
        "Lists your handles of {}, the newest first: use it to find one again. Callers without an identity have no list.",
        K::ABOUT
    );
    let effect = ToolAnnotations::new().read_only(true);
    tool(names.list, description, object(json!({ "cursor": cursor }), &[]), effect)
}

async fn list<K: StateKind>(call: CallContext, arguments: JsonObject) -> Result<Value, ToolRefusal> {
    let List { cursor } = read(arguments)?;
    let names = Names::of::<K>();
    let CallerOwner::Owner(owner) = call.owner() else {
        let message = format!(
            "You call without an identity, so there is no list. Look for the handle that {0} gave you, or call {0} for a new \
             one.",
            names.create
        );
        return Err(ToolRefusal::new("needs_identity", message));
    };
    let invalid = |error: crate::owner::CursorError| {
        ToolRefusal::new("invalid_argument", format!("Invalid `cursor`: {error}. Leave it out for the first page."))
    };
    let mut query = ListQuery::default().kind(K::KIND).limit(PAGE);
    if let Some(cursor) = cursor {
        query = query.cursor(cursor.parse::<Cursor>().map_err(invalid)?);
    }
    let page = owner.list(&query).await.map_err(invalid)?;
    let now = call.now();
    let listed = page.sessions.into_iter().filter_map(|info| {
        Some(Listed {
            handle: info.id?.as_str().to_owned(),
            label: info.metadata.label.clone(),
            created: words::ago(now.since(info.created_at)),
            used: words::ago(now.since(info.last_active_at)),
            ends: info.expires_at.map(|at| words::within(at.since(now))),
        })
    });
    let mut answer = json!({ format!("{}s", noun::<K>()): listed.collect::<Vec<_>>() });
    if let (Some(next), Some(answer)) = (page.next, answer.as_object_mut()) {
        answer.insert("next".to_owned(), next.to_string().into());
    }
    Ok(answer)
}

fn close_tool<K: StateKind>() -> Tool {
    let noun = noun::<K>();
    let description = format!(
        "Ends {} and deletes its state, for good: the handle stays dead. Use it when the work is done.",
        K::ABOUT
    );
    let mut handle = rmcp::schemars::SchemaGenerator::default().into_root_schema_for::<StateHandle<K>>();
    handle.remove("$schema");
    let effect = ToolAnnotations::new().read_only(false).destructive(true).idempotent(true);
    tool(Names::of::<K>().close, description, object(json!({ &noun: handle }), &[&noun]), effect)
}

async fn close<K: StateKind>(call: CallContext, mut arguments: JsonObject) -> Result<Value, ToolRefusal> {
    let noun = noun::<K>();
    let Some(Value::String(handle)) = arguments.remove(&noun) else {
        return Err(ToolRefusal::new("invalid_argument", format!("The argument `{noun}` is missing: pass a handle.")));
    };
    if let Some(odd) = arguments.keys().next() {
        return Err(ToolRefusal::new("invalid_argument", format!("There is no argument `{odd}`. Nothing was done.")));
    }
    let state = StateHandle::<K>::new(handle).open(&call).await?;
    let closed = state.session().close().await.map_err(|error| ToolRefusal::not_created(error, call.now()))?;
    Ok(json!({ "closed": closed }))
}
