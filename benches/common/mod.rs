//! What the benches share: services with metrics on, filled with sessions of one size, and callers.

#![allow(dead_code, reason = "no bench uses all of it")]

pub(crate) mod actor;
pub(crate) mod open_loop;
pub(crate) mod processor;
pub(crate) mod random;
pub(crate) mod session;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sessile::{Builder, Draft, Json, NewSession, Owner, Principal, Session, SessionService};
use tokio::runtime::Runtime;

/// Callers of the benches with many.
pub(crate) const CALLERS: usize = 64;
/// Sessions that random callers choose from.
pub(crate) const SESSIONS: usize = 100_000;
/// Sessions of one owner, so that no list is longer than a default service lets it be.
const OF_ONE_OWNER: usize = 1_000;
/// A caller lets others run after so many operations, since one that never waits would never stop on its own.
const TURN: u64 = 64;

/// Two workers, as many as the smallest machine has that is worth measuring on.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A service that counts into the exporter that the server uses, and that no cap, sweep or timeout disturbs.
pub(crate) fn builder() -> Builder {
    let (builder, handle) = still();
    // As the server does: what histograms have gathered is folded now and then, else it grows.
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            handle.run_upkeep();
        }
    });
    builder
}

/// The same, with nothing that happens now and then: each run does exactly the same.
pub(crate) fn still() -> (Builder, PrometheusHandle) {
    let recorder = PrometheusBuilder::new().set_buckets(&[1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0]);
    let recorder = recorder.expect("buckets").build_recorder();
    let (handle, day) = (recorder.handle(), Duration::from_secs(86_400));
    let builder = SessionService::builder()
        .recorder(Arc::new(recorder))
        .max_sessions(1_u64 << 24)
        .max_sessions_per_owner(1_u64 << 24)
        .max_owner_bytes(1_u64 << 40)
        .max_total_bytes(1_u64 << 40)
        .max_entries(1_000_000_u64)
        .max_session_bytes(512_u64 << 20)
        // Long, but there: every access looks at its deadlines, as it does in a server.
        .idle_timeout(day)
        .max_lifetime(day)
        .sweep_every(day)
        .snapshot_every(day);
    (builder, handle)
}

/// An owner by number.
pub(crate) fn owner(service: &SessionService, index: usize) -> Owner {
    service.owner(&Principal::new("bench", format!("owner-{}", index / OF_ONE_OWNER)))
}

/// Creates sessions of 919 bytes, a thousand an owner. They live as long as the process: callers borrow them, since to
/// clone a reference for each operation would be measured with it.
pub(crate) async fn fill(service: &SessionService, count: usize) -> &'static [Session] {
    let mut sessions = Vec::with_capacity(count);
    for index in 0..count {
        sessions.push(create(&owner(service, index)).await);
    }
    sessions.leak()
}

/// Creates one session of 919 bytes.
pub(crate) async fn create(owner: &Owner) -> Session {
    static STATE: LazyLock<Vec<(String, Json)>> = LazyLock::new(|| {
        let entry = |(key, value)| (key, Json::of(&value).expect("a value"));
        session::state().into_iter().map(entry).collect()
    });
    let session = owner.create(NewSession::default()).await.expect("creates");
    let set = |draft: &mut Draft| STATE.iter().try_for_each(|(key, value)| draft.set_json(key, value.clone()));
    session.update(set).await.expect("sets");
    session
}

/// The update of the benches: one more in the counter.
pub(crate) async fn update(session: &Session) {
    let updated = session.update(|draft| draft.increment(session::COUNTER, 1)).await;
    assert!(updated.is_ok_and(|updated| updated.changed), "an update was refused");
}

/// The sum of all counters. A bench whose sum is not what it did has lost an update, and has no figure to give.
pub(crate) fn counted(sessions: &[Session]) -> u64 {
    let counters = sessions.iter().map(|session| session.get::<u64>(session::COUNTER).expect("reads"));
    counters.map(Option::unwrap_or_default).sum()
}

/// How long `iterations` calls take when one task makes them.
pub(crate) fn one<F, Fut>(runtime: &Runtime, iterations: u64, call: F) -> Duration
where
    F: Fn(usize, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    many(runtime, 1, iterations, call)
}

/// How long `iterations` calls take when so many tasks share them. `call` gets the number of its caller and one of its
/// own that no earlier call of this caller had.
pub(crate) fn many<F, Fut>(runtime: &Runtime, callers: usize, iterations: u64, call: F) -> Duration
where
    F: Fn(usize, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    static DONE: AtomicU64 = AtomicU64::new(0);
    let (call, first) = (Arc::new(call), DONE.fetch_add(iterations, Ordering::Relaxed));
    runtime.block_on(async {
        let started = Instant::now();
        let tasks: Vec<_> = (0..callers)
            .map(|caller| {
                let call = Arc::clone(&call);
                let of_all = callers as u64;
                let own = iterations / of_all + u64::from((caller as u64) < iterations % of_all);
                tokio::spawn(async move {
                    for number in 0..own {
                        call(caller, first + number).await;
                        if number % TURN == TURN - 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a caller panicked");
        }
        started.elapsed()
    })
}

/// A place that looks random and is the same in every run: what one caller's operation works on.
pub(crate) fn place(caller: usize, number: u64, end: usize) -> usize {
    random::Random::of(caller.wrapping_mul(0x1_0000_0001).wrapping_add(number as usize)).below(end)
}

/// Whether a bench of a million, which takes minutes, was asked for.
pub(crate) fn million() -> bool {
    std::env::var_os("SESSILE_BENCH_MILLION").is_some()
}
