//! Typed state behind handles: who opens it, what its rules refuse, what the ready-made tools say.

use std::time::Duration;

use garde::Validate;
use http::StatusCode;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::schemars::{self, JsonSchema};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::mcp::{
    CallContext, CurrentSession, McpOptions, McpService, StateHandle, StateKind, ToolRefusal, for_nobody, handle_tools,
    mount,
};
use sessile::{Caller, NewSession, SessionService};

use crate::client::{Call, connect, service, somebody};
use crate::hand::Hand;

#[derive(Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default)]
struct Plan {
    #[garde(length(max = 3), inner(length(min = 1)))]
    steps: Vec<String>,
    #[garde(range(max = 10))]
    priority: u32,
}

impl StateKind for Plan {
    const KIND: &'static str = "work-plan";
    const ABOUT: &'static str = "a plan of work";
    const IDLE_TIMEOUT: Option<Duration> = Some(Duration::from_secs(600));
    const MAX_LIFETIME: Option<Duration> = Some(Duration::from_secs(1_200));
}

#[derive(Clone)]
struct Planner {
    tool_router: ToolRouter<Self>,
}

#[derive(Deserialize, JsonSchema)]
struct AddStep {
    work_plan: StateHandle<Plan>,
    step: String,
}

#[derive(Serialize, JsonSchema)]
struct Seen {
    caller: String,
    ambient: Option<String>,
    deep: Option<String>,
    nobody: bool,
    spawned: bool,
    carried: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Counted {
    count: i64,
}

fn name(caller: &Caller) -> String {
    match caller {
        Caller::Principal(principal) => principal.subject().to_owned(),
        Caller::Anonymous => "anonymous".to_owned(),
    }
}

/// Deep inside, where nobody handed a context.
async fn current() -> Option<String> {
    tokio::task::yield_now().await;
    sessile::current().map(|call| name(&call.caller))
}

#[tool_router]
impl Planner {
    fn new() -> Self {
        Self { tool_router: Self::tool_router() + handle_tools::<Plan, Self>() }
    }

    #[tool(description = "Adds a step.")]
    async fn add_step(
        &self,
        call: CallContext,
        Parameters(AddStep { work_plan, step }): Parameters<AddStep>,
    ) -> Result<Json<Plan>, ToolRefusal> {
        let plan = work_plan.open(&call).await?;
        plan.update(move |plan| plan.steps.push(step.clone())).await?;
        Ok(Json(plan.read()?))
    }

    #[tool(description = "Counts in the session of the call.")]
    async fn count(&self, session: CurrentSession) -> Result<Json<Counted>, ToolRefusal> {
        let session = session.open().await?;
        let counted = session.increment("count", 1).await.map_err(|error| ToolRefusal::update(error, &session))?;
        Ok(Json(Counted { count: counted.value }))
    }

    #[tool(description = "Who is current.")]
    async fn who(&self, caller: Caller) -> Json<Seen> {
        let ambient = sessile::current().map(|call| name(&call.caller));
        let spawned = tokio::spawn(current()).await.unwrap();
        let carried = tokio::spawn(sessile::current().unwrap().scope(current())).await.unwrap();
        let nobody = for_nobody(current()).await.is_none();
        Json(Seen {
            caller: name(&caller),
            ambient,
            deep: current().await,
            nobody,
            spawned: spawned.is_some(),
            carried,
        })
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Planner {}

fn planner(service: &SessionService) -> McpService {
    mount(service, || Ok(Planner::new()), McpOptions::default())
}

/// Calls a tool in the modern era; gives its result.
async fn call(mcp: &McpService, caller: &Caller, tool: &str, arguments: Value) -> Value {
    let answer = Call::modern_tool_with(tool, &arguments).by(caller).send(mcp).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.message()["result"].clone()
}

async fn create(mcp: &McpService, caller: &Caller) -> String {
    let created = call(mcp, caller, "create_work_plan", json!({})).await;
    created["structuredContent"]["work_plan"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
}

/// The code of a refusal, and what it says.
fn refused(result: &Value) -> (String, String) {
    assert_eq!(result["isError"], json!(true), "{result}");
    let said = result["content"][0]["text"].as_str().unwrap().to_owned();
    let told: Value = serde_json::from_str(result["content"][1]["text"].as_str().unwrap()).unwrap();
    assert_eq!(told["error"]["message"], json!(said));
    (told["error"]["code"].as_str().unwrap().to_owned(), said)
}

#[tokio::test]
async fn a_handle_opens_its_state_for_its_owner_alone() {
    let service = service().await;
    let mcp = planner(&service);
    let (alice, bob) = (somebody("alice"), somebody("bob"));
    for owner in [&alice, &Caller::Anonymous] {
        let handle = create(&mcp, owner).await;
        let added = call(&mcp, owner, "add_step", json!({"work_plan": handle, "step": "think"})).await;
        assert_eq!(added["structuredContent"], json!({"steps": ["think"], "priority": 0}));
    }
    let handle = create(&mcp, &alice).await;
    let never = format!("{}x", &handle[..handle.len() - 1]);
    let stranger = refused(&call(&mcp, &bob, "add_step", json!({"work_plan": handle, "step": "steal"})).await);
    let unknown = refused(&call(&mcp, &bob, "add_step", json!({"work_plan": "none-such", "step": "steal"})).await);
    assert_eq!(stranger, unknown, "somebody else's is as if it never was");
    assert_eq!(stranger.0, "unknown_handle");
    assert!(stranger.1.contains("list_work_plans") && stranger.1.contains("create_work_plan"), "{}", stranger.1);
    let closing = refused(&call(&mcp, &bob, "close_work_plan", json!({"work_plan": handle})).await);
    assert_eq!(closing, stranger);
    assert_eq!(
        refused(&call(&mcp, &alice, "add_step", json!({"work_plan": never, "step": "x"})).await).0,
        "mistyped_handle"
    );
    let Caller::Principal(principal) = &alice else { unreachable!() };
    let other = service.owner(principal).create(NewSession::of_kind("cart").unwrap()).await.unwrap();
    let wrong = refused(&call(&mcp, &alice, "add_step", json!({"work_plan": other.id().as_str(), "step": "x"})).await);
    assert_eq!(wrong.0, "wrong_kind");
    assert!(wrong.1.contains("`cart`"), "{}", wrong.1);
}

#[tokio::test]
async fn the_rules_of_a_kind_hold_for_every_commit_and_name_the_field() {
    let service = service().await;
    let (mcp, alice) = (planner(&service), somebody("alice"));
    let first = json!({"state": {"steps": ["one", "two"]}, "label": "big"});
    let created = call(&mcp, &alice, "create_work_plan", first).await;
    let handle = created["structuredContent"]["work_plan"].clone();
    let add = |step: &'static str| call(&mcp, &alice, "add_step", json!({"work_plan": handle, "step": step}));
    let (code, said) = refused(&add("").await);
    assert_eq!((code.as_str(), said.contains("`steps[2]`")), ("invalid_state", true), "{said}");
    add("three").await;
    let (_, said) = refused(&add("four").await);
    assert!(said.contains("`steps`"), "{said}");
    let Caller::Principal(principal) = &alice else { unreachable!() };
    let session = service.owner(principal).open(handle.as_str().unwrap()).await.unwrap();
    assert_eq!(session.get::<Vec<String>>("steps").unwrap().unwrap(), ["one", "two", "three"]);
    let before = session.read().unwrap().revision();
    refused(&add("four").await);
    assert_eq!(session.read().unwrap().revision(), before, "what is refused commits nothing");

    let count =
        || async { service.owner(principal).list(&sessile::ListQuery::default()).await.unwrap().sessions.len() };
    let standing = count().await;
    for wrong in [json!({"state": {"priority": 11}}), json!({"state": {"priority": "high"}}), json!({"stat": {}})] {
        refused(&call(&mcp, &alice, "create_work_plan", wrong).await);
    }
    assert_eq!(count().await, standing, "a refused create leaves nothing");
}

#[tokio::test]
async fn handles_are_listed_closed_and_told_how_they_ended() {
    let hand = Hand::new();
    let service = SessionService::builder().clock(hand.clock()).start().await.unwrap();
    let (mcp, alice, bob) = (planner(&service), somebody("alice"), somebody("bob"));
    let mut mine = Vec::new();
    for _ in 0..60 {
        hand.advance(Duration::from_secs(1));
        mine.push(create(&mcp, &alice).await);
    }
    create(&mcp, &bob).await;
    mine.reverse();
    let first = call(&mcp, &alice, "list_work_plans", json!({})).await["structuredContent"].clone();
    let second =
        call(&mcp, &alice, "list_work_plans", json!({"cursor": first["next"]})).await["structuredContent"].clone();
    assert_eq!(second["next"], Value::Null);
    let listed = [&first, &second].into_iter().flat_map(|page| page["work_plans"].as_array().unwrap());
    let listed: Vec<_> = listed.map(|item| item["handle"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, mine);
    assert_eq!(first["work_plans"][0]["ends"], json!("in 10 minutes"));
    assert_eq!(refused(&call(&mcp, &alice, "list_work_plans", json!({"cursor": "no"})).await).0, "invalid_argument");
    assert_eq!(refused(&call(&mcp, &Caller::Anonymous, "list_work_plans", json!({})).await).0, "needs_identity");

    let closed = call(&mcp, &alice, "close_work_plan", json!({"work_plan": mine[0]})).await;
    assert_eq!(closed["structuredContent"], json!({"closed": true}));
    let (code, said) = refused(&call(&mcp, &alice, "add_step", json!({"work_plan": mine[0], "step": "x"})).await);
    assert_eq!(code, "closed");
    assert!(said.contains("create_work_plan"), "{said}");
    hand.advance(Duration::from_secs(601));
    let (code, said) = refused(&call(&mcp, &alice, "add_step", json!({"work_plan": mine[1], "step": "x"})).await);
    assert_eq!(code, "expired");
    assert!(said.contains("nobody used it"), "{said}");
    let to_bob = refused(&call(&mcp, &bob, "add_step", json!({"work_plan": mine[1], "step": "x"})).await);
    assert_eq!(to_bob.0, "unknown_handle", "only its owner learns how it ended");
}

#[tokio::test]
async fn schemas_say_what_a_handle_is_and_how_long_it_lives() {
    let tools = Planner::new().tool_router.list_all();
    let tool = |name: &str| tools.iter().find(|tool| tool.name == name).unwrap();
    let of = |name: &str, path: &str| {
        serde_json::to_value(tool(name).input_schema.as_ref()).unwrap().pointer(path).cloned().unwrap_or_default()
    };
    let lifetime = "ends after 10 minutes without use, and 20 minutes after its creation at the latest";
    let create = tool("create_work_plan").description.clone().unwrap();
    assert!(create.contains(lifetime) && create.contains("list_work_plans"), "{create}");
    for name in ["add_step", "close_work_plan"] {
        let said = of(name, "/properties/work_plan/description");
        let said = said.as_str().unwrap_or_else(|| panic!("{name}: {:?}", tool(name).input_schema));
        assert!(said.contains("a plan of work, as create_work_plan returned it") && said.contains(lifetime), "{said}");
    }
    assert_eq!(of("create_work_plan", "/properties/state/properties/steps/type"), json!("array"));
    let hints = tool("close_work_plan").annotations.clone().unwrap();
    assert_eq!((hints.read_only_hint, hints.destructive_hint), (Some(false), Some(true)));
}

#[tokio::test]
async fn the_call_is_current_inside_and_nowhere_else() {
    let service = service().await;
    let mcp = planner(&service);
    let expected = |who: &str| json!({"caller": who, "ambient": who, "deep": who, "nobody": true, "spawned": false, "carried": who});
    for (caller, who) in [(somebody("alice"), "alice"), (Caller::Anonymous, "anonymous")] {
        assert_eq!(call(&mcp, &caller, "who", json!({})).await["structuredContent"], expected(who));
        let id = connect(&mcp, &caller).await;
        let answer = Call::tool("who").session(&id).by(&caller).send(&mcp).await;
        assert_eq!(answer.structured(), expected(who));
    }
    assert!(sessile::current().is_none());
}

#[tokio::test]
async fn the_session_of_a_call_is_its_protocol_session_or_its_callers_bucket() {
    let service = service().await;
    let (mcp, alice) = (planner(&service), somebody("alice"));
    let count = |answer: &Value| answer["structuredContent"]["count"].clone();
    for expected in 1..=2 {
        assert_eq!(count(&call(&mcp, &alice, "count", json!({})).await), json!(expected), "the bucket");
    }
    let id = connect(&mcp, &alice).await;
    let legacy = |id: String| {
        let mcp = mcp.clone();
        let alice = alice.clone();
        async move { Call::tool("count").session(&id).by(&alice).send(&mcp).await.structured()["count"].clone() }
    };
    assert_eq!(legacy(id.clone()).await, json!(1), "the protocol session");
    assert_eq!(legacy(id).await, json!(2));
    let (code, said) = refused(&call(&mcp, &Caller::Anonymous, "count", json!({})).await);
    assert_eq!(code, "needs_session");
    assert!(said.contains("handle"), "{said}");
}
