//! The metrics endpoint: what the library counts, as Prometheus reads it.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::time::{MissedTickBehavior, interval};

use crate::shutdown::Shutdown;

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
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
/// From 1 KiB to 4 GiB in steps of four.
const SNAPSHOT_BYTES: &[f64] = &[
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
];

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
        ("sessile_snapshot_size_bytes", SNAPSHOT_BYTES),
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
    let render = async |State(handle): State<PrometheusHandle>| ([(CONTENT_TYPE, TEXT)], handle.render());
    Router::new().route("/metrics", get(render)).with_state(handle)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn renders_histograms_with_our_buckets() {
        let recorder = recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("sessile_operation_duration_seconds", "operation" => "update").record(2e-6);
            metrics::histogram!("sessile_snapshot_size_bytes").record(5_000.0);
            metrics::counter!("sessile_sessions_created_total", "kind" => "session").increment(1);
        });
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = routes(recorder.handle()).oneshot(request).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], TEXT);
        let text = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        for line in [
            r#"sessile_operation_duration_seconds_bucket{operation="update",le="0.000001"} 0"#,
            r#"sessile_operation_duration_seconds_bucket{operation="update",le="0.0000025"} 1"#,
            r#"sessile_operation_duration_seconds_bucket{operation="update",le="10"} 1"#,
            r#"sessile_snapshot_size_bytes_bucket{le="4096"} 0"#,
            r#"sessile_snapshot_size_bytes_bucket{le="16384"} 1"#,
            r#"sessile_sessions_created_total{kind="session"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn buckets_rise() {
        for buckets in [OPERATION_SECONDS, SWEEP_SECONDS, SNAPSHOT_SECONDS, SNAPSHOT_BYTES] {
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
