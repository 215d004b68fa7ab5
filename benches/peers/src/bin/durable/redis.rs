//! A Redis of our own that syncs its log before it answers; a hash for each session, a connection for each caller.
//!
//! Over a Unix socket, which is faster than loopback. Redis runs what all connections sent meanwhile, syncs once, and then
//! answers them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use crate::random::Random;
use crate::run::{SESSIONS, Store};
use crate::session::{COUNTER, state};

/// Sessions that one pipeline creates.
const BATCH: usize = 1_000;

/// Whether there is a server to start.
pub(crate) fn is_installed() -> bool {
    Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A running server, stopped when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Sessions in Redis.
pub(crate) struct Redis {
    _server: Server,
    connections: Vec<MultiplexedConnection>,
}

fn id(place: usize) -> String {
    format!("{place:032x}")
}

impl Store for Redis {
    async fn build(folder: &Path, callers: usize) -> Self {
        let socket = folder.join("socket");
        let process = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--maxclients",
                "4000",
            ])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        let server = Server(process);
        let client = redis::Client::open(format!("redis+unix://{}", socket.display())).expect("an address");
        let mut connections: Vec<MultiplexedConnection> = Vec::new();
        let mut tries = 0..500;
        while connections.len() < callers {
            match client.get_multiplexed_async_connection().await {
                Ok(connection) => connections.push(connection),
                Err(error) => {
                    tries.next().unwrap_or_else(|| panic!("redis-server does not answer: {error}"));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        let state: Vec<_> = state().into_iter().map(|(key, value)| (key, value.to_string())).collect();
        for first in (0..SESSIONS).step_by(BATCH) {
            let mut pipeline = redis::pipe();
            for place in first..first + BATCH {
                pipeline.hset_multiple(id(place), &state).ignore();
            }
            pipeline.query_async::<()>(&mut connections[0]).await.expect("sets");
        }
        Self { _server: server, connections }
    }

    async fn update(&self, caller: usize, random: &mut Random) -> u64 {
        let id = id(random.below(SESSIONS));
        let mut connection = self.connections[caller].clone();
        let sum = redis::cmd("HINCRBY").arg(id).arg(COUNTER).arg(1).query_async::<i64>(&mut connection).await;
        sum.expect("updates");
        1
    }

    async fn counted(mut self) -> u64 {
        let mut pipeline = redis::pipe();
        for place in 0..SESSIONS {
            pipeline.hget(id(place), COUNTER);
        }
        let counters: Vec<u64> = pipeline.query_async(&mut self.connections[0]).await.expect("reads");
        counters.into_iter().sum()
    }
}
