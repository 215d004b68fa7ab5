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

/// Sessions ended between two chances for other tasks.
const CHUNK: usize = 256;

/// Sweeps once. The walk holds one shard of the registry at a time; the ends come after it, in chunks.
pub(crate) async fn sweep(core: &Arc<Core>) -> SweepReport {
    let started = Instant::now();
    let mut report = SweepReport { scanned: core.registry.len() as u64, ..SweepReport::default() };
    let now = core.clock.now();
    let due = core.registry.collect(|slot| slot.due(now).is_some() || slot.may_purge(now));
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
    if !core.planted(Bug::OwnersNeverForgotten) {
        core.owners.forget_idle();
    }
    core.capacity.tidy(core);
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
            core.capacity.release(&slot.identity.owner, freed);
            core.changed();
            true
        }
        None => false,
    }
}
