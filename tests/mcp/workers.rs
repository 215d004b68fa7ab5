//! Workers of rmcp come and go; on paused time.

use std::time::Duration;

use crate::client::{Call, connect, mounted, mounted_with, service, somebody};
use crate::server::Probe;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use sessile::mcp::McpOptions;
use sessile::{Caller, SessionService};

const MINUTE: Duration = Duration::from_secs(60);

/// Lets paused time pass; every timer on the way fires.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_goes_and_its_session_stays() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    Call::tool("add").session(&id).send(&mcp).await.structured();
    pass(4 * MINUTE).await;
    assert_eq!(probe.handlers(), 1, "not idle for long enough");
    pass(3 * MINUTE).await;
    assert_eq!(probe.handlers(), 0, "idle");
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.structured(), json!({"count": 2}));
    assert_eq!((probe.handlers(), probe.handshakes()), (1, 2));
    // Whoever looked after the table has gone with the last worker, and is back.
    pass(8 * MINUTE).await;
    assert_eq!(probe.handlers(), 0);
    assert_eq!(Call::tool("read").session(&id).send(&mcp).await.structured(), json!({"count": 2}));
}

#[tokio::test(start_paused = true)]
async fn a_long_silent_call_keeps_its_worker_and_its_session() {
    let service = SessionService::builder().idle_timeout(30 * MINUTE).start().await.unwrap();
    let probe = Probe::new();
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let waiting = Call::tool("wait").session(&id).open(&mcp).await;
    probe.waits().await;
    pass(100 * MINUTE).await;
    probe.release();
    let body = waiting.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains(r#""lives":true"#) && text.contains(r#""released":true"#), "{text}");
    assert_eq!(probe.handshakes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_client_left_runs_to_its_end() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    // With an id of its own: it is in flight when the next one comes.
    drop(Call::tool_as("wait", 7).session(&id).open(&mcp).await);
    probe.waits().await;
    pass(20 * MINUTE).await;
    Call::tool("add").session(&id).send(&mcp).await.structured();
    assert_eq!((probe.handlers(), probe.handshakes()), (1, 1), "its call runs, in the same worker");
    probe.release();
    pass(8 * MINUTE).await;
    assert_eq!(probe.handlers(), 0, "its call is done");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_keeps_no_worker() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    drop(Call::tool_as("wait", 7).session(&id).open(&mcp).await);
    probe.waits().await;
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    let accepted = Call::post(&cancelled).session(&id).send(&mcp).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    pass(8 * MINUTE).await;
    // The handler that ignores its cancellation lives on; the worker does not.
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.structured(), json!({"count": 1}));
    assert_eq!(probe.handshakes(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_keeps_its_worker() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted_with(&service, &probe, McpOptions::default().sse_keep_alive(None));
    let id = connect(&mcp, &Caller::Anonymous).await;
    let stream = Call::get().session(&id).open(&mcp).await;
    assert_eq!(stream.status(), StatusCode::OK);
    pass(20 * MINUTE).await;
    assert_eq!(probe.handlers(), 1);
    drop(stream);
    pass(8 * MINUTE).await;
    assert_eq!(probe.handlers(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_session_is_unknown_and_its_worker_goes() {
    let service = SessionService::builder().idle_timeout(2 * MINUTE).start().await.unwrap();
    let probe = Probe::new();
    let mcp = mounted(&service, &probe);
    let (alice, expired) = (somebody("alice"), connect(&mcp, &somebody("alice")).await);
    let used = connect(&mcp, &alice).await;
    // An open stream is no use of a session: it ends with it.
    let stream = Call::get().by(&alice).session(&expired).open(&mcp).await;
    for _ in 0..4 {
        pass(MINUTE).await;
        assert_eq!(Call::tool("add").by(&alice).session(&used).send(&mcp).await.status, StatusCode::OK);
    }
    assert_eq!(probe.handlers(), 1, "nobody asked for the expired one, and its worker is gone");
    stream.into_body().collect().await.unwrap();
    let answer = Call::tool("read").by(&alice).session(&expired).send(&mcp).await;
    assert_eq!(answer, Call::tool("read").by(&alice).session("never-was").send(&mcp).await);
}

#[tokio::test(start_paused = true)]
async fn workers_beyond_the_cap_go_before_their_time() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted_with(&service, &probe, McpOptions::default().max_workers(8));
    let mut ids = Vec::new();
    for _ in 0..64 {
        ids.push(connect(&mcp, &Caller::Anonymous).await);
        pass(Duration::from_millis(1)).await;
        assert!(probe.handlers() <= 8 + 8 / 4 + 1, "{} workers", probe.handlers());
    }
    for id in &ids {
        assert_eq!(Call::tool("add").session(id).send(&mcp).await.structured(), json!({"count": 1}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_answers_what_was_accepted_and_refuses_the_rest() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let listening = Call::get().session(&id).open(&mcp).await;
    let legacy = tokio::spawn({
        let (mcp, call) = (mcp.clone(), Call::tool("wait").session(&id));
        async move { call.send(&mcp).await }
    });
    let modern = tokio::spawn({
        let (mcp, call) = (mcp.clone(), Call::modern_tool("wait"));
        async move { call.send(&mcp).await }
    });
    probe.waits().await;
    probe.waits().await;
    let draining = tokio::spawn({
        let mcp = mcp.clone();
        async move { mcp.drain(MINUTE).await }
    });
    pass(Duration::from_secs(1)).await;
    for call in [Call::tool("read").session(&id), Call::initialize(), Call::modern_tool("who"), Call::get()] {
        let refused = call.send(&mcp).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert!(!draining.is_finished());
    probe.release();
    probe.release();
    assert_eq!(legacy.await.unwrap().structured()["released"], true);
    assert_eq!(modern.await.unwrap().structured()["released"], true);
    assert!(draining.await.unwrap());
    listening.into_body().collect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_has_an_end() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let waiting = Call::tool("wait").session(&id).open(&mcp).await;
    probe.waits().await;
    assert!(!mcp.drain(MINUTE).await);
    waiting.into_body().collect().await.unwrap();
}
