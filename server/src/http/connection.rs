//! One connection: its protocol limits, its first request, its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, RETRY_AFTER};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use super::linger::Lingering;
use crate::shutdown::Shutdown;

/// Bytes of one request's headers, in HTTP/1 with what is read ahead of its body.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// Bytes of one request's address.
const MAX_URI_BYTES: usize = 8 << 10;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection beyond the cap may take to be told so.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// How HTTP is spoken.
pub(super) struct Protocol {
    builder: auto::Builder<TokioExecutor>,
    header_read_timeout: Duration,
}

impl Protocol {
    /// HTTP/1 and HTTP/2 with sane limits. A timeout needs a timer: without one, hyper has none.
    pub(super) fn new(header_read_timeout: Duration) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(header_read_timeout)
            .max_buf_size(MAX_HEADER_BYTES as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        Self { builder, header_read_timeout }
    }
}

/// Serves one connection to its end, or to the end of what it has under way when the stop comes.
///
/// hyper's own timeout starts once it knows the protocol, and knowing that takes up to 24 bytes; a client that sends
/// fewer would hold its place for ever. So a connection without a first request is closed after the same time.
pub(super) async fn run<I>(protocol: Arc<Protocol>, io: I, router: Router, mut shutdown: Shutdown)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        let router = router.clone();
        let request = request.map(|body| Body::new(Lingering::new(body)));
        async move {
            // No path here is longer than a few bytes, and what is asked for beside it comes in bodies and headers.
            if request.uri().to_string().len() > MAX_URI_BYTES {
                return Ok(uri_too_long());
            }
            router.oneshot(request).await
        }
    });
    let mut connection = pin!(protocol.builder.serve_connection(TokioIo::new(io), service));
    let mut first = pin!(tokio::time::sleep(protocol.header_read_timeout));
    let (mut waiting, mut open) = (true, true);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection failed");
                }
                return;
            }
            () = shutdown.draining(), if open => {
                open = false;
                connection.as_mut().graceful_shutdown();
            }
            () = first.as_mut(), if waiting => {
                waiting = false;
                if !begun.load(Ordering::Relaxed) {
                    tracing::debug!("closed a connection that began no request");
                    return;
                }
            }
        }
    }
}

/// Answers the first request of a connection beyond the cap, and closes it.
pub(super) async fn refuse<I>(protocol: Arc<Protocol>, io: I)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        drop(request.map(Lingering::new));
        async { Ok::<_, Infallible>(full()) }
    });
    let connection = protocol.builder.serve_connection(TokioIo::new(io), service);
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, connection).await;
}

fn uri_too_long() -> Response {
    let text = format!("the address is longer than {MAX_URI_BYTES} bytes, send what you have to say in the body\n");
    (StatusCode::URI_TOO_LONG, [(CONNECTION, "close")], text).into_response()
}

fn full() -> Response {
    let headers = [(CONNECTION, "close"), (RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, "too many connections, try again in a second\n").into_response()
}
