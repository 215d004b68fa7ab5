//! The work: callers, each a tokio task that makes one update after another on random sessions.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::random::Random;

/// Sessions that callers choose from.
pub(crate) const SESSIONS: usize = 10_000;
/// The longest time that an update is told to have taken: ten seconds, in nanoseconds.
const LONGEST: u64 = 10_000_000_000;
/// Digits of a time. Each caller has a histogram of its own; with one more a thousand of them would be in no cache.
const DIGITS: u8 = 2;

/// A store whose updates are on disk when they end.
pub(crate) trait Store: Send + Sync + Sized + 'static {
    /// Makes it with its sessions in it, for so many callers.
    fn build(folder: &Path, callers: usize) -> impl Future<Output = Self> + Send;

    /// Adds one to the counter of a random session, or of several in one call; how many. A refusal is a panic.
    fn update(&self, caller: usize, random: &mut Random) -> impl Future<Output = u64> + Send;

    /// The sum of all counters, from what is on disk where the store can be opened again.
    fn counted(self) -> impl Future<Output = u64> + Send;
}

/// What is measured.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) time: Duration,
    pub(crate) callers: usize,
    pub(crate) folder: PathBuf,
}

/// What came of it.
pub(crate) struct Figures {
    /// Updates a second.
    pub(crate) rate: f64,
    /// Of one call, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Figures {
    pub(crate) fn to_json(&self) -> Value {
        json!({"rate": self.rate, "p50": self.p50, "p99": self.p99})
    }

    pub(crate) fn from_json(text: &str) -> Option<Self> {
        let figures: Value = serde_json::from_str(text).ok()?;
        let figure = |name: &str| figures[name].as_f64();
        Some(Self { rate: figure("rate")?, p50: figure("p50")?, p99: figure("p99")? })
    }
}

/// Callers warm up, are measured, and stop.
const WARM_UP: u8 = 0;
const MEASURED: u8 = 1;
const STOPPED: u8 = 2;

/// What one caller did.
struct Done {
    /// All of its updates, and those that were measured.
    all: u64,
    measured: u64,
    took: Histogram<u32>,
}

impl Done {
    fn new() -> Self {
        Self {
            all: 0,
            measured: 0,
            took: Histogram::new_with_bounds(1_000, LONGEST, DIGITS).expect("the bounds are in order"),
        }
    }
}

/// Fills a store, puts the load on it, and counts what is there afterwards.
pub(crate) async fn measure<S: Store>(plan: Plan) -> Result<Figures, String> {
    let store = Arc::new(S::build(&plan.folder, plan.callers).await);
    let phase = Arc::new(AtomicU8::new(WARM_UP));
    let callers: Vec<_> =
        (0..plan.callers).map(|caller| tokio::spawn(call(Arc::clone(&store), caller, Arc::clone(&phase)))).collect();
    tokio::time::sleep(plan.time / 4).await;
    phase.store(MEASURED, Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(plan.time).await;
    phase.store(STOPPED, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let mut sum = Done::new();
    for caller in callers {
        let done = caller.await.map_err(|error| format!("a caller: {error}"))?;
        sum.all += done.all;
        sum.measured += done.measured;
        sum.took.add(done.took).map_err(|error| error.to_string())?;
    }
    let store = Arc::into_inner(store).ok_or("a caller still has the store")?;
    let counted = store.counted().await;
    if counted != sum.all {
        return Err(format!("{} updates were acknowledged and {counted} are there", sum.all));
    }
    let micros = |quantile: f64| sum.took.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Figures { rate: sum.measured as f64 / elapsed.as_secs_f64(), p50: micros(0.5), p99: micros(0.99) })
}

async fn call<S: Store>(store: Arc<S>, caller: usize, phase: Arc<AtomicU8>) -> Done {
    let (mut done, mut random) = (Done::new(), Random::of(caller));
    loop {
        let before = phase.load(Ordering::Relaxed);
        if before == STOPPED {
            return done;
        }
        let started = Instant::now();
        let updates = store.update(caller, &mut random).await;
        done.all += updates;
        if before == MEASURED && phase.load(Ordering::Relaxed) == MEASURED {
            done.measured += updates;
            done.took.saturating_record(started.elapsed().as_nanos() as u64);
        }
    }
}
