//! Calls at scheduled times, whether or not earlier ones have been answered, and how late their answers were.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::processor::{Lateness, Processor};

/// Callers that may wait at a time, as a server caps its connections. Calls that are due meanwhile are made late, and
/// their lateness counts; without this a machine that is too slow would measure its own memory.
const CALLERS: u64 = 10_000;

/// A load that does not wait for its answers.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    /// Calls a second, of all pacers together.
    pub(crate) rate: u64,
    /// Threads that make calls when their time has come.
    pub(crate) pacers: u64,
    pub(crate) time: Duration,
    /// Calls made before, as fast as they go, that are not timed: the memory that a thread allocates is new to it, and to
    /// the machine, until it has replaced what others made.
    pub(crate) warm_up: u64,
    /// Whether each call is a task from its start. Else it becomes one when it has to wait, so that a call that needs
    /// no task does not pay for one.
    pub(crate) spawned: bool,
}

impl Schedule {
    /// All calls that it makes, those before it is timed first; each has a number below this.
    pub(crate) fn calls(self) -> u64 {
        self.warm_up + (self.rate as f64 * self.time.as_secs_f64()) as u64
    }
}

/// What a schedule has seen.
struct Seen {
    answers: Mutex<Lateness>,
    waiting: AtomicU64,
}

impl Seen {
    fn answered(&self, due: Instant) {
        self.answers.lock().all.record(due.elapsed().as_nanos() as u64).expect("records");
    }
}

/// Makes all calls and gives the times from when each was due to its answer, in nanoseconds. `call` tells beside each
/// whether its time counts.
pub(crate) async fn run<F, Fut>(schedule: Schedule, call: F) -> Lateness
where
    F: Fn(u64) -> (bool, Fut) + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let seen = Arc::new(Seen { answers: Mutex::new(Lateness::new()), waiting: AtomicU64::new(0) });
    let call = Arc::new(call);
    let pacers: Vec<_> = (0..schedule.pacers)
        .map(|pacer| {
            let (call, seen) = (Arc::clone(&call), Arc::clone(&seen));
            tokio::task::spawn_blocking(move || pace(schedule, pacer, &*call, &seen))
        })
        .collect();
    for pacer in pacers {
        pacer.await.expect("a pacer panicked");
    }
    while seen.waiting.load(Ordering::Acquire) > 0 {
        tokio::task::yield_now().await;
    }
    let answers = seen.answers.lock();
    answers.clone()
}

/// Runs on a thread of its own: a task that waits for its time would have to let others run, and be late itself.
fn pace<F, Fut>(schedule: Schedule, pacer: u64, call: &F, seen: &Arc<Seen>)
where
    F: Fn(u64) -> (bool, Fut),
    Fut: Future<Output = ()> + Send + 'static,
{
    let between = Duration::from_secs(1).as_nanos() as u64 / schedule.rate;
    let (mut context, mut processor) = (Context::from_waker(Waker::noop()), Processor::of_this_thread());
    let mut started = Instant::now();
    for number in (pacer..schedule.calls()).step_by(schedule.pacers as usize) {
        let due = match number.checked_sub(schedule.warm_up) {
            Some(number) => started + Duration::from_nanos(number * between),
            None => {
                started = Instant::now();
                started
            }
        };
        while Instant::now() < due || seen.waiting.load(Ordering::Relaxed) >= CALLERS {
            std::hint::spin_loop();
        }
        let (timed, future) = call(number);
        let timed = timed && number >= schedule.warm_up;
        let mut future = Box::pin(future);
        if !schedule.spawned && future.as_mut().poll(&mut context).is_ready() {
            let late = due.elapsed();
            let own = processor.without_waits(late);
            if timed {
                seen.answers.lock().record(late, own);
            }
            continue;
        }
        spawn(future, timed.then_some(due), Arc::clone(seen));
    }
}

fn spawn<Fut: Future<Output = ()> + Send + 'static>(future: Pin<Box<Fut>>, due: Option<Instant>, seen: Arc<Seen>) {
    seen.waiting.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(async move {
        future.await;
        if let Some(due) = due {
            seen.answered(due);
        }
        seen.waiting.fetch_sub(1, Ordering::Release);
    });
}
