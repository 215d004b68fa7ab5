//! Event streams, read event by event.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt as _;
use serde_json::Value;
use sessile::mcp::McpService;

use crate::client::Call;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    /// Null where the event says nothing.
    pub(crate) message: Value,
}

impl Event {
    pub(crate) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_else(|| panic!("no id: {self:?}"))
    }

    /// How many events are missing at most, if that is what it tells; -1 for nobody knows.
    pub(crate) fn missing(&self) -> Option<i64> {
        let missing = self.message["params"]["data"].get("missing")?;
        assert_eq!(
            (&self.message["method"], &self.message["params"]["level"]),
            (&"notifications/message".into(), &"warning".into())
        );
        Some(missing["atMost"].as_i64().unwrap_or(-1))
    }
}

/// One connection to a stream; dropped, it is cut.
pub(crate) struct Connection {
    body: Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>,
    text: String,
}

impl Connection {
    pub(crate) async fn open(mcp: &McpService, call: Call) -> Self {
        let answer = call.open(mcp).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: Box::pin(answer.into_body()), text: String::new() }
    }

    /// The next event; none at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (parsed(event), rest.to_owned());
                self.text = rest;
                if let Some(event) = event {
                    return Some(event);
                }
                continue;
            }
            // Where nothing can come any more the test ends: at once, where time is paused.
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame()).await;
            let data = frame.expect("an event, or the stream's end")?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// All of it to its end.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// So many events of it.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.next().await.expect("an event"));
        }
        events
    }
}

/// Nothing for a comment.
fn parsed(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let data = field("data")?;
    let message = if data.is_empty() { Value::Null } else { serde_json::from_str(data).unwrap() };
    Some(Event {
        id: field("id").map(str::to_owned),
        retry: field("retry").map(|retry| retry.parse().unwrap()),
        message,
    })
}
