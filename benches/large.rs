//! One `set` in sessions of many entries, of a key that is there and of a new one, beside an insert into a `BTreeMap` of as
//! many.
//!
//! A session of a million entries takes long to make: only when `SESSILE_BENCH_MILLION` is set.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench that fails has no figure")]

mod common;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{builder, million, one, owner, place, runtime};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use sessile::{DraftError, NewSession, Session};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn key(index: usize) -> String {
    format!("key-{index:07}")
}

fn set(criterion: &mut Criterion) {
    let runtime = runtime();
    let service = runtime.block_on(async { builder().start().await.expect("starts") });
    let sizes = [10, 1_000, 10_000].into_iter().chain(million().then_some(1_000_000));
    for size in sizes {
        let session: &'static Session =
            Box::leak(Box::new(runtime.block_on(owner(&service, 0).create(NewSession::default())).expect("creates")));
        let filled = session.update(move |draft| {
            (0..size).try_for_each(|index| draft.set(&key(index), &0))?;
            Ok::<_, DraftError>(())
        });
        runtime.block_on(filled).expect("sets");
        let mut tree: BTreeMap<String, String> = (0..size).map(|index| (key(index), "0".to_owned())).collect();

        let mut group = criterion.benchmark_group(format!("set in a session of {size} entries"));
        let mut number = 0;
        group.bench_function("raw: BTreeMap insert", |bench| {
            bench.iter(|| {
                number += 1;
                black_box(tree.insert(key(place(0, number, size)), number.to_string()))
            });
        });
        let first = session.read().expect("reads").revision().get();
        let mut made = 0;
        group.bench_function("set", |bench| {
            bench.iter_custom(|iterations| {
                made += iterations;
                one(&runtime, iterations, move |caller, number| async move {
                    // Another value every time: a set that changes nothing commits nothing.
                    let set = session.set(&key(place(caller, number, size)), &(number + 1)).await;
                    assert!(set.is_ok_and(|set| set.changed), "a set was refused");
                })
            });
        });
        let view = session.read().expect("reads");
        assert_eq!((view.len(), view.revision().get() - first), (size, made), "a set was lost");
        drop(view);
        new_keys(&mut group, &runtime, session, size, &mut tree);
        group.finish();
    }
}

/// Sets of keys that are not there, since every tenth was taken out. Once all are back they are taken out again, which is
/// not measured: the size stays near what it says.
fn new_keys(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    session: &'static Session,
    size: usize,
    tree: &mut BTreeMap<String, String>,
) {
    let round = size / 10;
    // In no order: a prime, and no factor of any size.
    let new = move |number: u64| key(number as usize * 7_919 % round * 10);
    let take_out = move |count: u64| {
        let removed = session.update(move |draft| {
            Ok::<_, DraftError>((0..count).filter(|number| draft.remove(&new(*number))).count() as u64)
        });
        assert_eq!(runtime.block_on(removed).expect("removes").value, count, "a set was lost");
    };
    take_out(round as u64);
    tree.retain(|key, _| session.get::<u64>(key).expect("reads").is_some());
    group.bench_function("raw: BTreeMap insert of a new key", |bench| {
        bench.iter_custom(|iterations| {
            rounds(iterations, round as u64, |count| {
                let started = Instant::now();
                (0..count).for_each(|number| assert!(tree.insert(new(number), number.to_string()).is_none()));
                let took = started.elapsed();
                (0..count).for_each(|number| assert!(tree.remove(&new(number)).is_some()));
                took
            })
        });
    });
    group.bench_function("set of a new key", |bench| {
        bench.iter_custom(|iterations| {
            rounds(iterations, round as u64, |count| {
                let took = runtime.block_on(async {
                    let started = Instant::now();
                    for number in 0..count {
                        session.set(&new(number), &number).await.expect("sets");
                    }
                    started.elapsed()
                });
                take_out(count);
                took
            })
        });
    });
    assert_eq!(session.read().expect("reads").len(), size - round, "a set was lost");
}

/// How long so many take when they come in rounds.
fn rounds(all: u64, of: u64, mut take: impl FnMut(u64) -> Duration) -> Duration {
    (0..all.div_ceil(of)).map(|round| take(of.min(all - round * of))).sum()
}

criterion_group!(benches, set);
criterion_main!(benches);
