//! The metrics endpoint: what the library counts, as Prometheus reads it.

use std::time::Duration;

use axum::Router;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::time::{MissedTickBehavior, interval};

use crate::shutdown::Shutdown;

/// How often the exporter folds what histograms have gathered; between two times that memory grows.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// An update takes about a microsecond, and at most its deadlines.
const OPERATION_SECONDS: &[f64] = &[
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];
/// A sweep takes microseconds when there is little to do, and a second at a million sessions.
const SWEEP_SECONDS: &[f64] = &[1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
/// A snapshot takes the time of writing it, fsync included.
const SNAPSHOT_SECONDS: &[f64] =
    &[1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// A write to a journal takes the time of its fsync: microseconds where a battery is behind the disk, seconds where the disk
/// is busy.
const JOURNAL_SECONDS: &[f64] = &[
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A call of a tool takes what its author's code takes; the upper ones are those of OpenTelemetry's conventions.
const MCP_SECONDS: &[f64] =
    &[1e-3, 2.5e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// A recorder with buckets that fit what is measured. `PrometheusRecorder::handle` renders it.
///
/// # Errors
///
/// A set of buckets is empty: a mistake in this file.
pub(crate) fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let buckets = [
        ("sessile_operation_duration_seconds", OPERATION_SECONDS),
        ("sessile_sweep_duration_seconds", SWEEP_SECONDS),
        ("sessile_snapshot_duration_seconds", SNAPSHOT_SECONDS),
        ("sessile_journal_write_duration_seconds", JOURNAL_SECONDS),
        ("mcp_server_operation_duration_seconds", MCP_SECONDS),
    ];
    let builder = buckets.into_iter().try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
    })?;
    Ok(builder.build_recorder())
}

/// Runs the exporter's upkeep until the stop.
pub(crate) async fn upkeep(handle: PrometheusHandle, mut shutdown: Shutdown) {
    let mut ticks = interval(UPKEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => handle.run_upkeep(),
            () = shutdown.draining() => return,
        }
    }
}

/// `/metrics`.
pub(crate) fn routes(handle: PrometheusHandle) -> Router {
    sessile::mcp::metrics_routes(move || handle.render())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use http::Request;
    use http::header::CONTENT_TYPE;
    use tower::ServiceExt;

    use super::*;

    /// The text format of Prometheus.
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// What `/metrics` answers.
    async fn rendered(handle: PrometheusHandle) -> String {
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = routes(handle).oneshot(request).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], TEXT);
        let text = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn renders_histograms_with_our_buckets() {
        let recorder = recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("sessile_operation_duration_seconds", "operation" => "update").record(2e-6);
        });
        let text = rendered(recorder.handle()).await;
        for line in [
            r#"sessile_operation_duration_seconds_bucket{operation="update",le="0.000001"} 0"#,
            r#"sessile_operation_duration_seconds_bucket{operation="update",le="0.0000025"} 1"#,
            r#"sessile_operation_duration_seconds_bucket{operation="update",le="10"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    /// What the library registers is served as what README.md says that it is: a histogram without buckets of its own would
    /// be a summary.
    #[tokio::test]
    async fn all_that_the_library_registers_has_its_type() {
        let recorder = Arc::new(recorder().unwrap());
        let service = sessile::SessionService::builder().recorder(recorder.clone()).start().await.unwrap();
        let handle = recorder.handle();
        // A histogram shows itself with its first value.
        let readme = include_str!("../../README.md");
        let (_, table) = readme.split_once("\n## Metrics\n").unwrap();
        let rows = table.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with('|'));
        let told: BTreeMap<_, _> = rows
            .map(|row| {
                let cells: Vec<_> = row.split('|').map(str::trim).collect();
                (cells[1].trim_matches('`'), cells[3].split('.').next().unwrap())
            })
            .collect();
        metrics::with_local_recorder(&*recorder, || {
            for (name, _) in told.iter().filter(|(_, kind)| **kind == "histogram") {
                metrics::histogram!((*name).to_owned()).record(1e-3);
            }
        });
        let text = rendered(handle).await;
        let served: BTreeMap<_, _> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        assert_eq!(served, told);
        service.drain().await.unwrap();
    }

    #[test]
    fn buckets_rise() {
        for buckets in [OPERATION_SECONDS, SWEEP_SECONDS, SNAPSHOT_SECONDS, JOURNAL_SECONDS] {
            assert!(buckets.is_sorted_by(|left, right| left < right));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn upkeep_ends_with_the_stop() {
        let (trigger, shutdown) = crate::shutdown::channel();
        let task = tokio::spawn(upkeep(recorder().unwrap().handle(), shutdown));
        tokio::time::advance(UPKEEP_EVERY * 3).await;
        trigger.drain();
        task.await.unwrap();
    }
}
