//! Updates, and updates mixed with reads, each beside the raw structure that a server would use in its place.
//!
//! An update adds one to a counter; the counters are summed after each group. The baselines have no owners, limits,
//! expiry, metrics or files; the ratio within one run is the figure, not the nanoseconds.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench that fails has no figure")]

mod common;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use common::session::READ;
use common::{CALLERS, SESSIONS, actor, builder, counted, fill, many, place, runtime, update};
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use dashmap::DashMap;
use parking_lot::Mutex;
use ractor::ActorRef;
use ractor::concurrency::JoinHandle;
use sessile::Session;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Map = DashMap<String, Arc<Mutex<u64>>>;
type Actors = [(ActorRef<actor::Ask>, JoinHandle<()>)];

/// Sessions, and as many stand-ins of each kind.
struct Stores {
    runtime: Runtime,
    sessions: &'static [Session],
    map: &'static Map,
    actors: &'static Actors,
    /// Updates that were made, for the sum at the end.
    made: [Cell<u64>; 3],
}

/// How the operations of a bench are spread: over callers, over sessions, and how many of a hundred are updates.
#[derive(Clone, Copy)]
struct Load {
    callers: usize,
    places: usize,
    updates: u64,
}

impl Load {
    fn updates(self, number: u64) -> bool {
        // By the number alone, so that what was done can be counted afterwards without counting along.
        number % 100 < self.updates
    }
}

fn add(map: &Map, id: &str) {
    *map.get(id).expect("the id is there").lock() += 1;
}

impl Stores {
    fn new() -> Self {
        let runtime = runtime();
        let sessions = runtime.block_on(async {
            let service = builder().start().await.expect("starts");
            let sessions = fill(&service, SESSIONS).await;
            // The service lives as long as the sessions that are borrowed from it.
            std::mem::forget(service);
            sessions
        });
        let map = sessions.iter().map(|session| (session.id().as_str().to_owned(), Arc::default())).collect();
        let actors = runtime.block_on(actor::spawn(SESSIONS)).leak();
        Self { sessions, map: Box::leak(Box::new(map)), actors, made: Default::default(), runtime }
    }

    fn measure(&self, group: &mut BenchmarkGroup<'_, WallTime>, load: Load) {
        let Self { runtime, sessions, map, actors, made } = self;
        let (sessions, map, actors) = (*sessions, *map, *actors);
        let note = |store: usize, iterations: u64| {
            // Whole hundreds hold exactly their share of updates for every caller.
            made[store].set(made[store].get() + iterations / 100 * load.updates);
        };
        // Every caller makes whole hundreds of operations, and the time is scaled to what criterion asked for.
        let whole = |iterations: u64| iterations.div_ceil(100 * load.callers as u64) * 100 * load.callers as u64;
        let scaled = |took: std::time::Duration, asked: u64, done: u64| took.mul_f64(asked as f64 / done as f64);
        group.bench_function("raw: DashMap get, lock, add", |bench| {
            bench.iter_custom(|asked| {
                let done = whole(asked);
                let took = many(runtime, load.callers, done, move |caller, number| async move {
                    let id = sessions[place(caller, number, load.places)].id().as_str();
                    if load.updates(number) {
                        add(map, id);
                    } else {
                        black_box(map.get(id).map(|found| *found.lock()));
                    }
                });
                note(0, done);
                scaled(took, asked, done)
            });
        });
        group.bench_function("raw: ractor call", |bench| {
            bench.iter_custom(|asked| {
                let done = whole(asked);
                let took = many(runtime, load.callers, done, move |caller, number| async move {
                    let actor = &actors[place(caller, number, load.places)].0;
                    if load.updates(number) {
                        actor::add(actor).await;
                    } else {
                        black_box(actor::sum(actor).await);
                    }
                });
                note(1, done);
                scaled(took, asked, done)
            });
        });
        group.bench_function("held sessions", |bench| {
            bench.iter_custom(|asked| {
                let done = whole(asked);
                let took = many(runtime, load.callers, done, move |caller, number| async move {
                    let session = &sessions[place(caller, number, load.places)];
                    if load.updates(number) {
                        update(session).await;
                    } else {
                        let view = session.read().expect("the session lives");
                        black_box(view.json(READ).map(str::len));
                    }
                });
                note(2, done);
                scaled(took, asked, done)
            });
        });
    }

    /// Panics when an update was lost, by anybody.
    fn verify(&self) {
        let map: u64 = self.map.iter().map(|entry| *entry.lock()).sum();
        let actors = self.runtime.block_on(async {
            let mut sum = 0;
            for (actor, _) in self.actors {
                sum += actor::sum(actor).await;
            }
            sum
        });
        let counted = [map, actors, counted(self.sessions)];
        assert_eq!(counted, [0, 1, 2].map(|store| self.made[store].get()), "updates were lost");
    }
}

fn benches(criterion: &mut Criterion) {
    let stores = Stores::new();
    let groups = [
        ("update, one caller on one session", Load { callers: 1, places: 1, updates: 100 }),
        ("update, one caller on random of 100,000", Load { callers: 1, places: SESSIONS, updates: 100 }),
        ("update, 64 callers on one hot session", Load { callers: CALLERS, places: 1, updates: 100 }),
        ("update, 64 callers on random of 100,000", Load { callers: CALLERS, places: SESSIONS, updates: 100 }),
        ("90 reads to 10 updates, 64 callers", Load { callers: CALLERS, places: SESSIONS, updates: 10 }),
        ("50 reads to 50 updates, 64 callers", Load { callers: CALLERS, places: SESSIONS, updates: 50 }),
    ];
    for (name, load) in groups {
        let mut group = criterion.benchmark_group(name);
        stores.measure(&mut group, load);
        group.finish();
        stores.verify();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
