//! `sessile serve`: the edge in front, a service behind it, from start to drain.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use sessile::Durability;
use sessile::mcp::{Identify, Readiness};
use tokio::sync::mpsc::Receiver;

use crate::edge::Edge;
use crate::failure::Failure;
use crate::options::{AuthOption, ServeOptions};
use crate::signals::Event;

/// What stands behind the edge. The one place where the session service and its MCP routes are plugged in.
pub(crate) trait Core: Sized + Send + Sync {
    /// Routes with their full paths: `/mcp`. Every request carries a `sessile::Caller` in its extensions, and no
    /// `Authorization` header. `Host` and `Origin` are for these routes to check, against [`ServeOptions::hosts`] and
    /// `allowed_origins`.
    fn routes(&self, options: &ServeOptions) -> Router;

    /// What was restored, one line for whoever started the server.
    fn restored(&self) -> String;

    /// Tells that it is ready, and what is not as it should be, where something is.
    fn tell(&self, readiness: &Readiness);

    /// Takes a snapshot; tells of a failure itself.
    fn snapshot(&self) -> impl Future<Output = ()> + Send;

    /// Ends event streams, which would otherwise hold up the drain until its deadline.
    fn end_streams(&self);

    /// Runs what was accepted, flushes and stops.
    fn drain(self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Runs the server until it is told to stop and has drained. `start` makes what stands behind the edge; it runs while
/// the edge answers `restoring` already.
///
/// # Errors
///
/// An address cannot be listened on; whatever `start` and [`Core::drain`] fail with.
pub(crate) async fn run<C: Core>(
    options: &ServeOptions,
    auth: Identify,
    metrics: PrometheusHandle,
    mut events: Receiver<Event>,
    start: impl AsyncFnOnce(&ServeOptions) -> Result<C, Failure>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut edge = Edge::start(options, auth, metrics).await?;
    let core = start(options).await?;
    edge.open(core.routes(options), |readiness| core.tell(readiness));
    // Whoever started us may have closed the pipe: no reason to stop.
    let _ = announce(out, options, edge.addr(), edge.metrics_addr(), &core.restored());
    while let Some(Event::Snapshot) = events.recv().await {
        core.snapshot().await;
    }
    tracing::info!("draining");
    edge.drain();
    core.end_streams();
    tokio::select! {
        () = edge.ended() => {}
        () = second(&mut events) => {
            tracing::warn!("told to stop again, waiting no longer");
            edge.cut();
            edge.ended().await;
        }
    }
    core.drain().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for one more word to stop; for ever when there can be none.
async fn second(events: &mut Receiver<Event>) {
    loop {
        match events.recv().await {
            Some(Event::Drain) => return,
            Some(Event::Snapshot) => {}
            None => std::future::pending().await,
        }
    }
}

fn announce(
    out: &mut impl Write,
    options: &ServeOptions,
    addr: SocketAddr,
    metrics: SocketAddr,
    restored: &str,
) -> io::Result<()> {
    let callers = match &options.auth {
        AuthOption::Local => "local: whoever reaches the port is the one local user".to_owned(),
        AuthOption::Anonymous => "anonymous: a session id is a bearer secret".to_owned(),
        AuthOption::Tokens(path) => format!("tokens of {}", path.display()),
        AuthOption::Jwt(option) => format!("jwt: tokens of {}, for {}", option.issuer, option.audience),
    };
    writeln!(out, "sessile {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  mcp       http://{addr}/mcp")?;
    writeln!(out, "  metrics   http://{metrics}/metrics (also /healthz and /readyz)")?;
    writeln!(out, "  callers   {callers}")?;
    let durability = match options.durability {
        Durability::Journal { flush_every } => {
            format!("journal, written every {}", humantime::format_duration(flush_every))
        }
        Durability::Commit => "commit: on disk before it is answered".to_owned(),
        _ => "snapshot: a crash loses what came after the last one".to_owned(),
    };
    writeln!(out, "  snapshots {}", options.snapshots.display())?;
    writeln!(out, "  durability {durability}")?;
    if let Some(keys) = &options.keys {
        writeln!(out, "  sealed    under key {}", keys.writing())?;
    }
    writeln!(out, "  restored  {restored}")?;
    out.flush()
}

#[cfg(test)]
mod tests;
