//! Metrics: every handle registered once, names after Prometheus rules, labels from fixed sets.

use std::cell::Cell;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, Recorder};

use crate::error::{EndReason, Overload, UpdateError};
use crate::id::{Kind, OWN_KINDS};

/// What callers do, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Open,
    Read,
    Update,
    List,
    Close,
    Snapshot,
    Import,
}

impl Operation {
    /// In the order of their declaration, which is their place in tables.
    const ALL: [(Self, &str); 8] = [
        (Self::Create, "create"),
        (Self::Open, "open"),
        (Self::Read, "read"),
        (Self::Update, "update"),
        (Self::List, "list"),
        (Self::Close, "close"),
        (Self::Snapshot, "snapshot"),
        (Self::Import, "import"),
    ];
}

/// How an operation went, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Rejected,
    Ended,
    Conflict,
    Limit,
    Overloaded,
    Panicked,
    Stopping,
    Unavailable,
    NotDurable,
    Unknown,
    Exists,
    Invalid,
    Failed,
}

impl Outcome {
    /// In the order of their declaration, which is their place in tables.
    const ALL: [(Self, &str); 14] = [
        (Self::Ok, "ok"),
        (Self::Rejected, "rejected"),
        (Self::Ended, "ended"),
        (Self::Conflict, "conflict"),
        (Self::Limit, "limit"),
        (Self::Overloaded, "overloaded"),
        (Self::Panicked, "panicked"),
        (Self::Stopping, "stopping"),
        (Self::Unavailable, "unavailable"),
        (Self::NotDurable, "not_durable"),
        (Self::Unknown, "unknown"),
        (Self::Exists, "exists"),
        (Self::Invalid, "invalid"),
        (Self::Failed, "failed"),
    ];

    /// The outcome of an update.
    pub(crate) const fn of_update<R, E>(result: &Result<R, UpdateError<E>>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(UpdateError::Rejected(_)) => Self::Rejected,
            Err(UpdateError::Ended(_)) => Self::Ended,
            Err(UpdateError::Conflict(_) | UpdateError::KeyReused(_)) => Self::Conflict,
            Err(UpdateError::LimitExceeded(_)) => Self::Limit,
            Err(UpdateError::Overloaded { .. }) => Self::Overloaded,
            Err(UpdateError::Panicked { .. }) => Self::Panicked,
            Err(UpdateError::Stopping) => Self::Stopping,
            Err(UpdateError::NotDurable(_)) => Self::NotDurable,
            Err(UpdateError::Unavailable) => Self::Unavailable,
        }
    }
}

/// In place of a kind that has no label of its own: neither the service's nor registered.
const OTHER_KIND: &str = "other";
/// One read or update in so many is timed; all are counted.
const TIMED: u32 = 64;

thread_local! {
    /// Operations of this thread by kind, for [`Telemetry::sample`].
    static OPERATIONS: [Cell<u32>; Operation::ALL.len()] = const { [const { Cell::new(0) }; Operation::ALL.len()] };
}

struct OperationHandles {
    outcomes: [Counter; Outcome::ALL.len()],
    seconds: Histogram,
}

/// The handles of one service.
pub(crate) struct Telemetry {
    operations: [OperationHandles; Operation::ALL.len()],
    created: Vec<(Box<str>, Counter)>,
    ended: Vec<(EndReason, Counter)>,
    pub(crate) sessions_active: Gauge,
    mailbox_rejected: Counter,
    in_flight_rejected: Counter,
    pub(crate) update_overruns: Counter,
    pub(crate) activations: Gauge,
    pub(crate) state_bytes: Gauge,
    pub(crate) sweep_seconds: Histogram,
    pub(crate) snapshot_seconds: Histogram,
    pub(crate) snapshot_bytes: Gauge,
    pub(crate) snapshot_last_success: Gauge,
    snapshot_failures: [Counter; 2],
    pub(crate) snapshots_quarantined: Counter,
    pub(crate) journal_seconds: Histogram,
    pub(crate) journal_bytes: Gauge,
    pub(crate) journal_failures: Counter,
    pub(crate) durable: Gauge,
    pub(crate) restore_degraded: Gauge,
    pub(crate) owner_mismatch: Counter,
    /// For what is measured outside of the core.
    #[cfg(feature = "rmcp")]
    pub(crate) measures: Measures,
}

/// Where metrics of a service go, for those that are registered as they are met.
#[derive(Clone, Default)]
pub(crate) struct Measures(Option<SharedRecorder>);

impl Measures {
    /// For this recorder, or for the process's own.
    pub(crate) fn to(recorder: Option<SharedRecorder>) -> Self {
        Self(recorder)
    }

    /// Runs what registers or records.
    pub(crate) fn with<T>(&self, run: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(recorder) => metrics::with_local_recorder(recorder, run),
            None => run(),
        }
    }
}

impl Telemetry {
    /// Registers every metric.
    pub(crate) fn of(measures: Measures, kinds: &[Kind]) -> Self {
        let telemetry = measures.with(|| Self::register(kinds));
        #[cfg(feature = "rmcp")]
        let telemetry = Self { measures, ..telemetry };
        telemetry
    }

    /// Registers every metric with the recorder that is current for this thread.
    pub(crate) fn register(kinds: &[Kind]) -> Self {
        describe();
        metrics::gauge!("sessile_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let operations = Operation::ALL.map(|(_, name)| OperationHandles {
            outcomes: Outcome::ALL.map(
                |(_, outcome)| metrics::counter!("sessile_operations_total", "operation" => name, "outcome" => outcome),
            ),
            seconds: metrics::histogram!("sessile_operation_duration_seconds", "operation" => name),
        });
        let mut labels: Vec<Box<str>> = OWN_KINDS.iter().map(|kind| Box::from(*kind)).collect();
        labels.extend(kinds.iter().map(|kind| Box::from(kind.as_str())));
        labels.push(OTHER_KIND.into());
        labels.dedup();
        let created = labels
            .into_iter()
            .map(|kind| {
                let counter = metrics::counter!("sessile_sessions_created_total", "kind" => kind.to_string());
                (kind, counter)
            })
            .collect();
        let ended = [EndReason::Idle, EndReason::Lifetime, EndReason::Evicted, EndReason::Closed]
            .into_iter()
            .map(|reason| (reason, metrics::counter!("sessile_sessions_ended_total", "reason" => reason.label())))
            .collect();
        Self {
            operations,
            created,
            ended,
            sessions_active: metrics::gauge!("sessile_sessions_active"),
            in_flight_rejected: metrics::counter!("sessile_in_flight_rejected_total"),
            update_overruns: metrics::counter!("sessile_update_overruns_total"),
            mailbox_rejected: metrics::counter!("sessile_mailbox_rejected_total"),
            activations: metrics::gauge!("sessile_activations"),
            state_bytes: metrics::gauge!("sessile_state_bytes"),
            sweep_seconds: metrics::histogram!("sessile_sweep_duration_seconds"),
            snapshot_seconds: metrics::histogram!("sessile_snapshot_duration_seconds"),
            snapshot_bytes: metrics::gauge!("sessile_snapshot_size_bytes"),
            snapshot_last_success: metrics::gauge!("sessile_snapshot_last_success_timestamp_seconds"),
            snapshot_failures: ["other", "no_space"]
                .map(|reason| metrics::counter!("sessile_snapshot_failures_total", "reason" => reason)),
            snapshots_quarantined: metrics::counter!("sessile_snapshots_quarantined_total"),
            journal_seconds: metrics::histogram!("sessile_journal_write_duration_seconds"),
            journal_bytes: metrics::gauge!("sessile_journal_size_bytes"),
            journal_failures: metrics::counter!("sessile_journal_failures_total"),
            durable: {
                let durable = metrics::gauge!("sessile_durable");
                durable.set(1.0);
                durable
            },
            restore_degraded: metrics::gauge!("sessile_restore_degraded"),
            owner_mismatch: metrics::counter!("sessile_owner_mismatch_total"),
            #[cfg(feature = "rmcp")]
            measures: Measures::default(),
        }
    }

    /// Counts a snapshot that was not written.
    pub(crate) fn snapshot_failed(&self, no_space: bool) {
        let [other, full] = &self.snapshot_failures;
        if no_space { full } else { other }.increment(1);
    }

    /// Counts one operation.
    pub(crate) fn count(&self, operation: Operation, outcome: Outcome) {
        if let Some(counter) = self.handles(operation).and_then(|handles| handles.outcomes.get(outcome as usize)) {
            counter.increment(1);
        }
    }

    /// Counts one operation and how long it took.
    pub(crate) fn observe(&self, operation: Operation, outcome: Outcome, took: Duration) {
        self.count(operation, outcome);
        if let Some(handles) = self.handles(operation) {
            handles.seconds.record(took.as_secs_f64());
        }
    }

    /// Starts the clock for one operation in 64, of a kind that takes hardly longer than reading the time does.
    pub(crate) fn sample(operation: Operation) -> Option<Instant> {
        // Counted for each thread: a common count would be passed from core to core with every operation.
        OPERATIONS.with(|operations| {
            let count = operations.get(operation as usize)?;
            count.replace(count.get().wrapping_add(1)).is_multiple_of(TIMED).then(Instant::now)
        })
    }

    /// Counts one operation, and its time if it was timed.
    pub(crate) fn sampled(&self, operation: Operation, outcome: Outcome, started: Option<Instant>) {
        match started {
            Some(started) => self.observe(operation, outcome, started.elapsed()),
            None => self.count(operation, outcome),
        }
    }

    /// Counts a created session under its kind, or under `other` when the kind was not registered.
    pub(crate) fn created(&self, kind: &str) {
        let own = self.created.iter().find(|(known, _)| **known == *kind).or(self.created.last());
        if let Some((_, counter)) = own {
            counter.increment(1);
        }
    }

    /// Counts an update or a create that found no room.
    pub(crate) fn overloaded(&self, met: Overload) {
        match met {
            Overload::Mailbox | Overload::Line => self.mailbox_rejected.increment(1),
            Overload::Service => self.in_flight_rejected.increment(1),
        }
    }

    /// Counts an ended session.
    pub(crate) fn ended(&self, reason: EndReason) {
        if let Some((_, counter)) = self.ended.iter().find(|(known, _)| *known == reason) {
            counter.increment(1);
        }
    }

    fn handles(&self, operation: Operation) -> Option<&OperationHandles> {
        self.operations.get(operation as usize)
    }
}

/// Says in words what each metric is.
fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("sessile_build_info", "The version that runs; always 1.");
    describe_counter!("sessile_operations_total", "Operations by what was done and how it went.");
    describe_histogram!(
        "sessile_operation_duration_seconds",
        Unit::Seconds,
        "Time of operations; one read or update in 64 is timed."
    );
    describe_counter!("sessile_sessions_created_total", "Sessions created, by kind.");
    describe_counter!("sessile_sessions_ended_total", "Sessions ended, by reason.");
    describe_gauge!("sessile_sessions_active", "Sessions that have not ended.");
    describe_counter!(
        "sessile_mailbox_rejected_total",
        "Updates refused because a mailbox, or the line for it, was full."
    );
    describe_counter!(
        "sessile_in_flight_rejected_total",
        "Updates and creates refused because too many were in flight."
    );
    describe_counter!("sessile_update_overruns_total", "Updates whose closure ran for longer than it should.");
    describe_gauge!("sessile_activations", "Sessions that have a running actor lent to them.");
    describe_gauge!("sessile_state_bytes", Unit::Bytes, "Bytes of state: keys, values and metadata.");
    describe_histogram!("sessile_sweep_duration_seconds", Unit::Seconds, "Time of sweeps.");
    describe_histogram!("sessile_snapshot_duration_seconds", Unit::Seconds, "Time of snapshots.");
    describe_gauge!("sessile_snapshot_size_bytes", Unit::Bytes, "Size of the last snapshot.");
    describe_gauge!(
        "sessile_snapshot_last_success_timestamp_seconds",
        Unit::Seconds,
        "When the last snapshot was written."
    );
    describe_counter!("sessile_snapshot_failures_total", "Snapshots that could not be written, by reason.");
    describe_counter!(
        "sessile_snapshots_quarantined_total",
        "Damaged snapshots and journals put aside into `quarantine/`."
    );
    describe_histogram!(
        "sessile_journal_write_duration_seconds",
        Unit::Seconds,
        "Time of one write of the journal: all noted until then, until it is durable, with a new file where one is begun."
    );
    describe_gauge!("sessile_journal_size_bytes", Unit::Bytes, "Size of the journal that is being written.");
    describe_counter!("sessile_journal_failures_total", "Writes of the journal that failed; updates are refused then.");
    describe_gauge!("sessile_durable", "0 while what is promised of files cannot be kept, and updates are refused.");
    describe_gauge!(
        "sessile_restore_degraded",
        "1 when the newest snapshot was damaged and an older one was restored."
    );
    describe_counter!("sessile_owner_mismatch_total", "Accesses to a session by somebody who does not own it.");
}

/// A recorder that a builder carries to `start`.
pub type SharedRecorder = std::sync::Arc<dyn Recorder + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_stands_at_its_own_place() {
        assert!(Operation::ALL.iter().enumerate().all(|(place, (operation, _))| *operation as usize == place));
        assert!(Outcome::ALL.iter().enumerate().all(|(place, (outcome, _))| *outcome as usize == place));
    }
}
