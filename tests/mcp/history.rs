//! The history of a session: which tools used it, and how that went.

use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::ErrorData;
use rmcp::schemars::{self, JsonSchema};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::mcp::{
    CallContext, CurrentSession, McpOptions, McpService, ToolHistory, ToolOutcome, ToolRefusal, mount, tool_history,
};
use sessile::{Caller, CallerOwner, Durability, NewSession, Principal, Session, SessionService};

use crate::client::{Call, connect, service, somebody};
use crate::hand::Hand;

struct Server {
    hand: Hand,
    tool_router: ToolRouter<Self>,
}

#[derive(Deserialize, JsonSchema)]
struct Work {
    sessions: Vec<String>,
    #[serde(default)]
    fail: String,
    #[allow(dead_code)]
    password: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Done {
    worked: usize,
    access_token: &'static str,
}

#[tool_router]
impl Server {
    #[tool(description = "Works on sessions.")]
    async fn work(&self, call: CallContext, Parameters(work): Parameters<Work>) -> Result<Json<Done>, ErrorData> {
        for id in &work.sessions {
            call.open(id).await.unwrap();
        }
        self.hand.advance(Duration::from_secs(3));
        match work.fail.as_str() {
            "" => Ok(Json(Done { worked: work.sessions.len(), access_token: "s3cret" })),
            _ => Err(ErrorData::invalid_params("no", None)),
        }
    }

    #[tool(description = "Refuses.")]
    async fn refuses(&self, session: CurrentSession) -> Result<String, ToolRefusal> {
        session.open().await?;
        Err(ToolRefusal::new("no", "no"))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Server {}

fn mounted(service: &SessionService, hand: &Hand, history: ToolHistory) -> McpService {
    let hand = hand.clone();
    let server = move || Ok(Server { hand: hand.clone(), tool_router: Server::tool_router() });
    mount(service, server, McpOptions::default().history(history))
}

async fn session(service: &SessionService, principal: &Principal) -> Session {
    service.owner(principal).create(NewSession::default()).await.unwrap()
}

fn alice() -> (Caller, Principal) {
    let Caller::Principal(principal) = somebody("alice") else { unreachable!() };
    (somebody("alice"), principal)
}

async fn work(mcp: &McpService, caller: &Caller, arguments: Value) {
    Call::modern_tool_with("work", &arguments).by(caller).send(mcp).await;
}

#[tokio::test]
async fn a_session_knows_which_tools_used_it_and_how_that_went() {
    let hand = Hand::new();
    let service = SessionService::builder().clock(hand.clock()).start().await.unwrap();
    let mcp = mounted(&service, &hand, ToolHistory::calls());
    let (caller, principal) = alice();
    let (one, other) = (session(&service, &principal).await, session(&service, &principal).await);
    let began = hand.now();
    work(&mcp, &caller, json!({"sessions": [one.id().as_str(), other.id().as_str(), one.id().as_str()]})).await;
    work(&mcp, &caller, json!({"sessions": [one.id().as_str()], "fail": "yes"})).await;
    let history = tool_history(&one, 9).await.unwrap();
    let outcomes: Vec<_> = history.iter().map(|call| (call.tool.as_str(), call.outcome)).collect();
    assert_eq!(outcomes, [("work", ToolOutcome::Ok), ("work", ToolOutcome::Error(-32602))]);
    assert_eq!(history[0].started_at, began);
    assert_eq!((&history[0].arguments, &history[0].result), (&None, &None), "kept where that was chosen alone");
    assert_eq!(tool_history(&other, 9).await.unwrap().len(), 1);
    assert_eq!(tool_history(&one, 1).await.unwrap()[0].outcome, ToolOutcome::Error(-32602), "the last ones");

    let id = connect(&mcp, &caller).await;
    Call::tool("refuses").session(&id).by(&caller).send(&mcp).await;
    Call::modern_tool("refuses").by(&caller).send(&mcp).await;
    let protocol = service.owner(&principal).open(&id).await.unwrap();
    let bucket = service.owner(&principal).bucket().await.unwrap();
    for used in [protocol, bucket] {
        let history = tool_history(&used, 9).await.unwrap();
        assert_eq!(history.iter().map(|call| call.outcome).collect::<Vec<_>>(), [ToolOutcome::ToolError]);
    }
}

#[tokio::test]
async fn arguments_and_results_are_kept_without_what_is_secret_or_large() {
    let (hand, service) = (Hand::new(), service().await);
    let history = ToolHistory::calls().arguments(true).results(true).max_bytes(200).redact(["fail"]);
    let mcp = mounted(&service, &hand, history);
    let anonymous = service.anonymous().create(NewSession::default()).await.unwrap();
    let id = anonymous.id().as_str().to_owned();
    work(&mcp, &Caller::Anonymous, json!({"sessions": [id], "fail": "", "password": "hunter2"})).await;
    let long = "x".repeat(200);
    work(&mcp, &Caller::Anonymous, json!({"sessions": [id], "note": long})).await;
    let history = tool_history(&anonymous, 9).await.unwrap();
    let gone = "[redacted]";
    let kept = json!({"sessions": [gone], "fail": gone, "password": gone});
    assert_eq!(history[0].arguments.as_ref(), Some(&kept), "an id is a credential here");
    assert_eq!(history[0].result.as_ref(), Some(&json!({"worked": 1, "access_token": gone})));
    assert!(history[1].arguments.as_ref().unwrap()["omitted_bytes"].as_u64().unwrap() > 200);
}

#[tokio::test]
async fn no_history_is_kept_unless_that_was_chosen() {
    let (hand, service) = (Hand::new(), service().await);
    let mcp = mounted(&service, &hand, ToolHistory::default());
    let (caller, principal) = alice();
    let one = session(&service, &principal).await;
    work(&mcp, &caller, json!({"sessions": [one.id().as_str()]})).await;
    assert!(tool_history(&one, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_history_survives_a_restart_and_has_a_cap() {
    let (hand, folder) = (Hand::new(), tempfile::tempdir().unwrap());
    let start = || {
        let builder = SessionService::builder().snapshots(folder.path()).durability(Durability::Commit);
        builder.max_events(20_u64).start()
    };
    let service = start().await.unwrap();
    let mcp = mounted(&service, &hand, ToolHistory::calls());
    let (caller, principal) = alice();
    let one = session(&service, &principal).await;
    let id = one.id().as_str().to_owned();
    for _ in 0..30 {
        work(&mcp, &caller, json!({"sessions": [id]})).await;
    }
    // Nobody waits for a history; what is written after it is written with it.
    one.set("done", &true).await.unwrap();
    assert_eq!(tool_history(&one, 99).await.unwrap().len(), 20, "the oldest went");
    drop((mcp, one, service));
    let service = start().await.unwrap();
    let CallerOwner::Owner(owner) = service.caller(&caller) else { unreachable!() };
    let restored = owner.open(&id).await.unwrap();
    assert_eq!(tool_history(&restored, 99).await.unwrap().len(), 20);
}
