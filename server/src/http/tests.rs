//! Slow clients, the cap, failures to accept, and the stop. In-memory connections and paused time.

use axum::body::Body;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::shutdown::{Trigger, channel};

/// Connections, and failures to accept one, as a test sends them.
struct Scripted(mpsc::UnboundedReceiver<io::Result<DuplexStream>>);

impl Accept for Scripted {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<DuplexStream> {
        match self.0.recv().await {
            Some(next) => next,
            None => std::future::pending().await,
        }
    }
}

struct Server {
    connections: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    trigger: Trigger,
    /// Each release lets one request to `/held` finish.
    release: Arc<Notify>,
    /// Told when a request to `/held` has begun.
    begun: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    fn start(max_connections: usize) -> Self {
        let (connections, receiver) = mpsc::unbounded_channel();
        let (trigger, shutdown) = channel();
        let (release, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (wait, tell) = (Arc::clone(&release), Arc::clone(&begun));
        let held = move || async move {
            tell.notify_one();
            wait.notified().await;
            "done"
        };
        let endless = || async { endless_body() };
        let router =
            Router::new().route("/", get(async || "hello")).route("/held", get(held)).route("/stream", get(endless));
        let task = tokio::spawn(serve(Scripted(receiver), router, Limits::new(max_connections), shutdown));
        Self { connections, trigger, release, begun, task }
    }

    fn connect(&self) -> DuplexStream {
        let (ours, theirs) = duplex(64 << 10);
        self.connections.send(Ok(theirs)).unwrap();
        ours
    }
}

/// A body that never ends, as an event stream is.
fn endless_body() -> Body {
    struct Endless;

    impl hyper::body::Body for Endless {
        type Data = hyper::body::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    Body::new(Endless)
}

async fn send(io: &mut DuplexStream, path: &str, more: &str) {
    io.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n").as_bytes()).await.unwrap();
}

/// Everything the server sends until it closes.
async fn rest(mut io: DuplexStream) -> String {
    let mut text = String::new();
    io.read_to_string(&mut text).await.unwrap();
    text
}

/// Reads up to `end`.
async fn read_to(io: &mut DuplexStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        text.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn slow_headers_are_cut() {
    let server = Server::start(8);
    let start = Instant::now();
    for begun in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\nslow"] {
        let mut io = server.connect();
        io.write_all(begun.as_bytes()).await.unwrap();
        let before = Instant::now();
        assert!(!rest(io).await.contains("hello"), "{begun:?}");
        assert_eq!(before.elapsed().as_secs(), HEADER_READ_TIMEOUT.as_secs(), "{begun:?}");
    }
    assert_eq!(start.elapsed().as_secs(), 5 * HEADER_READ_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_second_request_that_never_comes_is_cut_too() {
    let server = Server::start(8);
    let mut io = server.connect();
    send(&mut io, "/", "").await;
    read_to(&mut io, "hello").await;
    let before = Instant::now();
    assert_eq!(rest(io).await, "");
    assert_eq!(before.elapsed().as_secs(), HEADER_READ_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_not_cut() {
    let server = Server::start(8);
    let mut io = server.connect();
    send(&mut io, "/held", "connection: close\r\n").await;
    server.begun.notified().await;
    tokio::time::advance(HEADER_READ_TIMEOUT * 10).await;
    server.release.notify_one();
    assert!(rest(io).await.ends_with("done"));
}

#[tokio::test(start_paused = true)]
async fn the_cap_holds_and_a_freed_place_is_taken() {
    let server = Server::start(1);
    let mut first = server.connect();
    send(&mut first, "/held", "connection: close\r\n").await;
    server.begun.notified().await;
    let mut second = server.connect();
    send(&mut second, "/", "").await;
    let refused = rest(second).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
    assert!(refused.ends_with("too many connections, try again in a second\n"), "{refused}");
    server.release.notify_one();
    assert!(rest(first).await.ends_with("done"));
    let mut third = server.connect();
    send(&mut third, "/", "connection: close\r\n").await;
    assert!(rest(third).await.ends_with("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_says_nothing_is_closed_soon() {
    let server = Server::start(1);
    let mut first = server.connect();
    send(&mut first, "/held", "").await;
    server.begun.notified().await;
    let before = Instant::now();
    assert_eq!(rest(server.connect()).await, "");
    assert_eq!(before.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_to_accept_are_survived() {
    let server = Server::start(8);
    let start = Instant::now();
    let too_many_files = io::Error::from_raw_os_error(24);
    server.connections.send(Err(io::ErrorKind::ConnectionAborted.into())).unwrap();
    server.connections.send(Err(too_many_files)).unwrap();
    let mut io = server.connect();
    send(&mut io, "/", "connection: close\r\n").await;
    assert!(rest(io).await.ends_with("hello"));
    assert_eq!(start.elapsed().as_millis(), ACCEPT_PAUSE.as_millis());
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_was_begun_and_takes_nothing_new() {
    let server = Server::start(8);
    let mut idle = server.connect();
    send(&mut idle, "/", "").await;
    read_to(&mut idle, "hello").await;
    let mut busy = server.connect();
    send(&mut busy, "/held", "").await;
    server.begun.notified().await;
    server.trigger.drain();
    assert_eq!(rest(idle).await, "");
    assert!(server.connections.is_closed() || server.connections.send(Ok(duplex(1).0)).is_err());
    server.release.notify_one();
    let answer = rest(busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"), "{answer}");
    let before = Instant::now();
    server.task.await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 0, "a stop with nothing left to do waits for nothing");
}

#[tokio::test(start_paused = true)]
async fn streams_are_cut_at_the_deadline() {
    let server = Server::start(8);
    let mut stream = server.connect();
    send(&mut stream, "/stream", "").await;
    read_to(&mut stream, "\r\n\r\n").await;
    let before = Instant::now();
    server.trigger.drain();
    server.task.await.unwrap();
    assert_eq!(before.elapsed().as_secs(), DRAIN_DEADLINE.as_secs());
    assert_eq!(rest(stream).await, "");
}

#[tokio::test(start_paused = true)]
async fn streams_are_cut_at_once_when_told_to() {
    let server = Server::start(8);
    let mut stream = server.connect();
    send(&mut stream, "/stream", "").await;
    read_to(&mut stream, "\r\n\r\n").await;
    let before = Instant::now();
    server.trigger.cut();
    server.task.await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 0);
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn serves_a_real_socket() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (trigger, shutdown) = channel();
    let task = tokio::spawn(serve(listener, Router::new().route("/", get(async || "hello")), Limits::new(1), shutdown));
    let mut io = tokio::net::TcpStream::connect(addr).await.unwrap();
    io.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    io.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("hello"), "{text}");
    trigger.drain();
    task.await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn too_many_headers_too_long_ones_and_too_long_an_address_are_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (_trigger, shutdown) = channel();
    tokio::spawn(serve(listener, Router::new().route("/", get(async || "hello")), Limits::new(8), shutdown));
    let many: String = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(64 << 10));
    let address = "x".repeat(8 << 10);
    for (address, headers, status) in
        [("", &*many, "431"), ("", &*long, "431"), (&*address, "", "414"), ("", "", "200")]
    {
        let mut io = tokio::net::TcpStream::connect(addr).await.unwrap();
        let request = format!("GET /?{address} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        // It may be refused before all of it is sent.
        let _ = io.write_all(request.as_bytes()).await;
        let mut text = [0; 12];
        io.read_exact(&mut text).await.unwrap();
        assert_eq!(std::str::from_utf8(&text).unwrap(), format!("HTTP/1.1 {status}"));
    }
}
