//! One `set` in sessions of many entries, beside an insert into a `BTreeMap` of as many.
//!
//! A session of a million entries takes long to make: only when `SESSILE_BENCH_MILLION` is set.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench that fails has no figure")]

mod common;

use std::collections::BTreeMap;
use std::hint::black_box;

use common::{builder, million, one, owner, place, runtime};
use criterion::{Criterion, criterion_group, criterion_main};
use sessile::{DraftError, NewSession, Session};

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
        group.finish();
        let view = session.read().expect("reads");
        assert_eq!((view.len(), view.revision().get() - first), (size, made), "a set was lost");
    }
}

criterion_group!(benches, set);
criterion_main!(benches);
