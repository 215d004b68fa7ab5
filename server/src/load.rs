//! Load that is more than the server takes: places for requests and for streams, a short line, and a typed answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, StatusCode};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::options::ServeOptions;

const SHED: &str = "sessile_requests_shed_total";
/// The header that names a request's method in the era without sessions, and the one method whose answer never ends.
const METHOD: &str = "mcp-method";
const LISTEN: &str = "subscriptions/listen";

/// The cap that shed a request, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// No place among the requests, for as long as one may wait.
    Requests,
    /// No place in the line for one.
    Line,
    /// No place among the event streams.
    Streams,
    /// No place among the connections.
    Connections,
}

/// Places for what is served at a time.
pub(crate) struct Load {
    requests: Arc<Semaphore>,
    /// As many may wait for a place as there are places: who is behind them would wait in vain.
    line: Semaphore,
    streams: Arc<Semaphore>,
    wait: Duration,
}

impl Load {
    /// Places as the options say, and the metric of what finds none.
    #[must_use]
    pub(crate) fn new(options: &ServeOptions) -> Arc<Self> {
        metrics::describe_counter!(SHED, "Requests and connections that were answered 503, by the cap they met.");
        for reason in [Shed::Requests, Shed::Line, Shed::Streams, Shed::Connections] {
            metrics::counter!(SHED, "reason" => reason.label()).absolute(0);
        }
        let places = |most: usize| most.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            requests: Arc::new(Semaphore::new(places(options.max_requests))),
            line: Semaphore::new(places(options.max_requests)),
            streams: Arc::new(Semaphore::new(places(options.max_streams))),
            wait: options.request_wait,
        })
    }

    /// A place for this request, kept until its answer is out.
    async fn place(&self, stream: bool) -> Result<OwnedSemaphorePermit, Shed> {
        if stream {
            return Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Shed::Streams);
        }
        if let Ok(place) = Arc::clone(&self.requests).try_acquire_owned() {
            return Ok(place);
        }
        let _in_line = self.line.try_acquire().map_err(|_| Shed::Line)?;
        match tokio::time::timeout(self.wait, Arc::clone(&self.requests).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Shed::Requests),
        }
    }
}

/// Lets `router` see no more at a time than there are places for.
pub(crate) fn shed(router: Router, load: Arc<Load>) -> Router {
    router.layer(middleware::from_fn_with_state(load, admit))
}

async fn admit(State(load): State<Arc<Load>>, request: Request, next: Next) -> Response {
    match load.place(is_stream(&request)).await {
        Ok(place) => next.run(request).await.map(|body| Body::new(Held { body, _place: place })),
        Err(shed) => {
            shed.count();
            shed.answer(request.method() == Method::POST)
        }
    }
}

/// Whether the answer goes on for as long as the client likes. One that says so of another request gets a place among
/// the streams for it, of which there are as few.
fn is_stream(request: &Request) -> bool {
    let listens = || request.headers().get(METHOD).is_some_and(|method| method == LISTEN);
    request.method() == Method::GET || (request.method() == Method::POST && listens())
}

impl Shed {
    const fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Line => "line",
            Self::Streams => "streams",
            Self::Connections => "connections",
        }
    }

    /// Counts one that was shed.
    pub(crate) fn count(self) {
        metrics::counter!(SHED, "reason" => self.label()).increment(1);
    }

    /// 503, in the form that the client reads. The request's id is not known: nobody read the body.
    fn answer(self, rpc: bool) -> Response {
        let text = match self {
            Self::Streams => "too many event streams are open: go on without one, or try again in a second",
            _ => "the server is busy: nothing was done, try again in a second and send fewer requests at a time",
        };
        let (kind, body) = if rpc {
            let error = serde_json::json!({ "code": -32000, "message": text, "data": { "retry_after_seconds": 1 } });
            let answer = serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": error });
            ("application/json", answer.to_string())
        } else {
            ("text/plain; charset=utf-8", format!("{text}\n"))
        };
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1"), (CONTENT_TYPE, kind)], body).into_response()
    }
}

/// A body that keeps its request's place until it is out.
struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
