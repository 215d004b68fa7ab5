//! Serving HTTP: a cap on connections, a limit on slow clients, a stop that finishes what was begun.
//!
//! `axum::serve` has none of the three, so connections are served here, over hyper's builder.

mod accept;
mod connection;
mod linger;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use crate::load::Shed;
use crate::shutdown::Shutdown;
pub(crate) use accept::Accept;
use connection::{Protocol, refuse, run};

/// How long a client may take to send a request's headers, the wait for its first or next request included.
pub(crate) const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for requests and streams that are under way.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// Connections beyond the cap that are told so at a time; more are closed without a word.
const REFUSALS: usize = 64;
/// How long to wait after the system had no room for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// What a server takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time. One more is answered `503` at once and closed: a wait would tell the client nothing,
    /// and the requests of those connected go on.
    pub(crate) max_connections: usize,
    /// How long a client may take to send a request's headers.
    pub(crate) header_read_timeout: Duration,
    /// How long a stop waits for requests and streams that are under way.
    pub(crate) drain_deadline: Duration,
}

impl Limits {
    /// The usual limits, for so many connections.
    #[must_use]
    pub(crate) fn new(max_connections: usize) -> Self {
        let max_connections = max_connections.min(Semaphore::MAX_PERMITS);
        Self { max_connections, header_read_timeout: HEADER_READ_TIMEOUT, drain_deadline: DRAIN_DEADLINE }
    }
}

/// Serves `router` to whoever `listener` accepts, HTTP/1 and HTTP/2, until the stop. Then it accepts no more, lets
/// requests under way finish, and cuts what is left (event streams, above all) at the deadline or when told to.
///
/// Failures to accept never end it: where the system has no room (too many open files), it pauses and tries again.
pub(crate) async fn serve<A: Accept>(mut listener: A, router: Router, limits: Limits, mut shutdown: Shutdown) {
    let protocol = Arc::new(Protocol::new(limits.header_read_timeout));
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.draining() => break,
            Some(ended) = tasks.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let io = match accepted {
            Ok(io) => io,
            Err(error) => {
                pause(&error, &mut shutdown).await;
                continue;
            }
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let serving = run(Arc::clone(&protocol), io, router.clone(), shutdown.clone());
            tasks.spawn(holding(place, serving));
        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
            Shed::Connections.count();
            tasks.spawn(holding(place, refuse(Arc::clone(&protocol), io)));
        } else {
            Shed::Connections.count();
        }
    }
    drop(listener);
    finish(tasks, limits.drain_deadline, shutdown).await;
}

/// Runs `work` and gives back what it held only after all of `work` is dropped, its connection included.
async fn holding<T>(held: T, work: impl Future<Output = ()>) {
    work.await;
    drop(held);
}

/// Waits for the connections under way, no longer than the deadline.
async fn finish(mut tasks: JoinSet<()>, deadline: Duration, mut shutdown: Shutdown) {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    };
    let in_time = tokio::select! {
        ended = tokio::time::timeout(deadline, all) => ended.is_ok(),
        () = shutdown.cut() => false,
    };
    if !in_time {
        tracing::warn!(connections = tasks.len(), "cut the connections that were still open");
        tasks.shutdown().await;
    }
}

/// Waits before the next try, unless it was the one connection that failed and not the system.
async fn pause(error: &io::Error, shutdown: &mut Shutdown) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(%error, "cannot accept connections, trying again");
    tokio::select! {
        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
        () = shutdown.draining() => {}
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended in a panic");
    }
}
