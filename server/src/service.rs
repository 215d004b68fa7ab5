//! What stands behind the edge: the session service, and the tools on it.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use sessile::mcp::{McpOptions, McpRouter, Readiness, router};
use sessile::{Clock, RestoreReport, SessionService, StartError};

use crate::failure::{Failure, chain};
use crate::options::ServeOptions;
use crate::serve::Core;
use crate::tools::{Lifetimes, StateServer};

/// How long running calls may take to answer once the server was told to stop.
const PATIENCE: Duration = Duration::from_secs(8);

/// The running service.
pub(crate) struct Sessions {
    service: SessionService,
    server: StateServer,
    mounted: OnceLock<McpRouter>,
}

/// Starts the service and restores what its folder holds.
///
/// # Errors
///
/// `Failure::State` for state files that are refused; they are as they were. `Failure::Options` for options that the library
/// refuses.
pub(crate) async fn start(options: &ServeOptions) -> Result<Sessions, Failure> {
    let clock = Clock::system();
    let mut builder = SessionService::builder()
        .clock(clock.clone())
        .idle_timeout(options.idle_timeout)
        .max_lifetime(options.max_lifetime)
        .sweep_every(options.sweep_every)
        .max_sessions(options.max_sessions)
        .at_capacity(options.at_capacity)
        .snapshots(&options.snapshots)
        .snapshot_every(options.snapshot_every)
        .keep_for(options.keep_for)
        .format(options.format)
        .durability(options.durability)
        .compress(options.compress)
        .start_empty(options.start_empty);
    if let Some(keys) = &options.keys {
        builder = builder.keys(keys.clone());
    }
    let service = builder.start().await.map_err(|error| match error {
        // Checked when they were read; what passed there is told in the library's words.
        StartError::Options(problems) => Failure::Options(problems.into()),
        error if is_refusal(&error) => Failure::State(error.into()),
        other => Failure::while_doing("starting the session service")(other),
    })?;
    let lifetimes = Lifetimes { idle_timeout: options.idle_timeout, max_lifetime: options.max_lifetime };
    Ok(Sessions { service, server: StateServer::new(lifetimes, clock), mounted: OnceLock::new() })
}

/// Whether state files were refused, and are as they were.
pub(crate) const fn is_refusal(error: &StartError) -> bool {
    use StartError::{JournalAlone, Newer, NoneValid, Sealed, Unbuilt};
    matches!(error, Newer { .. } | Sealed { .. } | Unbuilt { .. } | NoneValid(_) | JournalAlone(_))
}

impl Core for Sessions {
    fn routes(&self, options: &ServeOptions) -> Router {
        let options = McpOptions::default()
            .allowed_hosts(options.hosts())
            .max_body_bytes(options.max_body_bytes)
            .allowed_origins(options.allowed_origins.iter().cloned());
        let mounted = self.mounted.get_or_init(|| {
            let server = self.server.clone();
            // Callers are known before there is a service, and health is told; both at the edge.
            router(&self.service, move || Ok(server.clone()), options)
        });
        mounted.router.clone()
    }

    fn restored(&self) -> String {
        restored(self.service.restored())
    }

    fn tell(&self, readiness: &Readiness) {
        readiness.serves(&self.service);
    }

    async fn snapshot(&self) {
        match self.service.snapshot().await {
            Ok(report) => tracing::info!(path = %report.path.display(), sessions = report.sessions, "snapshot written"),
            Err(error) => tracing::error!(error = %chain(&error), "the snapshot failed"),
        }
    }

    fn end_streams(&self) {
        if let Some(mounted) = self.mounted.get().cloned() {
            // Running calls are answered first; the edge has a deadline of its own.
            tokio::spawn(async move { mounted.mcp.drain(PATIENCE).await });
        }
    }

    async fn drain(self) -> Result<(), Failure> {
        let report = self.service.drain().await.map_err(Failure::while_doing("draining"))?;
        if let Some(report) = report {
            tracing::info!(path = %report.path.display(), sessions = report.sessions, "final snapshot written");
        }
        Ok(())
    }
}

/// What was restored, and what was rolled back, in one line.
fn restored(report: &RestoreReport) -> String {
    let mut text = match (&report.file, report.taken_at) {
        (Some(file), Some(taken_at)) => {
            let taken_at = humantime::format_rfc3339_seconds(taken_at.to_system_time());
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            format!("{} sessions from {name} of {taken_at}; {} expired meanwhile", report.sessions, report.expired)
        }
        (None, Some(taken_at)) => {
            let taken_at = humantime::format_rfc3339_seconds(taken_at.to_system_time());
            format!("{} sessions from journals until {taken_at}; {} expired meanwhile", report.sessions, report.expired)
        }
        _ if report.started_empty => "nothing, as told; files that cannot be used stay where they are".to_owned(),
        _ => "nothing: the folder holds no snapshot yet".to_owned(),
    };
    for (path, problem) in &report.skipped {
        text = format!("{text}\n  damaged   {}: {problem}", path.display());
    }
    if report.journaled > 0 {
        let files = if report.journals == 1 { "journal" } else { "journals" };
        text = format!("{text}\n  journaled {} sessions, in {} {files}", report.journaled, report.journals);
    }
    if let Some(cut) = &report.journal_cut {
        let what = if cut.lost { "damaged  " } else { "cut short" };
        text = format!("{text}\n  {what} {}: {}", cut.path.display(), cut.detail);
    }
    if let Some(path) = &report.unsealed {
        text = format!("{text}\n  unsealed  {} was not sealed; the next snapshot is", path.display());
    }
    if let Some(behind) = report.clock_behind {
        text = format!("{text}\n  clock     {} s behind the snapshot's own time", behind.as_secs());
    }
    text
}

#[cfg(test)]
mod tests {
    use sessile::Durability;

    use super::*;
    use crate::cli::Flags;

    #[tokio::test]
    async fn what_the_library_refuses_of_the_options_is_a_wrong_option() {
        let folder = tempfile::tempdir().unwrap();
        let options = ServeOptions::read(Flags::new(), []).unwrap();
        let durability = Durability::Journal { flush_every: Duration::from_secs(2 * 60 * 60) };
        let refused = start(&ServeOptions { snapshots: folder.path().join("s"), durability, ..options }).await;
        let Err(Failure::Options(problems)) = refused else { panic!("not a problem of options") };
        assert!(problems.to_string().contains("at least once an hour"), "{problems}");
    }
}
