//! A Redis of our own on loopback: a hash for each session, one multiplexed connection for all callers.
//!
//! Nothing is written to disk, and an update is `HINCRBY`, which is atomic there.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::machine;
use crate::session::{COUNTER, READ, state};
use crate::store::Store;

/// Sessions that one pipeline creates.
const BATCH: usize = 1_000;

/// A running server, stopped when dropped.
struct Server {
    process: Child,
    _folder: TempDir,
}

impl Server {
    fn resident(&self) -> u64 {
        machine::resident(&self.process.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

async fn start() -> (Server, MultiplexedConnection) {
    let folder = tempfile::tempdir().expect("a folder");
    // Free now; whoever takes it before the server does makes the connection below fail, and nothing worse.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let process = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server starts");
    let server = Server { process, _folder: folder };
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).expect("an address");
    for _ in 0..250 {
        if let Ok(connection) = client.get_multiplexed_async_connection().await {
            return (server, connection);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("redis-server did not answer within five seconds")
}

/// Sessions in Redis.
pub(crate) struct Redis {
    ids: Vec<String>,
    server: Server,
    connection: MultiplexedConnection,
    empty: u64,
}

impl Store for Redis {
    async fn build(ids: Vec<String>) -> Self {
        let (server, mut connection) = start().await;
        let empty = server.resident();
        let state: Vec<_> = state().into_iter().map(|(key, value)| (key, value.to_string())).collect();
        for batch in ids.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            for id in batch {
                pipeline.hset_multiple(id, &state).ignore();
            }
            pipeline.query_async::<()>(&mut connection).await.expect("sets");
        }
        Self { ids, server, connection, empty }
    }

    async fn read(&self, place: usize) -> usize {
        let text: String =
            self.connection.clone().hget(&self.ids[place], READ).await.map(Option::unwrap_or_default).expect("reads");
        text.len()
    }

    async fn update(&self, place: usize) -> bool {
        let sum: redis::RedisResult<i64> = redis::cmd("HINCRBY")
            .arg(&self.ids[place])
            .arg(COUNTER)
            .arg(1)
            .query_async(&mut self.connection.clone())
            .await;
        sum.is_ok()
    }

    async fn counted(&self, place: usize) -> u64 {
        let mut command = redis::cmd("HGET");
        command.arg(&self.ids[place]).arg(COUNTER);
        command.query_async(&mut self.connection.clone()).await.expect("the counter is a number")
    }

    fn resident(&self) -> u64 {
        self.server.resident()
    }

    fn empty(&self, _before: u64) -> u64 {
        self.empty
    }
}
