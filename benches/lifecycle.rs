//! Creating, opening, listing and sweeping sessions, each beside a raw structure.
//!
//! The baselines have no owners, limits, metrics or files; the ratio within one run is the figure, not the nanoseconds.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench that fails has no figure")]

mod common;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use common::{SESSIONS, builder, fill, one, owner, place, runtime};
use criterion::{Criterion, criterion_group, criterion_main};
use dashmap::DashMap;
use sessile::{ListQuery, NewSession, Owner, Session, SessionService};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a page of a list holds.
const PAGE: usize = 100;

fn create(criterion: &mut Criterion) {
    let runtime = runtime();
    let service = runtime.block_on(async { builder().start().await.expect("starts") });
    let before = service.operator().stats().sessions;
    let owner: &'static Owner = Box::leak(Box::new(owner(&service, 0)));
    let map: &'static DashMap<u64, Arc<String>> = Box::leak(Box::default());
    let mut group = criterion.benchmark_group("create");
    group.bench_function("raw: DashMap insert", |bench| {
        bench.iter_custom(|iterations| {
            map.clear();
            one(&runtime, iterations, move |_, number| async move {
                map.insert(number, Arc::new(number.to_string()));
            })
        });
    });
    group.bench_function("create, empty", |bench| {
        bench.iter_custom(|iterations| {
            let took = one(&runtime, iterations, move |_, _| async move {
                black_box(owner.create(NewSession::default()).await.expect("creates"));
            });
            let closed = runtime.block_on(owner.close_all()).expect("closes");
            assert_eq!(closed, iterations, "a session was lost");
            took
        });
    });
    group.bench_function("create with 10 keys, 919 bytes", |bench| {
        bench.iter_custom(|iterations| {
            let took = one(&runtime, iterations, move |_, _| async move {
                black_box(common::create(owner).await);
            });
            let closed = runtime.block_on(owner.close_all()).expect("closes");
            assert_eq!(closed, iterations, "a session was lost");
            took
        });
    });
    group.finish();
    assert_eq!(service.operator().stats().sessions, before, "sessions that were closed are still there");
}

/// A service of 100,000 sessions that never expire.
fn filled(runtime: &Runtime) -> (SessionService, &'static [Session]) {
    runtime.block_on(async {
        let service = builder().start().await.expect("starts");
        let sessions = fill(&service, SESSIONS).await;
        (service, sessions)
    })
}

fn find(criterion: &mut Criterion) {
    let runtime = runtime();
    let (service, sessions) = filled(&runtime);
    let owners: &'static [Owner] = (0..SESSIONS).map(|index| owner(&service, index)).collect::<Vec<_>>().leak();
    let map: &'static DashMap<String, Arc<u64>> = Box::leak(Box::new(
        sessions.iter().map(|session| (session.id().as_str().to_owned(), Arc::default())).collect(),
    ));
    let mut group = criterion.benchmark_group("open, random of 100,000");
    group.bench_function("raw: DashMap get and Arc clone", |bench| {
        bench.iter_custom(|iterations| {
            one(&runtime, iterations, move |caller, number| async move {
                let id = sessions[place(caller, number, SESSIONS)].id().as_str();
                black_box(map.get(id).map(|found| Arc::clone(found.value())));
            })
        });
    });
    group.bench_function("open", |bench| {
        bench.iter_custom(|iterations| {
            one(&runtime, iterations, move |caller, number| async move {
                let place = place(caller, number, SESSIONS);
                black_box(owners[place].open(sessions[place].id().as_str()).await.expect("opens"));
            })
        });
    });
    group.finish();

    let tree: BTreeMap<(u64, String), u64> =
        (0..1_000).map(|index| ((index, sessions[index as usize].id().as_str().to_owned()), index)).collect();
    let mut group = criterion.benchmark_group("list, the newest 100 of an owner's 1,000");
    group.bench_function("raw: BTreeMap, keys cloned", |bench| {
        bench.iter(|| tree.iter().rev().take(PAGE).map(|((_, id), _)| id.clone()).collect::<Vec<_>>());
    });
    group.bench_function("list", |bench| {
        let query = ListQuery::default().limit(PAGE);
        bench.iter(|| {
            let page = runtime.block_on(owners[0].list(&query)).expect("lists");
            assert_eq!(page.sessions.len(), PAGE);
            page
        });
    });
    group.finish();

    let now = Instant::now();
    let stamps: DashMap<u128, Instant> = (0..SESSIONS as u128).map(|index| (index << 64, now)).collect();
    let mut group = criterion.benchmark_group("sweep of 100,000, none expired");
    group.sample_size(10);
    group.bench_function("raw: DashMap retain by time", |bench| {
        bench.iter(|| stamps.retain(|_, stamp| *stamp <= black_box(now)));
    });
    group.bench_function("sweep", |bench| {
        let operator = service.operator();
        bench.iter(|| {
            let report = runtime.block_on(operator.sweep()).expect("sweeps");
            assert_eq!((report.scanned, report.expired), (SESSIONS as u64, 0));
        });
    });
    group.finish();
    assert_eq!(service.operator().stats().sessions, SESSIONS as u64, "a sweep took sessions that live");
}

criterion_group!(benches, create, find);
criterion_main!(benches);
