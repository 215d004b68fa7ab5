//! One read and one update, each beside the raw structure that a server would use in its place.
//!
//! The baselines have no owners, limits, expiry or files; the ratio within one run is the figure, not the nanoseconds.

#![allow(missing_docs, clippy::expect_used, reason = "a bench that cannot be set up has no figure to give")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use dashmap::DashMap;
use parking_lot::Mutex;
use serde_json::Value;
use sessile::{DraftError, NewSession, Principal, Session, SessionService};
use tokio::runtime::Runtime;

const KEYS: usize = 10;

fn key(index: usize) -> String {
    format!("key-{index}")
}

fn value(index: usize) -> Value {
    serde_json::json!({"index": index, "text": "x".repeat(64), "list": [1, 2, 3]})
}

/// A service with one session of ten keys; its counter starts at zero.
fn session(runtime: &Runtime) -> (SessionService, Session) {
    runtime.block_on(async {
        let service = SessionService::builder().start().await.expect("starts");
        let owner = service.owner(&Principal::new("bench", "alice"));
        let session = owner.create(NewSession::default()).await.expect("creates");
        for index in 0..KEYS {
            session.set(&key(index), &value(index)).await.expect("sets");
        }
        (service, session)
    })
}

fn read(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (service, session) = session(&runtime);
    let owner = service.owner(&Principal::new("bench", "alice"));
    let id = session.id().as_str().to_owned();
    let map: DashMap<String, Arc<Value>> = (0..KEYS).map(|index| (key(index), Arc::new(value(index)))).collect();
    let mut group = criterion.benchmark_group("read");
    group.bench_function("raw: DashMap get and Arc clone", |bench| {
        bench.iter(|| map.get(black_box("key-5")).map(|found| Arc::clone(found.value())));
    });
    group.bench_function("held session, one key as JSON text", |bench| {
        bench.iter(|| session.read().map(|view| view.json(black_box("key-5")).map(str::len)));
    });
    group.bench_function("open by id, then one key", |bench| {
        bench.iter(|| {
            runtime.block_on(async { owner.open(&id).await.map(|session| session.read().map(|view| view.len())) })
        });
    });
    group.finish();
    drop(service);
}

fn update(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (service, session) = session(&runtime);
    let map: DashMap<String, Arc<Mutex<i64>>> = DashMap::new();
    map.insert("n".to_owned(), Arc::default());
    let mut group = criterion.benchmark_group("update");
    group.bench_function("raw: DashMap get, lock, add", |bench| {
        bench.iter(|| map.get(black_box("n")).map(|found| *found.value().lock() += 1));
    });
    let mut updates = 0_u64;
    group.bench_function("held session, increment of one key", |bench| {
        bench.iter(|| {
            updates += 1;
            runtime
                .block_on(session.update(|draft| draft.increment("n", 1).map(drop)))
                .map_err(|_: sessile::UpdateError<DraftError>| ())
        });
    });
    group.finish();
    // A bench that lost an update has no figure to give.
    assert_eq!(session.get::<u64>("n").expect("reads").unwrap_or_default(), updates);
    drop(service);
}

criterion_group!(benches, read, update);
criterion_main!(benches);
