//! What proofs share: services to try, seeds, and long runs.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::actor::explored::is_exploring;
use crate::actor::planted::{Bug, FROM_THE_START};
use crate::service::{Builder, SessionService};

/// What a proof found: its figures, in words, or what was violated.
pub(super) type Verdict = Result<String, String>;

/// Starts a service with bugs planted in it from the beginning, the restore included.
pub(super) async fn service(builder: Builder, bugs: &[Bug]) -> SessionService {
    FROM_THE_START.scope(bugs.to_vec(), builder.start()).await.unwrap()
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics whose text begins with `planted` from being printed.
pub(super) fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        // The model checker puts in a hook of its own that prints schedules; it is for what it explores and nothing else.
        shuttle::Runner::new(shuttle::scheduler::RandomScheduler::new(1), shuttle::Config::new()).run(|| {});
        let checkers = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match info.payload_as_str() {
            _ if SILENT.get() => {}
            Some(text) if text.starts_with("planted") => {}
            _ if is_exploring() => checkers(info),
            _ => before(info),
        }));
    });
}

/// Runs something whose panics on this thread are what one is after.
pub(super) fn silently<R>(run: impl FnOnce() -> R) -> std::thread::Result<R> {
    SILENT.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    SILENT.set(false);
    result
}

/// The seed of this run: `SESSILE_SEED`, else a new one. Printed, so that a failure can be repeated.
pub(super) fn seed() -> u64 {
    let given = std::env::var("SESSILE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
    println!("SESSILE_SEED={seed}");
    seed
}

/// Holds a proof: once, or with `SESSILE_PROOF_MINUTES` for so long, on seeds that follow.
pub(super) fn holds(proof: impl Fn(u64) -> Verdict) {
    let minutes = std::env::var("SESSILE_PROOF_MINUTES").ok().and_then(|minutes| minutes.parse::<u64>().ok());
    let (started, first, mut runs) = (Instant::now(), seed(), 0_u64);
    loop {
        let seed = first.wrapping_add(runs);
        match proof(seed) {
            Ok(figures) => println!("seed {seed}: {figures}"),
            Err(violated) => panic!("seed {seed}: {violated}"),
        }
        runs += 1;
        if minutes.is_none_or(|minutes| started.elapsed() > Duration::from_secs(minutes * 60)) {
            let (seconds, last) = (started.elapsed().as_secs_f64(), seed);
            println!("{runs} runs, seeds {first}..={last}, {seconds:.1} s, {:.2} runs a second", runs as f64 / seconds);
            return;
        }
    }
}

/// Sees a planted bug caught, within `tries` seeds.
pub(super) fn caught(tries: u64, proof: impl Fn(u64) -> Verdict) {
    let first = seed();
    let found = (0..tries).find_map(|more| proof(first.wrapping_add(more)).err());
    println!("caught: {}", found.expect("the proof does not see the bug that was planted"));
}
