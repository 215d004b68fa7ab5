//! The whole edge over real sockets, with a core that only counts.

use std::sync::Arc;

use axum::routing::get;
use metrics_exporter_prometheus::PrometheusRecorder;
use sessile::mcp::Local;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::cli::Flags;

/// Tells what it was asked to do; starts when allowed to.
struct Counting {
    told: mpsc::UnboundedSender<&'static str>,
    release: Arc<Notify>,
}

impl Core for Counting {
    fn routes(&self, _: &ServeOptions) -> Router {
        let (told, release) = (self.told.clone(), Arc::clone(&self.release));
        let answer = move |axum::Extension(caller): axum::Extension<sessile::Caller>| async move {
            told.send("request").unwrap();
            release.notified().await;
            format!("{caller:?}")
        };
        Router::new().route("/mcp", get(answer))
    }

    fn restored(&self) -> String {
        "nothing".into()
    }

    fn tell(&self, readiness: &Readiness) {
        readiness.ready(Some("for a test".into()));
    }

    async fn snapshot(&self) {
        self.told.send("snapshot").unwrap();
    }

    fn end_streams(&self) {
        self.told.send("end streams").unwrap();
    }

    async fn drain(self) -> Result<(), Failure> {
        self.told.send("drain").unwrap();
        Ok(())
    }
}

struct Running {
    events: mpsc::Sender<Event>,
    told: mpsc::UnboundedReceiver<&'static str>,
    release: Arc<Notify>,
    addr: SocketAddr,
    metrics: SocketAddr,
    task: JoinHandle<Result<(), Failure>>,
    _recorder: PrometheusRecorder,
}

fn options(pairs: &[(&'static str, &str)]) -> ServeOptions {
    let flags: Flags = pairs.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect();
    ServeOptions::read(flags, []).unwrap()
}

/// A writer that hands over what it was given when flushed.
struct Announced(Vec<u8>, Option<oneshot::Sender<String>>);

impl Write for Announced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = String::from_utf8(self.0.clone()).unwrap();
        self.1.take().map_or(Ok(()), |sender| sender.send(text).map_err(io::Error::other))
    }
}

async fn start(pairs: &[(&'static str, &str)]) -> Running {
    let (options, recorder) = (options(pairs), crate::metrics::recorder().unwrap());
    let (handle, release) = (recorder.handle(), Arc::new(Notify::new()));
    let (events, receiver) = mpsc::channel(4);
    let (told_sender, told) = mpsc::unbounded_channel();
    let (announced, announcement) = oneshot::channel();
    let core = Counting { told: told_sender, release: Arc::clone(&release) };
    let task = tokio::spawn(async move {
        let mut out = Announced(Vec::new(), Some(announced));
        run(&options, Local.into(), handle, receiver, async |_| Ok(core), &mut out).await
    });
    let text = announcement.await.unwrap();
    let find = |what: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
        line.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
    };
    let (addr, metrics) = (find("mcp"), find("metrics"));
    Running { events, told, release, addr, metrics, task, _recorder: recorder }
}

async fn ask(addr: SocketAddr, path: &str) -> String {
    let mut io = TcpStream::connect(addr).await.unwrap();
    io.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    io.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn serves_everything_on_one_address() {
    let server = start(&[("addr", "127.0.0.1:0")]).await;
    assert_eq!(server.addr, server.metrics);
    assert!(ask(server.addr, "/healthz").await.ends_with("\r\n\r\nok\n"));
    assert!(ask(server.addr, "/readyz").await.ends_with("ready (degraded: for a test)\n"));
    assert!(ask(server.addr, "/metrics").await.contains("text/plain; version=0.0.4"));
    server.release.notify_one();
    assert!(ask(server.addr, "/mcp").await.contains("Principal(Principal("));
    assert!(ask(server.addr, "/other").await.starts_with("HTTP/1.1 404 "));
    server.events.send(Event::Drain).await.unwrap();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn metrics_leave_the_main_address_when_they_have_their_own() {
    let server = start(&[("addr", "127.0.0.1:0"), ("metrics-addr", "127.0.0.1:0")]).await;
    assert_ne!(server.addr, server.metrics);
    assert!(ask(server.addr, "/metrics").await.starts_with("HTTP/1.1 404 "));
    assert!(ask(server.addr, "/readyz").await.starts_with("HTTP/1.1 200 "));
    assert!(ask(server.metrics, "/metrics").await.starts_with("HTTP/1.1 200 "));
    assert!(ask(server.metrics, "/healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(ask(server.metrics, "/mcp").await.starts_with("HTTP/1.1 404 "));
    server.events.send(Event::Drain).await.unwrap();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_finishes_the_request_under_way_before_the_core_stops() {
    let mut server = start(&[("addr", "127.0.0.1:0")]).await;
    server.events.send(Event::Snapshot).await.unwrap();
    assert_eq!(server.told.recv().await, Some("snapshot"));
    let request = tokio::spawn(ask(server.addr, "/mcp"));
    assert_eq!(server.told.recv().await, Some("request"));
    server.events.send(Event::Drain).await.unwrap();
    assert_eq!(server.told.recv().await, Some("end streams"));
    server.release.notify_one();
    assert!(request.await.unwrap().starts_with("HTTP/1.1 200 "));
    assert_eq!(server.told.recv().await, Some("drain"));
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_second_word_to_stop_waits_no_longer_and_still_drains_the_core() {
    let mut server = start(&[("addr", "127.0.0.1:0")]).await;
    let request = tokio::spawn(ask(server.addr, "/mcp"));
    assert_eq!(server.told.recv().await, Some("request"));
    server.events.send(Event::Drain).await.unwrap();
    server.events.send(Event::Drain).await.unwrap();
    assert_eq!(server.told.recv().await, Some("end streams"));
    assert_eq!(request.await.unwrap(), "");
    assert_eq!(server.told.recv().await, Some("drain"));
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn is_restoring_until_the_core_has_started() {
    let options = options(&[("addr", "127.0.0.1:0")]);
    let handle = crate::metrics::recorder().unwrap().handle();
    let mut edge = Edge::start(&options, Local.into(), handle).await.unwrap();
    let readiness = edge.readiness();
    for path in ["/readyz", "/mcp"] {
        let answer = ask(edge.addr(), path).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("restoring\n"), "{answer}");
    }
    edge.open(Router::new(), |readiness| readiness.ready(None));
    assert!(ask(edge.addr(), "/readyz").await.ends_with("\r\n\r\nready\n"));
    readiness.ready(Some("snapshots fail".into()));
    assert!(ask(edge.addr(), "/readyz").await.ends_with("ready (degraded: snapshots fail)\n"));
    edge.drain();
    edge.ended().await;
}

#[tokio::test]
async fn a_taken_address_is_told_with_the_flag_that_changes_it() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = options(&[("addr", &taken.local_addr().unwrap().to_string())]);
    let handle = crate::metrics::recorder().unwrap().handle();
    let Err(failure) = Edge::start(&options, Local.into(), handle).await else { panic!("listened twice") };
    assert!(failure.explain().contains("choose another with --addr\n  because: "), "{}", failure.explain());
}
