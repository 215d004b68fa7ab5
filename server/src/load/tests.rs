//! Places, the line and the answers, over real sockets.

use std::net::SocketAddr;

use axum::routing::any;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::{Limits, serve};

const LISTENS: &str = "mcp-method: subscriptions/listen\r\n";

struct Server {
    addr: SocketAddr,
    /// Each permit lets one request end.
    release: Arc<Semaphore>,
    /// A permit for each request that has begun.
    begun: Arc<Semaphore>,
    _trigger: crate::shutdown::Trigger,
}

async fn start(pairs: &[(&'static str, &str)]) -> Server {
    let flags = pairs.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect();
    let load = Load::new(&ServeOptions::read(flags, []).unwrap());
    let (release, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (wait, tell) = (Arc::clone(&release), Arc::clone(&begun));
    let held = move || async move {
        tell.add_permits(1);
        wait.acquire().await.unwrap().forget();
        "done"
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (trigger, shutdown) = crate::shutdown::channel();
    let router = shed(Router::new().route("/mcp", any(held)), load);
    tokio::spawn(serve(listener, router, Limits::new(64), shutdown));
    Server { addr, release, begun, _trigger: trigger }
}

impl Server {
    /// Sends a request and gives the whole answer.
    async fn ask(&self, method: &str, headers: &str) -> String {
        ask(self.addr, method, headers).await
    }

    /// Sends a request that is held; returns once it has its place.
    async fn hold(&self, method: &'static str) -> tokio::task::JoinHandle<String> {
        let held = tokio::spawn(ask(self.addr, method, ""));
        self.begun.acquire().await.unwrap().forget();
        held
    }
}

async fn ask(addr: SocketAddr, method: &str, headers: &str) -> String {
    let mut io = TcpStream::connect(addr).await.unwrap();
    let request = format!("{method} /mcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    io.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn what_finds_no_place_is_answered_503_in_the_clients_own_form() {
    let server = start(&[("max-requests", "1"), ("max-streams", "1"), ("request-wait", "10ms")]).await;
    let first = server.hold("POST").await;
    let refused = server.ask("POST", "").await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"), "{refused}");
    let body: serde_json::Value = serde_json::from_str(refused.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&body["jsonrpc"], &body["id"]), (&"2.0".into(), &serde_json::Value::Null));
    assert_eq!(body["error"]["code"], -32000);
    assert!(body["error"]["message"].as_str().unwrap().contains("try again in a second"), "{body}");
    // A stream takes no place of a request, and has a cap of its own, whichever era it speaks.
    let stream = server.hold("GET").await;
    for (method, headers) in [("GET", ""), ("POST", LISTENS)] {
        let refused = server.ask(method, headers).await;
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"), "{refused}");
        assert!(refused.contains("too many event streams are open"), "{refused}");
    }
    assert!(server.ask("DELETE", "").await.contains("\r\n\r\nthe server is busy"));
    server.release.add_permits(3);
    assert!(first.await.unwrap().ends_with("done"));
    assert!(stream.await.unwrap().ends_with("done"));
    assert!(server.ask("POST", "").await.ends_with("done"));
}

#[tokio::test]
async fn a_short_line_waits_for_a_place_and_nobody_behind_it() {
    let server = start(&[("max-requests", "1"), ("request-wait", "10m")]).await;
    let first = server.hold("POST").await;
    let (mut one, mut other) = (Box::pin(server.ask("POST", "")), Box::pin(server.ask("POST", "")));
    // Both want the one place in the line: one is told at once, while the other still waits.
    let (told, waits) = tokio::select! {
        told = &mut one => (told, other),
        told = &mut other => (told, one),
    };
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    server.release.add_permits(2);
    assert!(first.await.unwrap().ends_with("done"));
    assert!(waits.await.ends_with("done"));
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let server = start(&[("max-requests", "1"), ("request-wait", "10m")]).await;
    let mut leaves = TcpStream::connect(server.addr).await.unwrap();
    leaves.write_all(b"POST /mcp HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.begun.acquire().await.unwrap().forget();
    drop(leaves);
    let next = server.hold("POST").await;
    server.release.add_permits(1);
    assert!(next.await.unwrap().ends_with("done"));
}
