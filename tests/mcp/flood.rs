//! Too much at a time: ids of requests that meet, calls without number, bodies that take for ever.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::client::{Call, connect, mounted, service, somebody};
use crate::server::Probe;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sessile::Caller;
use tower_service::Service as _;

#[tokio::test(start_paused = true)]
async fn an_id_belongs_to_one_request_in_flight_at_a_time() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let (id, other) = (connect(&mcp, &Caller::Anonymous).await, connect(&mcp, &Caller::Anonymous).await);
    let waiting = Call::tool_as("wait", 7).session(&id).open(&mcp).await;
    probe.waits().await;
    for tool in ["add", "wait"] {
        let refused = Call::tool_as(tool, 7).session(&id).send(&mcp).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        assert_eq!(refused.message()["error"]["code"], -32600);
        assert_eq!(refused.message()["id"], Value::Null, "the first request alone owns the id");
    }
    // Another id, the same as text, and the same in another session are others.
    assert_eq!(Call::tool_as("add", 8).session(&id).send(&mcp).await.structured(), json!({"count": 1}));
    let text = json!({"jsonrpc": "2.0", "id": "7", "method": "tools/call", "params": {"name": "add"}});
    let text = Call::post(&text).header("mcp-protocol-version", "2025-11-25").session(&id).send(&mcp).await;
    assert_eq!(text.structured(), json!({"count": 2}));
    assert_eq!(Call::tool_as("add", 7).session(&other).send(&mcp).await.structured(), json!({"count": 1}));
    probe.release();
    let answer = waiting.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&answer).unwrap().contains(r#""released":true"#), "{answer:?}");
    for count in 3..50 {
        // Answered, so the id is free, however soon it is used again.
        let again = Call::tool_as("add", 7).session(&id).send(&mcp).await;
        assert_eq!(again.structured(), json!({"count": count}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_client_left_keeps_its_id_until_it_is_done() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    drop(Call::tool_as("wait", 7).session(&id).open(&mcp).await);
    probe.waits().await;
    assert_eq!(Call::tool_as("add", 7).session(&id).send(&mcp).await.status, StatusCode::BAD_REQUEST);
    probe.release();
    while Call::tool_as("add", 7).session(&id).send(&mcp).await.status == StatusCode::BAD_REQUEST {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_of_one_session_have_a_cap_that_others_do_not_feel() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    for call in 0..1_024 {
        // Clients that leave keep nothing of the answers, and the calls go on.
        drop(Call::tool_as("wait", call).session(&id).open(&mcp).await);
        probe.waits().await;
    }
    let refused = Call::tool_as("add", 5_000).session(&id).send(&mcp).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    let other = connect(&mcp, &somebody("alice")).await;
    let others = Call::tool("add").by(&somebody("alice")).session(&other).send(&mcp).await;
    assert_eq!(others.structured(), json!({"count": 1}));
    (0..1_024).for_each(|_| probe.release());
    while Call::tool_as("add", 5_000).session(&id).send(&mcp).await.status == StatusCode::SERVICE_UNAVAILABLE {
        tokio::task::yield_now().await;
    }
}

/// A body that says so much and then nothing more.
struct Stalled(Option<Bytes>);

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_for_ever_is_cut() {
    let (service, probe) = (service().await, Probe::new());
    let mut mcp = mounted(&service, &probe);
    let begun = tokio::time::Instant::now();
    let request = Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
    let answer = mcp.call(request.body(Stalled(Some("{\"jsonrpc\":".into()))).unwrap()).await.unwrap();
    assert_eq!((answer.status(), begun.elapsed().as_secs()), (StatusCode::REQUEST_TIMEOUT, 10));
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"Request Timeout: the body was not there within 10s"), "{text:?}");
}
