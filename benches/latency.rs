//! How late answers are at a fixed load, from the time that each call was due.
//!
//! ```text
//! cargo bench --bench latency -- [--seconds N] [--rate CALLS_A_SECOND]
//! ```
//!
//! One table: updates beside the same load on raw structures, reads and updates while snapshots and sweeps run, and a
//! quiet session while another is flooded with ten times what it can do. The ratios within one run are the figures.
//! What a machine does with more threads than cores is in all of them: the rows beside a thread that only computes
//! tell how much.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that fails has no figure"
)]

mod common;

use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::open_loop::{Schedule, run};
use common::session::READ;
use common::{SESSIONS, actor, builder, counted, create, fill, owner, place, update};
use dashmap::DashMap;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use sessile::{DraftError, Session, SessionService, UpdateError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a turn of the flooded session takes, and so what it can do at most: 20,000 a second.
const TURN: Duration = Duration::from_micros(50);
/// Calls on the flooded session a second: ten times that.
const FLOOD: u64 = 200_000;
/// One call in so many goes to the quiet session.
const QUIET: u64 = 200;
/// What a flood may add to the process's memory: the mailbox is bounded, and a refused call leaves nothing.
const FLOOD_MAY_ADD: u64 = 64 << 20;

fn main() {
    let (mut seconds, mut rate) = (10_u64, 64_000_u64);
    // cargo adds an argument of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|text| text.parse().ok()).filter(|value| *value > 0);
        match argument.as_str() {
            "--seconds" => seconds = value().expect("--seconds needs a whole number"),
            "--rate" => rate = value().expect("--rate needs a whole number"),
            other => panic!("{other} is no option; there are --seconds and --rate"),
        }
    }
    let two = Schedule { rate, pacers: 2, time: Duration::from_secs(seconds), spawned: false };
    // One pacer leaves a core to whatever else runs.
    let one = Schedule { pacers: 1, ..two };
    println!("microseconds from the time a call was due to its answer; {rate} calls a second for {seconds} s each\n");
    println!("{:<58} {:>9} {:>9} {:>9} {:>9}", "", "p50", "p99", "p99.9", "max");
    common::runtime().block_on(async {
        // In a task: what blocks the main thread is no worker.
        let all = tokio::spawn(async move {
            raw(two).await;
            sessions(two, one).await;
            flood(Schedule { rate: FLOOD, spawned: true, ..one }).await;
        });
        all.await.expect("a bench panicked");
    });
}

fn show(name: &str, answers: &Histogram<u64>) {
    let micros = |quantile| answers.value_at_quantile(quantile) as f64 / 1_000.0;
    let (p50, p99, p999, max) = (micros(0.5), micros(0.99), micros(0.999), answers.max() as f64 / 1_000.0);
    println!("{name:<58} {p50:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.1}");
}

/// The same load on what a server would use in its place.
async fn raw(schedule: Schedule) {
    let map: &'static DashMap<u128, Arc<Mutex<u64>>> =
        Box::leak(Box::new((0..SESSIONS as u128).map(|index| (index, Arc::default())).collect()));
    let answers = run(schedule, move |number| {
        let add = async move {
            *map.get(&(place(0, number, SESSIONS) as u128)).expect("the key is there").lock() += 1;
        };
        (true, add)
    });
    show("raw: DashMap get, lock, add; random of 100,000", &answers.await);
    assert_eq!(map.iter().map(|entry| *entry.lock()).sum::<u64>(), schedule.calls(), "the map lost updates");

    let actors = actor::spawn(SESSIONS).await.leak();
    let actors = &*actors;
    let answers = run(schedule, move |number| (true, actor::add(&actors[place(0, number, SESSIONS)].0)));
    show("raw: ractor call; random of 100,000", &answers.await);
    let mut sum = 0;
    for (actor, _) in actors {
        sum += actor::sum(actor).await;
        actor.stop(None);
    }
    assert_eq!(sum, schedule.calls(), "the actors lost updates");
}

/// Updates and reads, alone and beside what the service does now and then.
async fn sessions(two: Schedule, one: Schedule) {
    let folder = tempfile::tempdir().expect("a folder");
    let service = builder().snapshots(folder.path()).generations(1_usize).start().await.expect("starts");
    let sessions = fill(&service, SESSIONS).await;
    let updates = move |number| (true, update(&sessions[place(0, number, SESSIONS)]));
    let reads = move |number| {
        let read = async move {
            let view = sessions[place(0, number, SESSIONS)].read().expect("the session lives");
            black_box(view.json(READ).map(str::len));
        };
        (true, read)
    };
    show("update; random of 100,000", &run(two, updates).await);
    show("read", &run(one, reads).await);
    let (answers, ()) = beside(run(one, reads), computing).await;
    show("read, beside a thread that computes", &answers);
    let (answers, made) = beside(run(one, reads), |stop| snapshots(&service, &sessions[0], stop)).await;
    show(&format!("read, beside {made} snapshots and sweeps"), &answers);
    show("update, one pacer", &run(one, updates).await);
    let (answers, ()) = beside(run(one, updates), computing).await;
    show("update, beside a thread that computes", &answers);
    let (answers, more) = beside(run(one, updates), |stop| snapshots(&service, &sessions[0], stop)).await;
    show(&format!("update, beside {more} snapshots and sweeps"), &answers);
    let done = two.calls() + 3 * one.calls() + made + more;
    assert_eq!(counted(sessions), done, "updates were lost");
    service.drain().await.expect("drains");
}

/// A load, and something else for as long as it lasts.
async fn beside<T, U, Fut>(load: impl Future<Output = T>, other: impl FnOnce(Arc<AtomicBool>) -> Fut) -> (T, U)
where
    U: Send + 'static,
    Fut: Future<Output = U> + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let other = tokio::spawn(other(Arc::clone(&stop)));
    let load = load.await;
    stop.store(true, Ordering::Relaxed);
    (load, other.await.expect("what ran beside the load panicked"))
}

async fn computing(stop: Arc<AtomicBool>) {
    let compute = move || {
        while !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    };
    tokio::task::spawn_blocking(compute).await.expect("computes");
}

/// One snapshot and one sweep after another; how many. Each has one update before it, else it would find nothing to do.
fn snapshots(service: &SessionService, session: &Session, stop: Arc<AtomicBool>) -> impl Future<Output = u64> + use<> {
    let (service, session) = (service.clone(), session.clone());
    async move {
        let mut made = 0;
        while !stop.load(Ordering::Relaxed) {
            update(&session).await;
            made += 1;
            assert_eq!(service.snapshot().await.expect("a snapshot").sessions, SESSIONS as u64);
            assert_eq!(service.operator().sweep().await.expect("a sweep").scanned, SESSIONS as u64);
        }
        made
    }
}

/// A quiet session, alone and while another is flooded.
async fn flood(schedule: Schedule) {
    let service = builder().start().await.expect("starts");
    let owner = owner(&service, 0);
    let quiet: &'static Session = Box::leak(Box::new(create(&owner).await));
    let hot: &'static Session = Box::leak(Box::new(create(&owner).await));
    let done: &'static [AtomicU64; 2] = Box::leak(Box::default());
    let calls = move |flooded: bool| {
        move |number: u64| {
            let own = number.is_multiple_of(QUIET);
            let call = async move {
                match (own, flooded) {
                    (true, _) => update(quiet).await,
                    (false, true) => overload(hot, done).await,
                    (false, false) => {}
                }
            };
            (own, call)
        }
    };
    show("quiet session, 1,000 updates a second, tasks", &run(schedule, calls(false)).await);
    let before = resident();
    let watch = beside(run(schedule, calls(true)), |stop| async move {
        let mut most = 0;
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            most = most.max(resident());
        }
        most
    });
    let (answers, most) = watch.await;
    show("the same, another one flooded with ten times its capacity", &answers);
    let [ran, refused] = done.each_ref().map(|count| count.load(Ordering::Relaxed));
    let added = most.saturating_sub(before);
    println!("{:<58} {ran} of the flood's updates ran, {refused} were refused, memory grew by {} KiB", "", added >> 10);
    assert_eq!(counted(std::slice::from_ref(hot)), ran, "updates were lost");
    assert!(added <= FLOOD_MAY_ADD, "a flood added {added} bytes, and {FLOOD_MAY_ADD} are allowed");
}

/// An update that takes its time, and does not wait for a place in the mailbox.
async fn overload(session: &Session, done: &[AtomicU64; 2]) {
    let turn = |draft: &mut sessile::Draft| {
        let started = Instant::now();
        while started.elapsed() < TURN {
            std::hint::spin_loop();
        }
        draft.increment(common::session::COUNTER, 1)
    };
    match session.try_update(turn).await {
        Ok(_) => done[0].fetch_add(1, Ordering::Relaxed),
        Err(UpdateError::<DraftError>::Overloaded { .. }) => done[1].fetch_add(1, Ordering::Relaxed),
        Err(error) => panic!("an update failed: {error}"),
    };
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this system tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory is told");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("in KiB") << 10
}
