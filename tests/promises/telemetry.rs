//! Metrics: each moves when it should, and no label names anybody or anything.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use crate::common::{Hand, alice, bob, hold, poll_once, quiet_panics, secs};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use sessile::{AtCapacity, Builder, DraftError, Format, ImportOptions, NewSession, SessionService};

struct Metrics(Snapshotter);

impl Metrics {
    /// A builder that reports here.
    fn new() -> (Self, Builder) {
        let recorder = DebuggingRecorder::new();
        let metrics = Self(recorder.snapshotter());
        (metrics, SessionService::builder().recorder(Arc::new(recorder)))
    }

    /// What moved since the last look: counters by how much, gauges to what, histograms by how many.
    fn moved(&self) -> BTreeMap<String, f64> {
        let moved = self.0.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let value = match value {
                DebugValue::Counter(count) => count as f64,
                DebugValue::Gauge(value) => value.into_inner(),
                DebugValue::Histogram(values) => {
                    assert!(values.iter().all(|value| (0.0..60.0).contains(&value.into_inner())), "seconds");
                    values.len() as f64
                }
            };
            (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
        });
        moved.filter(|(_, value)| *value != 0.0).collect()
    }
}

fn shown(moved: &BTreeMap<String, f64>, name: &str) -> f64 {
    moved.get(name).copied().unwrap_or_default()
}

#[tokio::test]
async fn sessions_and_operations_are_counted_by_what_became_of_them() {
    quiet_panics();
    let (metrics, builder) = Metrics::new();
    let hand = Hand::new();
    let builder = builder.clock(hand.clock()).kinds(["cart"]).max_sessions(4_u64).at_capacity(AtCapacity::Evict);
    let service = builder.max_entries(1_u64).start().await.unwrap();
    assert_eq!(
        metrics.moved().into_iter().collect::<Vec<_>>(),
        [
            (format!("sessile_build_info{{version={}}}", env!("CARGO_PKG_VERSION")), 1.0),
            ("sessile_durable{}".to_owned(), 1.0)
        ]
    );
    let owner = service.owner(&alice());
    let kind = |kind: &str| NewSession::of_kind(kind).unwrap();
    let cart = owner.create_with_id("a", kind("cart")).await.unwrap();
    owner.create_with_id("a", kind("cart")).await.unwrap_err();
    let unlisted = owner.create(kind("secret-plan").idle_timeout(secs(5))).await.unwrap();
    owner.create(kind("cart").idle_timeout(std::time::Duration::ZERO)).await.unwrap_err();
    owner.bucket().await.unwrap();
    let moved = metrics.moved();
    for (name, value) in [
        ("sessile_sessions_created_total{kind=cart}", 1.0),
        ("sessile_sessions_created_total{kind=other}", 1.0),
        ("sessile_sessions_created_total{kind=bucket}", 1.0),
        ("sessile_sessions_active{}", 3.0),
        ("sessile_operations_total{operation=create,outcome=ok}", 3.0),
        ("sessile_operations_total{operation=create,outcome=exists}", 1.0),
        ("sessile_operations_total{operation=create,outcome=invalid}", 1.0),
    ] {
        assert_eq!(shown(&moved, name), value, "{name} in {moved:?}");
    }

    cart.set("k", &1).await.unwrap();
    cart.update(|_| Err::<(), _>(DraftError::Overflow)).await.unwrap_err();
    cart.update(|_| -> Result<(), DraftError> { panic!("planted") }).await.unwrap_err();
    cart.update_if(sessile::Revision::ZERO, |draft| draft.set("k", &2)).await.unwrap_err();
    cart.set("l", &2).await.unwrap_err();
    (0..128).for_each(|_| drop(cart.read().unwrap()));
    owner.open("a").await.unwrap();
    owner.open("nothing").await.unwrap_err();
    service.owner(&bob()).open(unlisted.id().as_str()).await.unwrap_err();
    owner.list(&Default::default()).await.unwrap();
    let moved = metrics.moved();
    for (name, value) in [
        ("sessile_operations_total{operation=update,outcome=ok}", 1.0),
        ("sessile_operations_total{operation=update,outcome=rejected}", 1.0),
        ("sessile_operations_total{operation=update,outcome=panicked}", 1.0),
        ("sessile_operations_total{operation=update,outcome=conflict}", 1.0),
        ("sessile_operations_total{operation=update,outcome=limit}", 1.0),
        ("sessile_operations_total{operation=read,outcome=ok}", 128.0),
        ("sessile_operations_total{operation=open,outcome=ok}", 1.0),
        ("sessile_operations_total{operation=open,outcome=unknown}", 2.0),
        ("sessile_operations_total{operation=list,outcome=ok}", 1.0),
        // One in 64 of each thread is timed, the first among them.
        ("sessile_operation_duration_seconds{operation=update}", 1.0),
        ("sessile_operation_duration_seconds{operation=read}", 2.0),
        ("sessile_operation_duration_seconds{operation=open}", 3.0),
        ("sessile_owner_mismatch_total{}", 1.0),
        ("sessile_state_bytes{}", 2.0),
    ] {
        assert_eq!(shown(&moved, name), value, "{name} in {moved:?}");
    }

    hand.advance(secs(5));
    unlisted.read().unwrap_err();
    let lived = owner.create(kind("cart").max_lifetime(secs(5))).await.unwrap();
    hand.advance(secs(5));
    service.operator().sweep().await.unwrap();
    lived.read().unwrap_err();
    for _ in 0..3 {
        owner.create(kind("cart")).await.unwrap();
    }
    cart.set("k", &1).await.unwrap_err();
    owner.close_all().await.unwrap();
    let moved = metrics.moved();
    for (name, value) in [
        ("sessile_sessions_ended_total{reason=idle}", 1.0),
        ("sessile_sessions_ended_total{reason=lifetime}", 1.0),
        ("sessile_sessions_ended_total{reason=evicted}", 1.0),
        ("sessile_sessions_ended_total{reason=closed}", 4.0),
        ("sessile_operations_total{operation=close,outcome=ok}", 1.0),
        ("sessile_operations_total{operation=update,outcome=ended}", 1.0),
        ("sessile_operations_total{operation=read,outcome=ended}", 2.0),
        ("sessile_sweep_duration_seconds{}", 1.0),
        ("sessile_sessions_active{}", 0.0),
        ("sessile_state_bytes{}", 0.0),
    ] {
        assert_eq!(shown(&moved, name), value, "{name} in {moved:?}");
    }
    service.drain().await.unwrap();
    cart.set("k", &1).await.unwrap_err();
    owner.create(kind("cart")).await.unwrap_err();
    let moved = metrics.moved();
    assert_eq!(shown(&moved, "sessile_operations_total{operation=update,outcome=stopping}"), 1.0);
    assert_eq!(shown(&moved, "sessile_operations_total{operation=create,outcome=stopping}"), 1.0);
}

#[tokio::test]
async fn mailboxes_and_activations_are_counted() {
    let (metrics, builder) = Metrics::new();
    let service = builder.mailbox_turns(40_usize).start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    let held = hold(&session);
    let mut turns: Vec<_> = (0..40).map(|_| Box::pin(session.increment("n", 1))).collect();
    assert!(turns.iter_mut().all(|turn| poll_once(turn).is_pending()));
    session.try_update(|_| Ok::<_, DraftError>(())).await.unwrap_err();
    let moved = metrics.moved();
    assert_eq!(shown(&moved, "sessile_mailbox_rejected_total{}"), 1.0);
    assert_eq!(shown(&moved, "sessile_operations_total{operation=update,outcome=overloaded}"), 1.0);
    held.release().unwrap();
    // The rest was handed to an actor, which cannot have run: this test holds the only thread.
    let lent = metrics.0.snapshot().into_vec().into_iter().find(|(key, ..)| key.key().name() == "sessile_activations");
    assert_eq!(lent.map(|(.., value)| value), Some(DebugValue::Gauge(1.0.into())));
    for turn in turns {
        turn.await.unwrap();
    }
    // The look took the gauge to zero; what is given back stands below it.
    assert_eq!(shown(&metrics.moved(), "sessile_activations{}"), -1.0);
}

#[tokio::test]
async fn updates_that_overrun_and_work_that_finds_no_room_are_counted() {
    let (metrics, builder) = Metrics::new();
    let builder = builder.overrun_after(std::time::Duration::from_nanos(1)).max_in_flight(1_u64);
    let service = builder.start().await.unwrap();
    let session = service.owner(&alice()).create(NewSession::default()).await.unwrap();
    let held = hold(&session);
    session.increment("n", 1).await.unwrap_err();
    service.owner(&bob()).create(NewSession::default()).await.unwrap_err();
    held.release().unwrap();
    let moved = metrics.moved();
    // No closure runs in less than a nanosecond; the one that was refused never ran.
    assert_eq!(shown(&moved, "sessile_update_overruns_total{}"), 1.0);
    assert_eq!(shown(&moved, "sessile_in_flight_rejected_total{}"), 2.0);
    assert_eq!(shown(&moved, "sessile_operations_total{operation=create,outcome=overloaded}"), 1.0);
}

#[tokio::test]
async fn snapshots_restores_and_imports_are_counted() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, aside) = (outer.path().join("snapshots"), outer.path().join("aside"));
    let hand = Hand::new();
    let (metrics, builder) = Metrics::new();
    let service = builder.snapshots(&folder).clock(hand.clock()).start().await.unwrap();
    let bucket = service.owner(&alice()).bucket().await.unwrap();
    bucket.set("k", &1).await.unwrap();
    metrics.moved();
    let report = service.snapshot().await.unwrap();
    let moved = metrics.moved();
    assert_eq!(shown(&moved, "sessile_snapshot_duration_seconds{}"), 1.0);
    assert_eq!(shown(&moved, "sessile_snapshot_size_bytes{}"), report.bytes as f64);
    assert_eq!(shown(&moved, "sessile_snapshot_last_success_timestamp_seconds{}"), hand.now().as_micros() as f64 / 1e6);
    assert_eq!(shown(&moved, "sessile_operations_total{operation=snapshot,outcome=ok}"), 1.0);
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "in the way").unwrap();
    service.snapshot().await.unwrap_err();
    let moved = metrics.moved();
    assert_eq!(shown(&moved, "sessile_snapshot_failures_total{reason=other}"), 1.0);
    assert_eq!(shown(&moved, "sessile_operations_total{operation=snapshot,outcome=failed}"), 1.0);
    assert_eq!(shown(&moved, "sessile_snapshot_last_success_timestamp_seconds{}"), 0.0, "not touched by a failure");
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    let export = outer.path().join("export");
    service.export(&export, Format::Json).await.unwrap();
    service.import(&export, ImportOptions::default()).await.unwrap();
    assert_eq!(shown(&metrics.moved(), "sessile_operations_total{operation=import,outcome=ok}"), 1.0);
    service.snapshot().await.unwrap();
    let newest = service.drain().await.unwrap().unwrap().path;
    fs::write(&newest, "").unwrap();
    let (metrics, builder) = Metrics::new();
    let service = builder.snapshots(&folder).clock(hand.clock()).start().await.unwrap();
    assert!(service.restored().degraded());
    let moved = metrics.moved();
    assert_eq!(shown(&moved, "sessile_restore_degraded{}"), 1.0);
    assert_eq!((shown(&moved, "sessile_sessions_active{}"), shown(&moved, "sessile_state_bytes{}")), (1.0, 2.0));
}

#[tokio::test]
async fn labels_are_bounded_and_name_nobody() {
    let (metrics, builder) = Metrics::new();
    let service = builder.kinds(["cart"]).start().await.unwrap();
    let series =
        || metrics.0.snapshot().into_vec().into_iter().map(|(key, ..)| format!("{:?}", key.key())).collect::<Vec<_>>();
    let before = series();
    let mut words = vec![
        "planted-subject".to_owned(),
        "planted-issuer".to_owned(),
        "planted-key".to_owned(),
        "planted-value".to_owned(),
        "planted-kind".to_owned(),
        "planted-name".to_owned(),
    ];
    for number in 0..50 {
        let owner = service.owner(&sessile::Principal::new("planted-issuer", format!("planted-subject-{number}")));
        let new =
            NewSession::of_kind(&format!("planted-kind-{number}")).unwrap().name(format!("planted-name-{number}"));
        let session = owner.create(new).await.unwrap();
        session.set(&format!("planted-key-{number}"), "planted-value").await.unwrap();
        session.read().unwrap();
        let secret = service.anonymous().create(NewSession::default()).await.unwrap();
        words.extend([&session, &secret].map(|session| session.id().as_str()[8..].to_owned()));
        secret.close().await.unwrap();
    }
    let after = series();
    assert_eq!(before, after, "no series comes with use");
    for word in words {
        assert!(!after.iter().any(|series| series.contains(&word)), "{word}");
    }
    // Every metric that is promised is there from the start.
    for name in [
        "sessions_active",
        "sessions_created_total",
        "sessions_ended_total",
        "operations_total",
        "operation_duration_seconds",
        "mailbox_rejected_total",
        "in_flight_rejected_total",
        "update_overruns_total",
        "activations",
        "state_bytes",
        "sweep_duration_seconds",
        "snapshot_duration_seconds",
        "snapshot_size_bytes",
        "snapshot_last_success_timestamp_seconds",
        "snapshot_failures_total",
        "snapshots_quarantined_total",
        "restore_degraded",
        "owner_mismatch_total",
        "build_info",
    ] {
        assert!(before.iter().any(|series| series.contains(&format!("\"sessile_{name}\""))), "{name} in {before:?}");
    }
}
