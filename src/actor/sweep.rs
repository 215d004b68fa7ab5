//! Reclaiming what has expired. Correctness never depends on it: every access looks at the deadline itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Core;
use super::end;
use super::planted::Bug;

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Sessions looked at.
    pub scanned: u64,
    /// Sessions ended because their deadline had passed.
    pub expired: u64,
    /// Sessions from which expired entries were taken.
    pub purged: u64,
    /// How long it took.
    pub took: Duration,
}

/// Sessions ended between two chances for other tasks: a few hundred microseconds.
const CHUNK: usize = 64;

/// Sweeps once. The walks hold one shard of a table at a time, on the blocking pool, where no task waits behind them; the
/// ends come between, in chunks.
pub(crate) async fn sweep(core: &Arc<Core>) -> SweepReport {
    let started = Instant::now();
    let mut report = SweepReport { scanned: core.registry.len() as u64, ..SweepReport::default() };
    let now = core.clock.now();
    let walked = Arc::clone(core);
    let walk = move || walked.registry.collect(|slot| slot.due(now).is_some() || slot.may_purge(now));
    // An error is the runtime's end; there is nothing left to sweep for.
    let Ok(due) = tokio::task::spawn_blocking(walk).await else { return report };
    for chunk in due.chunks(CHUNK) {
        for slot in chunk {
            if slot.due(now).is_some() {
                report.expired += u64::from(end::end_if(core, slot, |slot| slot.due(now)).is_some());
                #[cfg(test)]
                if core.planted(Bug::SweepBuriesNobody) {
                    core.tombstones.unbury(&slot.identity.digest);
                }
            } else {
                report.purged += u64::from(purge(core, slot));
            }
        }
        tokio::task::yield_now().await;
    }
    // What was walked over refers to its owners, who would seem to be in use until the next sweep.
    drop(due);
    let tidied = Arc::clone(core);
    let tidy = move || {
        if !tidied.planted(Bug::OwnersNeverForgotten) {
            tidied.owners.forget_idle();
        }
        tidied.capacity.all.order.shed(tidied.capacity.sessions());
    };
    if tokio::task::spawn_blocking(tidy).await.is_err() {
        return report;
    }
    report.took = started.elapsed();
    core.telemetry.sweep_seconds.record(report.took.as_secs_f64());
    // Gauges that races left a step behind.
    core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    report
}

/// Takes expired entries out of one session; its revision stays, since to readers they were gone before.
fn purge(core: &Core, slot: &super::slot::Slot) -> bool {
    let Some(base) = slot.peek() else { return false };
    let Some(mut purged) = base.purged(core.clock.now()) else { return false };
    if core.planted(Bug::PurgeBumpsRevision) {
        purged.revision = purged.revision.next();
    }
    match slot.purge(&base, Arc::new(purged)) {
        Some(freed) => {
            core.capacity.release(&slot.identity, freed);
            core.changed();
            true
        }
        None => false,
    }
}
