//! Another task: updates at a fixed rate, each timed from when it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sessile::Session;

use super::processor::{Lateness, Processor};
use super::{load, machine};

const PER_SECOND: u32 = 64_000;

/// A thread of updates, until it is stopped.
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Lateness>,
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
    pub(crate) fn stop(self) -> Lateness {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the updates went well")
    }
}

async fn run(held: &[Session], stop: &AtomicBool) -> Lateness {
    let (mut times, mut processor) = (Lateness::new(), Processor::of_this_thread());
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
        times.record(late, processor.without_waits(late));
        due += gap;
    }
    times
}

/// Rows of what updates took beside some work, and without it.
pub(crate) fn rows(what: &str, with: &Lateness, without: &Lateness) {
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
        let micros = |times: &Histogram<u64>| times.value_at_quantile(quantile) as f64 / 1e3;
        let name = format!("update {name} {what}");
        machine::row(&name, micros(&with.all), micros(&without.all), "us", "the same, nothing running");
        let name = format!("{name}, on a processor");
        machine::row(&name, micros(&with.own), micros(&without.own), "us", "the same, nothing running");
    }
}
