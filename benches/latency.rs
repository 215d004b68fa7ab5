//! How late answers are at a fixed load, from the time that each call was due.
//!
//! ```text
//! cargo bench --bench latency -- [--seconds N] [--rate CALLS_A_SECOND]
//! ```
//!
//! One table: updates beside the same load on raw structures, reads and updates while snapshots and sweeps run, and a
//! quiet session while another is flooded with ten times what it can do. The ratios within one run are the figures.
//! What a machine does with more threads than cores is in all of them: the rows beside a thread that only computes
//! tell how much, and the columns "on a processor" leave out what the calling thread waited for one.

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
use std::time::Duration;

use common::open_loop::{Schedule, run};
use common::processor::Lateness;
use common::session::READ;
use common::{SESSIONS, actor, builder, counted, create, fill, owner, place, update};
use dashmap::DashMap;
use parking_lot::Mutex;
use sessile::{DraftError, Session, SessionService, UpdateError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each of the sessions a few times.
const WARM_UP: u64 = 4 * SESSIONS as u64;
/// How long a turn of the flooded session takes, and so what it can do at most: 2,000 a second. It waits and does not
/// compute, so that what is measured is the service and not the sharing of two cores by three threads.
const TURN: Duration = Duration::from_micros(500);
/// Calls on the flooded session a second: ten times that, and more than ten times what a sleep lets through.
const FLOOD: u64 = 20_000;
/// Calls on the quiet session a second.
const QUIET: u64 = 1_000;
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
    // One pacer leaves a core to whatever else runs.
    let time = Duration::from_secs(seconds);
    let one = Schedule { rate, pacers: 1, time, warm_up: WARM_UP, spawned: false };
    println!("microseconds from the time a call was due to its answer; {rate} calls a second for {seconds} s each\n");
    println!("{:<58} {:>9} {:>9} {:>9} {:>9} | on a processor: p99 and p99.9", "", "p50", "p99", "p99.9", "max");
    common::runtime().block_on(async {
        // In a task: what blocks the main thread is no worker.
        let all = tokio::spawn(async move {
            raw(one).await;
            sessions(one).await;
            beside_files(one).await;
            tokio::task::spawn_blocking(move || flood(Schedule { warm_up: 0, spawned: true, ..one }))
                .await
                .expect("a bench panicked");
        });
        all.await.expect("a bench panicked");
    });
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn show(name: &str, answers: &Lateness) {
    let micros =
        |answers: &hdrhistogram::Histogram<u64>, quantile| answers.value_at_quantile(quantile) as f64 / 1_000.0;
    let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|quantile| micros(&answers.all, quantile));
    let [own_p99, own_p999] = [0.99, 0.999].map(|quantile| micros(&answers.own, quantile));
    println!("{name:<58} {p50:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.1} | {own_p99:>9.2} {own_p999:>9.2}");
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
async fn sessions(one: Schedule) {
    // Without a folder: a snapshot follows the first change where there is one.
    let service = builder().start().await.expect("starts");
    let sessions = fill(&service, SESSIONS).await;
    let (updates, reads) = (updates(sessions), reads(sessions));
    show("update; random of 100,000", &run(one, updates).await);
    let (answers, ()) = beside(run(one, updates), computing).await;
    show("update, beside a thread that computes", &answers);
    show("read", &run(one, reads).await);
    let (answers, ()) = beside(run(one, reads), computing).await;
    show("read, beside a thread that computes", &answers);
    assert_eq!(counted(sessions), 2 * one.calls(), "updates were lost");
    service.drain().await.expect("drains");
}

/// Reads and updates beside snapshots and sweeps.
async fn beside_files(one: Schedule) {
    let folder = tempfile::tempdir().expect("a folder");
    let service = builder().snapshots(folder.path()).generations(1_usize).start().await.expect("starts");
    let sessions = fill(&service, SESSIONS).await;
    let (answers, made) = beside(run(one, reads(sessions)), |stop| snapshots(&service, &sessions[0], stop)).await;
    show(&format!("read, beside {made} snapshots and sweeps"), &answers);
    let (answers, more) = beside(run(one, updates(sessions)), |stop| snapshots(&service, &sessions[0], stop)).await;
    show(&format!("update, beside {more} snapshots and sweeps"), &answers);
    assert_eq!(counted(sessions), one.calls() + made + more, "updates were lost");
    service.drain().await.expect("drains");
}

fn updates(sessions: &'static [Session]) -> impl Fn(u64) -> (bool, BoxFuture) + Copy {
    move |number| (true, Box::pin(update(&sessions[place(0, number, SESSIONS)])) as BoxFuture)
}

fn reads(sessions: &'static [Session]) -> impl Fn(u64) -> (bool, BoxFuture) + Copy {
    move |number| {
        let read = async move {
            let view = sessions[place(0, number, SESSIONS)].read().expect("the session lives");
            black_box(view.json(READ).map(str::len));
        };
        (true, Box::pin(read) as BoxFuture)
    }
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

/// A quiet session on a thread of its own: alone, while a session of another service is flooded (what the machine does
/// with the threads of a flood), and while one of its own service is.
fn flood(schedule: Schedule) {
    let worker = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let [own, other] = [(); 2].map(|()| worker.block_on(builder().start()).expect("starts"));
    let leaked = |service| -> &'static Session { Box::leak(Box::new(worker.block_on(create(&owner(service, 0))))) };
    let (quiet, beside, far) = (leaked(&own), leaked(&own), leaked(&other));
    show("quiet session, 1,000 updates a second", &quietly(schedule, quiet));
    for (hot, name) in [(far, "a session of another service flooded"), (beside, "one of its own service flooded")] {
        let done: &'static [AtomicU64; 2] = Box::leak(Box::default());
        let before = resident();
        let flooding = worker.spawn(run(Schedule { rate: FLOOD, ..schedule }, move |_| (false, overload(hot, done))));
        let answers = quietly(schedule, quiet);
        let added = resident().saturating_sub(before);
        worker.block_on(flooding).expect("the flood panicked");
        show(&format!("the same, {name} ten times over"), &answers);
        let [ran, refused] = done.each_ref().map(|count| count.load(Ordering::Relaxed));
        println!(
            "{:<58} {ran} updates of the flood ran, {refused} were refused, memory grew by {} KiB",
            "",
            added >> 10
        );
        assert_eq!(counted(std::slice::from_ref(hot)), ran, "updates were lost");
        assert!(added <= FLOOD_MAY_ADD, "a flood added {added} bytes, and {FLOOD_MAY_ADD} are allowed");
    }
}

fn quietly(schedule: Schedule, session: &'static Session) -> Lateness {
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    own.block_on(run(Schedule { rate: QUIET, spawned: false, ..schedule }, move |_| (true, update(session))))
}

/// An update that takes its time.
async fn overload(session: &Session, done: &[AtomicU64; 2]) {
    let turn = |draft: &mut sessile::Draft| {
        std::thread::sleep(TURN);
        draft.increment(common::session::COUNTER, 1)
    };
    match session.update_blocking(turn).await {
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
