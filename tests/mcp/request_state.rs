//! `requestState`: good once, for its caller, its request and its time.

use std::path::Path;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, InputRequiredResult, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use sessile::mcp::{CallContext, McpOptions, McpService, RequestStates, mount};
use sessile::{AtCapacity, Caller, Durability, KeyRing, ListQuery, Principal, SessionService};

use crate::client::{Answer, Call, service, somebody};

/// Every tool quotes first, and does on the second trip what it was told in the first.
struct Handler(RequestStates);

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>().expect("parts");
        let caller = CallContext::from_parts(parts).expect("a call context");
        if let Some(state) = &call.request_state {
            let quote: Value = self.0.open(caller, &call, state).await?;
            return Ok(CallToolResult::structured(json!({"done": quote})).into());
        }
        let bytes = call.arguments.as_ref().and_then(|of| of.get("bytes")?.as_u64()).unwrap_or(1);
        let quote = json!({"quote": "x".repeat(bytes as usize)});
        let state = self.0.seal(caller, &call, &quote, Duration::from_secs(600)).await?;
        Ok(InputRequiredResult::from_request_state(state).into())
    }
}

fn keys(digits: &[char]) -> KeyRing {
    let lines: Vec<_> = digits.iter().map(|digit| digit.to_string().repeat(64)).collect();
    KeyRing::parse(&lines.join("\n")).unwrap()
}

fn served(service: &SessionService, keys: KeyRing) -> McpService {
    let states = RequestStates::new(service, keys);
    mount(service, move || Ok(Handler(states.clone())), McpOptions::default())
}

async fn at_commit(folder: &Path) -> SessionService {
    SessionService::builder().snapshots(folder.to_owned()).durability(Durability::Commit).start().await.unwrap()
}

async fn first(mcp: &McpService, who: &Caller, tool: &str, arguments: Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    let message = Call::modern("tools/call", tool, params).by(who).send(mcp).await.message();
    assert_eq!(message["result"]["resultType"], "input_required", "{message}");
    message["result"]["requestState"].as_str().unwrap().to_owned()
}

async fn second(mcp: &McpService, who: &Caller, tool: &str, arguments: Value, state: &str) -> Answer {
    let params = json!({"name": tool, "arguments": arguments, "requestState": state, "inputResponses": {}});
    Call::modern("tools/call", tool, params).by(who).send(mcp).await
}

fn assert_done(answer: &Answer) {
    assert_eq!(answer.message()["result"]["structuredContent"], json!({"done": {"quote": "x"}}), "{answer:?}");
}

fn assert_refused(answer: &Answer) {
    let error = &answer.message()["error"];
    let told = "the requestState cannot be used; send the request again without it";
    assert_eq!(*error, json!({"code": -32602, "message": told}), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_state_is_good_once_for_its_caller_and_its_request_and_its_time() {
    let (service, alice, bob) = (service().await, somebody("alice"), somebody("bob"));
    let mcp = served(&service, keys(&['a']));
    let arguments = json!({"amount": 7, "to": {"shop": 1, "till": 2}});
    let state = first(&mcp, &alice, "pay", arguments.clone()).await;
    let never = second(&mcp, &alice, "pay", arguments.clone(), "00").await;
    assert_refused(&never);
    let changed = format!("{}{}", &state[..state.len() - 1], if state.ends_with('0') { '1' } else { '0' });
    let other = json!({"amount": 70, "to": {"shop": 1, "till": 2}});
    for (who, tool, arguments, state) in [
        (&bob, "pay", &arguments, &state),
        (&Caller::Anonymous, "pay", &arguments, &state),
        (&alice, "refund", &arguments, &state),
        (&alice, "pay", &other, &state),
        (&alice, "pay", &arguments, &changed),
        (&alice, "pay", &arguments, &"f".repeat(100_000)),
    ] {
        assert_eq!(second(&mcp, who, tool, arguments.clone(), state).await, never);
    }
    // None of that used it up; the order of members is nothing that a client has to keep.
    let again: Value = serde_json::from_str(r#"{"to": {"till": 2, "shop": 1}, "amount": 7}"#).unwrap();
    assert_done(&second(&mcp, &alice, "pay", again, &state).await);
    assert_eq!(second(&mcp, &alice, "pay", arguments.clone(), &state).await, never);

    let state = first(&mcp, &Caller::Anonymous, "pay", arguments.clone()).await;
    assert_eq!(second(&mcp, &alice, "pay", arguments.clone(), &state).await, never);
    assert_done(&second(&mcp, &Caller::Anonymous, "pay", arguments.clone(), &state).await);
    assert_eq!(second(&mcp, &Caller::Anonymous, "pay", arguments.clone(), &state).await, never);

    let (late, in_time) = (first(&mcp, &alice, "pay", json!({})).await, Duration::from_millis(599_999));
    tokio::time::advance(in_time).await;
    let soon = first(&mcp, &alice, "pay", json!({})).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(second(&mcp, &alice, "pay", json!({}), &late).await, never);
    assert_done(&second(&mcp, &alice, "pay", json!({}), &soon).await);

    let large = json!({"name": "pay", "arguments": {"bytes": 9_000}});
    let large = Call::modern("tools/call", "pay", large).by(&alice).send(&mcp).await.message();
    assert!(large["error"]["message"].as_str().unwrap().contains("at most 8192"), "{large}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_redemptions_at_once_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    for service in [service().await, at_commit(folder.path()).await] {
        let (mcp, alice) = (served(&service, keys(&['a'])), somebody("alice"));
        for who in [alice, Caller::Anonymous] {
            let state = first(&mcp, &who, "pay", json!({})).await;
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..64 {
                let (mcp, who, state) = (mcp.clone(), who.clone(), state.clone());
                all.spawn(async move { second(&mcp, &who, "pay", json!({}), &state).await.message() });
            }
            let answers = all.join_all().await;
            let done = answers.iter().filter(|answer| answer["result"].is_object()).count();
            let refused = answers.iter().filter(|answer| answer["error"]["code"] == -32602).count();
            assert_eq!((done, refused), (1, 63));
        }
    }
}

#[tokio::test]
async fn what_was_used_stays_used_over_a_restart_and_keys_can_be_changed() {
    let (folder, alice) = (tempfile::tempdir().unwrap(), somebody("alice"));
    let (mut used, mut fresh) = (Vec::new(), Vec::new());
    let service = at_commit(folder.path()).await;
    let mcp = served(&service, keys(&['a']));
    for who in [&alice, &Caller::Anonymous] {
        let state = first(&mcp, who, "pay", json!({})).await;
        assert_done(&second(&mcp, who, "pay", json!({}), &state).await);
        used.push((who, state));
        fresh.push((who, first(&mcp, who, "pay", json!({})).await));
    }
    // As a kill leaves it: no drain.
    drop((mcp, service));

    let service = at_commit(folder.path()).await;
    let other = served(&service, keys(&['b']));
    for (who, state) in used.iter().chain(&fresh) {
        assert_refused(&second(&other, who, "pay", json!({}), state).await);
    }
    let mcp = served(&service, keys(&['b', 'a']));
    for (who, state) in &used {
        assert_refused(&second(&mcp, who, "pay", json!({}), state).await);
    }
    for (who, state) in &fresh {
        assert_done(&second(&mcp, who, "pay", json!({}), state).await);
        assert_refused(&second(&mcp, who, "pay", json!({}), state).await);
        // What is sealed from here on needs the first key alone.
        let state = first(&mcp, who, "pay", json!({})).await;
        assert_done(&second(&other, who, "pay", json!({}), &state).await);
    }
}

#[tokio::test]
async fn without_keys_states_are_good_until_the_service_goes() {
    let alice = somebody("alice");
    let serve = |service: &SessionService| {
        let service = service.clone();
        // Each handler makes its own; they share the key of the service.
        let factory = move || Ok(Handler(RequestStates::in_memory(&service).unwrap()));
        (factory, ())
    };
    let one = service().await;
    let mcp = mount(&one, serve(&one).0, McpOptions::default());
    let (state, kept) = (first(&mcp, &alice, "pay", json!({})).await, first(&mcp, &alice, "pay", json!({})).await);
    assert_done(&second(&mcp, &alice, "pay", json!({}), &state).await);
    let other = service().await;
    let mcp = mount(&other, serve(&other).0, McpOptions::default());
    assert_refused(&second(&mcp, &alice, "pay", json!({}), &kept).await);
}

#[tokio::test]
async fn no_cap_and_no_tool_of_the_caller_makes_a_used_state_good_again() {
    let service = SessionService::builder().max_entries(8_u64).at_entry_cap(AtCapacity::Evict).start().await.unwrap();
    let (mcp, alice) = (served(&service, keys(&['a'])), somebody("alice"));
    let mut states = Vec::new();
    for _ in 0..50 {
        states.push(first(&mcp, &alice, "pay", json!({})).await);
    }
    for state in &states {
        assert_done(&second(&mcp, &alice, "pay", json!({}), state).await);
    }
    // Where a caller may list and close its sessions, these are none of them.
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    assert!(owner.list(&ListQuery::default()).await.unwrap().sessions.is_empty());
    assert_eq!(owner.close_all().await.unwrap(), 0);
    for state in &states {
        assert_refused(&second(&mcp, &alice, "pay", json!({}), state).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ledger_ends_by_itself_and_its_states_before_it() {
    let (service, alice) = (service().await, somebody("alice"));
    let mcp = served(&service, keys(&['a']));
    let mut last = first(&mcp, &alice, "pay", json!({})).await;
    for _ in 0..100 {
        tokio::time::advance(Duration::from_secs(599)).await;
        assert_done(&second(&mcp, &alice, "pay", json!({}), &last).await);
        last = first(&mcp, &alice, "pay", json!({})).await;
    }
    service.operator().sweep().await;
    let kept = service.operator().list(&ListQuery::default().kind("request-states")).await.unwrap();
    assert!((1..=2).contains(&kept.sessions.len()), "{}", kept.sessions.len());
    assert!(kept.sessions.iter().all(|ledger| ledger.entries <= 12));
    tokio::time::advance(Duration::from_secs(7_200)).await;
    service.operator().sweep().await;
    assert!(service.operator().list(&ListQuery::default().kind("request-states")).await.unwrap().sessions.is_empty());
}
