//! Protocol sessions over a restart.

use std::path::Path;
use std::time::Duration;

use crate::client::{Call, connect, mounted, service, somebody};
use crate::server::Probe;
use http::StatusCode;
use serde_json::json;
use sessile::mcp::McpService;
use sessile::{Caller, Format, SessionService};
use tokio::task::JoinSet;

async fn start(folder: &Path, format: Format) -> SessionService {
    SessionService::builder().snapshots(folder.to_owned()).format(format).start().await.unwrap()
}

#[tokio::test]
async fn a_session_and_its_state_survive_a_drain() {
    for format in [Format::Bincode, Format::Json] {
        let folder = tempfile::tempdir().unwrap();
        let service = start(folder.path(), format).await;
        let mcp = mounted(&service, &Probe::new());
        let (alice, bob) = (somebody("alice"), somebody("bob"));
        let hers = connect(&mcp, &alice).await;
        let nobodys = connect(&mcp, &Caller::Anonymous).await;
        for (caller, id) in [(&alice, &hers), (&alice, &hers), (&Caller::Anonymous, &nobodys)] {
            Call::tool("add").by(caller).session(id).send(&mcp).await.structured();
        }
        assert!(mcp.drain(Duration::from_secs(5)).await);
        service.drain().await.unwrap();
        drop((mcp, service));

        let (service, probe) = (start(folder.path(), format).await, Probe::new());
        let mcp = mounted(&service, &probe);
        let theirs = Call::tool("read").by(&bob).session(&hers).send(&mcp).await;
        assert_eq!((theirs.status, probe.handshakes()), (StatusCode::NOT_FOUND, 0));
        assert_eq!(Call::tool("read").by(&alice).session(&hers).send(&mcp).await.structured(), json!({"count": 2}));
        assert_eq!(Call::tool("add").by(&alice).session(&hers).send(&mcp).await.structured(), json!({"count": 3}));
        assert_eq!(Call::tool("read").session(&nobodys).send(&mcp).await.structured(), json!({"count": 1}));
        assert_eq!(probe.handshakes(), 2);
    }
}

#[tokio::test]
async fn a_session_and_its_state_survive_a_crash_after_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Format::Bincode).await;
    let mcp = mounted(&service, &Probe::new());
    let id = connect(&mcp, &Caller::Anonymous).await;
    Call::tool("add").session(&id).send(&mcp).await.structured();
    service.snapshot().await.unwrap();
    // What a crash leaves: the files as they are now.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let service = start(copy.path(), Format::Bincode).await;
    let mcp = mounted(&service, &Probe::new());
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.structured(), json!({"count": 2}));
}

#[tokio::test]
async fn an_ended_session_stays_ended_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Format::Bincode).await;
    let mcp = mounted(&service, &Probe::new());
    let id = connect(&mcp, &Caller::Anonymous).await;
    Call::delete().session(&id).send(&mcp).await;
    mcp.drain(Duration::from_secs(5)).await;
    service.drain().await.unwrap();
    drop((mcp, service));
    let service = start(folder.path(), Format::Bincode).await;
    let mcp = mounted(&service, &Probe::new());
    assert_eq!(Call::tool("read").session(&id).send(&mcp).await.status, StatusCode::NOT_FOUND);
}

/// Sends `crowd` calls at once to a server that has just come up; every one must count.
async fn rush(mcp: &McpService, id: &str, crowd: u64) {
    let mut calls = JoinSet::new();
    for n in 0..crowd {
        let (mcp, call) = (mcp.clone(), Call::tool_as("add", n).session(id));
        calls.spawn(async move { call.send(&mcp).await });
    }
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(answer.structured()["count"].is_i64(), "{answer:?}");
    }
}

async fn a_crowd_finds_its_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(folder.path(), Format::Bincode).await;
    let id = connect(&mounted(&service, &Probe::new()), &Caller::Anonymous).await;
    let mut sent = 0;
    for (crowd, rounds) in [(16, 24), (64, 8)] {
        service.drain().await.unwrap();
        drop(service);
        service = start(folder.path(), Format::Bincode).await;
        for _ in 0..rounds {
            // To rmcp a new mount is a restart.
            let probe = Probe::new();
            let mcp = mounted(&service, &probe);
            rush(&mcp, &id, crowd).await;
            sent += crowd;
            assert_eq!(probe.handshakes(), 1, "one replay serves all");
            let count = Call::tool("read").session(&id).send(&mcp).await.structured();
            assert_eq!(count, json!({"count": sent}));
        }
    }
    assert_eq!(sent, 896);
}

#[tokio::test]
async fn a_crowd_finds_its_session_on_one_thread() {
    a_crowd_finds_its_session().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_finds_its_session_on_many_threads() {
    a_crowd_finds_its_session().await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_replay_holds_nobody_up() {
    let (service, probe) = (service().await, Probe::new());
    let id = connect(&mounted(&service, &probe), &Caller::Anonymous).await;
    let mcp = mounted(&service, &probe);
    let before = probe.handlers();
    let mut leaver = Box::pin(Call::tool("add").session(&id).send(&mcp));
    while probe.handlers() == before {
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(leaver.as_mut().poll(cx).is_pending())).await);
        tokio::task::yield_now().await;
    }
    drop(leaver);
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.structured(), json!({"count": 1}));
}

#[tokio::test]
async fn a_replay_that_the_handler_refuses_is_an_unknown_session() {
    let (service, probe) = (service().await, Probe::new());
    let id = connect(&mounted(&service, &probe), &Caller::Anonymous).await;
    let mcp = mounted(&service, &probe);
    probe.refuse(true);
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.status, StatusCode::NOT_FOUND);
    // The refusal ended nothing: the handler may know better next time.
    probe.refuse(false);
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.structured(), json!({"count": 1}));
}
