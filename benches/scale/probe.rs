//! Another task: updates at a fixed rate, each timed from when it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sessile::Session;

use super::processor::Processor;
use super::{load, machine};

const PER_SECOND: u32 = 64_000;

/// How long updates took, in nanoseconds.
pub(crate) struct Times {
    /// From when each was due.
    all: Histogram<u64>,
    /// The same without what their thread waited for a processor: what is left is the service's own.
    own: Histogram<u64>,
}

impl Times {
    fn new() -> Self {
        let [all, own] = [(); 2].map(|()| Histogram::new(3).expect("a histogram"));
        Self { all, own }
    }

    /// How many updates there were.
    pub(crate) fn len(&self) -> u64 {
        self.all.len()
    }
}

/// A thread of updates, until it is stopped.
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Times>,
}

impl Probe {
    pub(crate) fn start(held: &[Session]) -> Self {
        let (stop, held) = (Arc::new(AtomicBool::new(false)), held.to_vec());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(run(&held, &stopped))
        });
        Self { stop, thread }
    }

    /// How long the updates took.
    pub(crate) fn stop(self) -> Times {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the updates went well")
    }
}

async fn run(held: &[Session], stop: &AtomicBool) -> Times {
    let (mut times, mut processor) = (Times::new(), Processor::of_this_thread());
    let gap = Duration::from_secs(1) / PER_SECOND;
    let (mut due, mut at) = (Instant::now(), 0_usize);
    while !stop.load(Ordering::Relaxed) {
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        // A step that visits all in an order that no cache foresees.
        at = (at + 7_919) % held.len();
        held[at].increment(&load::key(0), 1).await.expect("updates");
        let late = due.elapsed();
        times.all.record(late.as_nanos() as u64).expect("records");
        times.own.record(processor.without_waits(late).as_nanos() as u64).expect("records");
        due += gap;
    }
    times
}

/// Rows of what updates took beside some work, and without it.
pub(crate) fn rows(what: &str, with: &Times, without: &Times) {
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
        let micros = |times: &Histogram<u64>| times.value_at_quantile(quantile) as f64 / 1e3;
        let name = format!("update {name} {what}");
        machine::row(&name, micros(&with.all), micros(&without.all), "us", "the same, nothing running");
        let name = format!("{name}, on a processor");
        machine::row(&name, micros(&with.own), micros(&without.own), "us", "the same, nothing running");
    }
}
