//! Whose session it is: to anybody else it never was.

use std::sync::Arc;

use crate::client::{Call, connect, mounted, mounted_with, service, somebody};
use crate::server::Probe;
use http::StatusCode;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use sessile::mcp::McpOptions;
use sessile::{Caller, SessionService};

/// The form of an id of ours, check part and all, that nobody was given.
async fn never_given() -> String {
    let elsewhere = service().await;
    connect(&mounted(&elsewhere, &Probe::new()), &Caller::Anonymous).await
}

fn mismatches(metrics: &Snapshotter) -> u64 {
    let found = metrics.snapshot().into_vec().into_iter();
    found
        .filter(|(key, ..)| key.key().name() == "sessile_owner_mismatch_total")
        .map(|(.., value)| match value {
            DebugValue::Counter(count) => count,
            other => panic!("{other:?}"),
        })
        .sum()
}

#[tokio::test]
async fn somebody_elses_session_never_was() {
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    let recorder: sessile::SharedRecorder = Arc::new(recorder);
    let service = SessionService::builder().recorder(recorder).start().await.unwrap();
    let probe = Probe::new();
    let mcp = mounted(&service, &probe);
    let alice = somebody("alice");
    let id = connect(&mcp, &alice).await;
    let unknown = never_given().await;
    let mut mistyped = id.clone();
    let last = if mistyped.pop() == Some('0') { '1' } else { '0' };
    mistyped.push(last);

    for stranger in [somebody("bob"), Caller::Anonymous] {
        let calls: [fn() -> Call; 4] = [|| Call::tool("read"), || Call::tool("nonsense"), Call::get, Call::delete];
        for (row, call) in calls.into_iter().enumerate() {
            assert_eq!(mismatches(&metrics), 0);
            let theirs = call().by(&stranger).session(&id).send(&mcp).await;
            assert_eq!(mismatches(&metrics), 1, "row {row}");
            assert_eq!(theirs.status, StatusCode::NOT_FOUND, "row {row}");
            assert_eq!(theirs, call().by(&stranger).session(&unknown).send(&mcp).await, "row {row}");
            assert_eq!(theirs, call().by(&stranger).session(&mistyped).send(&mcp).await, "row {row}");
            assert_eq!(theirs, call().by(&stranger).session("9f0c-foreign").send(&mcp).await, "row {row}");
        }
    }
    // It is Alice's still, and her mistyped id reads like Bob's.
    assert_eq!(Call::tool("add").by(&alice).session(&id).send(&mcp).await.structured(), json!({"count": 1}));
    let hers = Call::tool("read").by(&alice).session(&mistyped).send(&mcp).await;
    assert_eq!(hers, Call::tool("read").by(&alice).session(&unknown).send(&mcp).await);
}

#[tokio::test]
async fn a_stranger_is_refused_before_a_worker_is_brought_up() {
    let (service, probe) = (service().await, Probe::new());
    let id = connect(&mounted(&service, &probe), &somebody("alice")).await;
    let again = mounted(&service, &probe);
    assert_eq!(Call::tool("read").by(&somebody("bob")).session(&id).send(&again).await.status, StatusCode::NOT_FOUND);
    assert_eq!(probe.handshakes(), 1);
}

#[tokio::test]
async fn a_forged_session_id_reaches_no_tool_of_the_modern_era() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let alice = somebody("alice");
    let id = connect(&mcp, &alice).await;
    let expected = |who: &str| json!({"era": "modern", "caller": who, "owner": who, "session": null, "header": null});
    for caller in ["alice", "bob"] {
        let mut call = Call::modern_tool("who").by(&somebody(caller)).session("forged");
        call.headers_mut().append("mcp-session-id", id.parse().unwrap());
        assert_eq!(call.send(&mcp).await.structured(), expected(caller));
    }
    // Served alone in spite of its old version: that it brings all it needs decides.
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2025-11-25",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "who", "arguments": {}, "_meta": meta});
    let call = Call::post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}));
    let call = call.header("mcp-protocol-version", "2025-11-25").by(&somebody("bob")).session(&id);
    assert_eq!(call.send(&mcp).await.structured(), expected("bob"));
}

#[tokio::test]
async fn the_modern_era_has_post_alone() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    for call in [Call::get(), Call::get().header("accept", "text/html"), Call::delete()] {
        let answer = call.header("mcp-protocol-version", "2026-07-28").session(&id).send(&mcp).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers.get("allow").map(String::as_str), Some("POST"));
    }
    let resume = Call::get().header("mcp-protocol-version", "2026-07-28").header("last-event-id", "0");
    assert_eq!(resume.send(&mcp).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_host_or_origin_is_refused_and_touches_nothing() {
    let (service, probe) = (service().await, Probe::new());
    let options = McpOptions::default().allowed_origins(["https://app.example:443"]);
    let mcp = mounted_with(&service, &probe, options);
    let strict = mounted(&service, &probe);
    let alice = somebody("alice");
    let id = connect(&mcp, &alice).await;
    let session = service.operator().session(&id).await.unwrap();
    let last_active = session.info().unwrap().last_active_at;
    tokio::time::advance(std::time::Duration::from_secs(1)).await;

    for call in [|| Call::tool("add"), Call::initialize, Call::get, Call::delete] {
        let call = || call().by(&alice).session(&id);
        assert_eq!(call().header("host", "evil.example").send(&mcp).await.status, StatusCode::FORBIDDEN);
        assert_eq!(call().header("origin", "https://evil.example").send(&mcp).await.status, StatusCode::FORBIDDEN);
        assert_eq!(call().header("origin", "not an origin").send(&mcp).await.status, StatusCode::FORBIDDEN);
        assert_eq!(call().header("origin", "https://app.example").send(&strict).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(session.info().unwrap().last_active_at, last_active);
    assert_eq!(service.operator().stats().sessions, 1);
    let call = Call::tool("add").by(&alice).session(&id);
    assert_eq!(call.header("origin", "https://app.example").send(&mcp).await.status, StatusCode::OK);
    assert!(session.info().unwrap().last_active_at > last_active);
}
