//! A protocol session from its handshake to its end.

use crate::client::{Call, connect, initialize, mounted, mounted_with, service, somebody};
use crate::server::Probe;
use http::StatusCode;
use serde_json::json;
use sessile::mcp::McpOptions;
use sessile::{Caller, ListQuery, Principal, SessionService};

#[tokio::test]
async fn a_handshake_opens_a_session_of_the_callers_own() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let alice = somebody("alice");
    let id = connect(&mcp, &alice).await;
    assert!(id.starts_with("mcp_"), "{id}");

    assert_eq!(Call::tool("add").by(&alice).session(&id).send(&mcp).await.structured(), json!({"count": 1}));
    assert_eq!(Call::tool("add").by(&alice).session(&id).send(&mcp).await.structured(), json!({"count": 2}));
    let who = Call::tool("who").by(&alice).session(&id).send(&mcp).await.structured();
    let expected = json!({"era": "legacy", "caller": "alice", "owner": "alice", "session": id, "header": id});
    assert_eq!(who, expected);

    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    let info = owner.open(&id).await.unwrap().info().unwrap();
    assert_eq!((info.kind.as_str(), info.metadata.user_agent.as_deref()), ("mcp", Some("test/1")));
}

#[tokio::test]
async fn a_caller_without_identity_holds_its_session_by_the_id() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    // No caller in the extensions is the anonymous caller.
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.structured(), json!({"count": 1}));
    let theirs = Call::tool("add").by(&somebody("alice")).session(&id).send(&mcp).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_id_spelled_otherwise_is_the_same_session() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let (kind, digits) = id.split_once('_').unwrap();
    let shouted = format!("{kind}_{}", digits.to_uppercase());
    let who = Call::tool("who").session(&shouted).send(&mcp).await.structured();
    assert_eq!((&who["session"], &who["header"]), (&json!(id), &json!(id)));
    assert_eq!((probe.handlers(), probe.handshakes()), (1, 1));
}

#[tokio::test]
async fn delete_ends_the_session_for_good() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let alice = somebody("alice");
    let id = connect(&mcp, &alice).await;
    assert_eq!(Call::delete().by(&alice).session(&id).send(&mcp).await.status, StatusCode::ACCEPTED);
    assert_eq!(service.operator().stats().sessions, 0);
    for call in [Call::tool("read"), Call::get(), Call::delete()] {
        let answer = call.by(&alice).session(&id).send(&mcp).await;
        let text = std::str::from_utf8(&answer.body).unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        // What may have happened, and what to do: of any session that is not there, the same.
        for said in ["Session not found", "idle timeout", "another caller", "never had it", "`initialize`"] {
            assert!(text.contains(said), "{text}");
        }
        let never = Call::tool("read").by(&alice).session("mcp_0").send(&mcp).await;
        assert_eq!(never.body, answer.body);
    }
}

#[tokio::test]
async fn a_session_closed_elsewhere_is_gone_here() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let alice = somebody("alice");
    let id = connect(&mcp, &alice).await;
    service.owner(&Principal::new("https://id.example", "alice")).close_all().await.unwrap();
    assert_eq!(Call::tool("read").by(&alice).session(&id).send(&mcp).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_of_another_kind_is_no_protocol_session() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    let never_was = Call::tool("read").by(&somebody("alice")).session("no-such-session").send(&mcp).await;
    assert_eq!(never_was.status, StatusCode::NOT_FOUND);
    // The second has the kind of a protocol session and no handshake.
    for kind in ["cart", "mcp"] {
        let session = owner.create(sessile::NewSession::of_kind(kind).unwrap()).await.unwrap();
        let answer = Call::tool("read").by(&somebody("alice")).session(session.id().as_str()).send(&mcp).await;
        assert_eq!(answer, never_was, "{kind}");
        assert!(session.info().is_ok());
    }
}

#[tokio::test]
async fn a_refused_handshake_leaves_no_session() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    probe.refuse(true);
    let refused = Call::initialize().by(&somebody("alice")).send(&mcp).await;
    assert_eq!(refused.session_id(), None);
    assert_eq!(refused.message()["error"]["message"], "not today");
    assert_eq!(service.operator().stats().sessions, 0);
}

#[tokio::test]
async fn a_handshake_whose_client_left_leaves_no_session() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let mut opening = Box::pin(Call::initialize().send(&mcp));
    while service.operator().stats().sessions == 0 {
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(opening.as_mut().poll(cx).is_pending())).await);
        tokio::task::yield_now().await;
    }
    drop(opening);
    assert_eq!(service.operator().stats().sessions, 0);
}

#[tokio::test]
async fn a_handshake_too_large_to_keep_leaves_no_session() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let mut handshake = initialize("2025-11-25");
    handshake["params"]["clientInfo"]["title"] = "x".repeat(65 << 10).into();
    let refused = Call::post(&handshake).send(&mcp).await;
    assert_eq!((refused.status, refused.session_id()), (StatusCode::PAYLOAD_TOO_LARGE, None));
    assert_eq!(service.operator().stats().sessions, 0);
}

#[tokio::test]
async fn a_full_service_opens_no_session() {
    let service = SessionService::builder().max_sessions(1_u64).start().await.unwrap();
    let probe = Probe::new();
    let mcp = mounted(&service, &probe);
    let first = connect(&mcp, &somebody("alice")).await;
    let refused = Call::initialize().by(&somebody("bob")).send(&mcp).await;
    assert_eq!((refused.status, refused.session_id()), (StatusCode::SERVICE_UNAVAILABLE, None));
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert_eq!(Call::tool("add").by(&somebody("alice")).session(&first).send(&mcp).await.status, StatusCode::OK);
    Call::delete().by(&somebody("alice")).session(&first).send(&mcp).await;
    connect(&mcp, &somebody("bob")).await;
}

#[tokio::test]
async fn an_initialize_opens_a_session_whatever_version_and_id_it_names() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let alice = somebody("alice");
    let first = connect(&mcp, &alice).await;
    let call = Call::post(&initialize("2026-07-28")).header("mcp-protocol-version", "2026-07-28");
    let second = call.by(&alice).session(&first).send(&mcp).await;
    assert_eq!(second.message()["result"]["protocolVersion"], "2025-11-25");
    assert!(second.session_id().is_some_and(|id| id != first), "{second:?}");
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    assert_eq!(owner.list(&ListQuery::default()).await.unwrap().sessions.len(), 2);
}

#[tokio::test]
async fn a_request_of_the_older_era_names_one_session() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    for call in [Call::tool("read"), Call::get(), Call::delete()] {
        assert_eq!(call.send(&mcp).await.status, StatusCode::BAD_REQUEST);
    }
    let mut twice = Call::tool("read").session(&id);
    twice.headers_mut().append("mcp-session-id", id.parse().unwrap());
    assert_eq!(twice.send(&mcp).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(Call::tool("read").session("two words").send(&mcp).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted_with(&service, &probe, McpOptions::default().max_body_bytes(1_000));
    connect(&mcp, &Caller::Anonymous).await;
    let large = Call::post(&json!({"padding": "x".repeat(1_000)})).send(&mcp).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
}
