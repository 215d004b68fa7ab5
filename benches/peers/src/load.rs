//! The work: 64 callers, each a tokio task that makes one operation after another.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::machine;
use crate::random::Random;
use crate::report::Row;
use crate::store::{Store, ids};

const CALLERS: usize = 64;
/// A caller lets others run after so many operations; one whose operations never wait would else run alone.
const TURN: u64 = 16;
/// One update in so many is timed: reading the clock costs as much as some of the updates.
const TIMED: u64 = 4;

/// The longest time that an update is told to have taken: a minute, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// How long each load runs, and how often; the median counts.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) time: Duration,
    pub(crate) rounds: usize,
}

/// Which operations, on which sessions.
#[derive(Clone, Copy)]
struct Load {
    /// Updates in a hundred operations.
    updates: usize,
    /// One session for all, or random ones.
    hot: bool,
}

/// What one run of a load did.
struct Done {
    operations_per_second: f64,
    updates: u64,
    refused: u64,
    /// In nanoseconds.
    updates_took: Histogram<u64>,
}

impl Default for Done {
    fn default() -> Self {
        let updates_took = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order");
        Self { operations_per_second: 0.0, updates: 0, refused: 0, updates_took }
    }
}

/// Fills a store, puts every load on it, and tells what came of it.
pub(crate) async fn measure<S: Store>(name: &str, plan: Plan) -> Row {
    let ids = ids(S::SESSIONS);
    let before = machine::resident("self");
    let store = Arc::new(S::build(ids).await);
    let bytes = store.resident().saturating_sub(store.empty(before)) / S::SESSIONS as u64;
    // Once round for the caches and the allocator.
    run(&store, Load { updates: 50, hot: false }, plan.time / 4).await;
    let at_first = sum(&store).await;

    let (mut updates, mut refused) = (0, 0);
    let mut median = async |load| {
        let mut rounds = Vec::new();
        for _ in 0..plan.rounds {
            let done = run(&store, load, plan.time).await;
            updates += done.updates;
            refused += done.refused;
            rounds.push(done);
        }
        rounds.sort_by(|left, right| left.operations_per_second.total_cmp(&right.operations_per_second));
        rounds.swap_remove(plan.rounds / 2)
    };
    let read = median(Load { updates: 0, hot: false }).await;
    let update = median(Load { updates: 100, hot: false }).await;
    let mostly_reads = median(Load { updates: 10, hot: false }).await;
    let half = median(Load { updates: 50, hot: false }).await;
    let hot = median(Load { updates: 100, hot: true }).await;
    let lost = (at_first + updates).saturating_sub(sum(&store).await);
    let micros = |quantile: f64| half.updates_took.value_at_quantile(quantile) as f64 / 1_000.0;
    Row {
        name: name.to_owned(),
        sessions: S::SESSIONS as u64,
        rates: [&read, &update, &mostly_reads, &half, &hot].map(|done| done.operations_per_second),
        p50_micros: micros(0.5),
        p99_micros: micros(0.99),
        bytes,
        updates,
        lost,
        refused,
    }
}

async fn sum<S: Store>(store: &Arc<S>) -> u64 {
    let mut sum = 0;
    for place in 0..S::SESSIONS {
        sum += store.counted(place).await;
    }
    sum
}

async fn run<S: Store>(store: &Arc<S>, load: Load, time: Duration) -> Done {
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(call(Arc::clone(store), load, Random::of(caller), Arc::clone(&stop))))
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let (mut all, mut operations) = (Done::default(), 0);
    for caller in callers {
        let (own, done) = caller.await.expect("a caller ends without a panic");
        operations += own;
        all.updates += done.updates;
        all.refused += done.refused;
        all.updates_took.add(done.updates_took).expect("histograms are of one kind");
    }
    all.operations_per_second = operations as f64 / started.elapsed().as_secs_f64();
    all
}

async fn call<S: Store>(store: Arc<S>, load: Load, mut random: Random, stop: Arc<AtomicBool>) -> (u64, Done) {
    let (mut operations, mut done) = (0, Done::default());
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..TURN {
            let place = if load.hot { 0 } else { random.below(S::SESSIONS) };
            operations += 1;
            if random.below(100) >= load.updates {
                black_box(store.read(place).await);
                continue;
            }
            let started = (done.updates % TIMED == 0).then(Instant::now);
            if !store.update(place).await {
                done.refused += 1;
                continue;
            }
            done.updates += 1;
            if let Some(started) = started {
                done.updates_took.saturating_record(started.elapsed().as_nanos() as u64);
            }
        }
        tokio::task::yield_now().await;
    }
    (operations, done)
}
