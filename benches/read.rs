//! Reads, each beside the raw structure that a server would use in its place.
//!
//! The baselines have no owners, limits, expiry, metrics or files; the ratio within one run is the figure, not the
//! nanoseconds.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench that fails has no figure")]

mod common;

use std::hint::black_box;
use std::sync::Arc;

use common::session::{KEYS, READ, state};
use common::{SESSIONS, actor, builder, fill, one, owner, place, runtime};
use criterion::{Criterion, criterion_group, criterion_main};
use dashmap::DashMap;
use serde::Deserialize;
use serde_json::Value;
use sessile::{Owner, Session};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The value that reads ask for, as a type.
#[derive(Deserialize)]
struct Item {
    title: String,
    line: u64,
}

fn text(session: &Session) -> usize {
    let view = session.read().expect("the session lives");
    black_box(view.json(black_box(READ)).expect("the key is there").len())
}

fn hot(criterion: &mut Criterion, session: &Session, map: &DashMap<String, Arc<Value>>, first: &str) {
    let mut group = criterion.benchmark_group("read, one session");
    group.bench_function("raw: DashMap get and Arc clone", |bench| {
        bench.iter(|| map.get(black_box(first)).map(|found| Arc::clone(found.value())));
    });
    // No more than the raw structure gives: a reference to the state, with nothing looked up in it.
    group.bench_function("held, the revision alone", |bench| bench.iter(|| black_box(session).read()));
    group.bench_function("held, one key as text", |bench| bench.iter(|| text(session)));
    group.bench_function("held, one key as a type", |bench| {
        bench.iter(|| {
            let item: Item = session.get(black_box(READ)).expect("reads").expect("the key is there");
            black_box(item.title.len() as u64 + item.line)
        });
    });
    group.bench_function("held, all keys as text", |bench| {
        bench.iter(|| {
            let view = session.read().expect("the session lives");
            let sum: usize = view.entries().map(|entry| entry.value.len()).sum();
            black_box(sum)
        });
    });
    group.finish();
}

/// The sessions, their ids, their owners, and the raw map of the same size.
struct Many {
    sessions: &'static [Session],
    owners: &'static [Owner],
    map: &'static DashMap<String, Arc<Value>>,
}

fn random(criterion: &mut Criterion, runtime: &Runtime, many: &Many) {
    let Many { sessions, owners, map } = *many;
    let mut group = criterion.benchmark_group("read, random of 100,000");
    group.bench_function("raw: DashMap get and Arc clone", |bench| {
        bench.iter_custom(|iterations| {
            one(runtime, iterations, move |caller, number| async move {
                let id = sessions[place(caller, number, SESSIONS)].id().as_str();
                black_box(map.get(id).map(|found| Arc::clone(found.value())));
            })
        });
    });
    group.bench_function("held, the revision alone", |bench| {
        bench.iter_custom(|iterations| {
            one(runtime, iterations, move |caller, number| async move {
                black_box(sessions[place(caller, number, SESSIONS)].read()).expect("the session lives");
            })
        });
    });
    group.bench_function("held, one key as text", |bench| {
        bench.iter_custom(|iterations| {
            one(runtime, iterations, move |caller, number| async move {
                text(&sessions[place(caller, number, SESSIONS)]);
            })
        });
    });
    group.bench_function("opened by id, one key as text", |bench| {
        bench.iter_custom(|iterations| {
            one(runtime, iterations, move |caller, number| async move {
                let place = place(caller, number, SESSIONS);
                let id = sessions[place].id().as_str();
                text(&owners[place].open(id).await.expect("opens"));
            })
        });
    });
    let actors = runtime.block_on(actor::spawn(SESSIONS / 10)).leak();
    group.bench_function("raw: ractor call, random of 10,000", |bench| {
        bench.iter_custom(|iterations| {
            let actors = &*actors;
            one(runtime, iterations, move |caller, number| async move {
                black_box(actor::sum(&actors[place(caller, number, actors.len())].0).await);
            })
        });
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let runtime = runtime();
    let (service, sessions) = runtime.block_on(async {
        let service = builder().start().await.expect("starts");
        let sessions = fill(&service, SESSIONS).await;
        (service, sessions)
    });
    let owners: &'static [Owner] = (0..SESSIONS).map(|index| owner(&service, index)).collect::<Vec<_>>().leak();
    let value = Arc::new(state()[READ].clone());
    let map: &'static DashMap<String, Arc<Value>> = Box::leak(Box::new(
        // A value of its own each, as sessions have.
        sessions.iter().map(|session| (session.id().as_str().to_owned(), Arc::new(Value::clone(&value)))).collect(),
    ));
    hot(criterion, &sessions[0], map, sessions[0].id().as_str());
    random(criterion, &runtime, &Many { sessions, owners, map });
    let whole = sessions.iter().all(|session| session.read().is_ok_and(|view| view.len() == KEYS));
    assert!(whole, "a session lost entries to reads");
}

criterion_group!(benches, read);
criterion_main!(benches);
