//! Guarantee 8 under `kill -9`: a process that works on a folder is killed at any moment, again and again, and what it had
//! acknowledged is compared with what the folder gives back.
//!
//! The process is this program once more, told by a variable to run `the_process_that_is_killed`. A kill takes nothing from
//! the system's cache: what was written and not synced is there afterwards. Power cuts, which take that too, are proved in
//! the crate's own tests, on a disk that is simulated.
//!
//! `SESSILE_PROOF_MINUTES` says how long to go on, `SESSILE_SEED` repeats the choices of a run, not the machine's schedule.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's panic is its verdict")]
#![expect(clippy::print_stdout, reason = "what was seen is told")]

mod killed;
mod ledger;
mod model;
mod round;
mod seen;
mod state;

#[path = "../../benches/common/random.rs"]
#[allow(dead_code, reason = "of the benches")]
mod random;

use std::time::{Duration, Instant, SystemTime};

use sessile::Durability;

use self::model::Tally;
use self::random::Random;
use self::round::Proof;

/// So short that a round, which is of a few of them, is short.
const FLUSH_EVERY: Duration = Duration::from_millis(20);
/// Kills of one run at one level.
const ROUNDS: u64 = 100;

fn seed() -> u64 {
    let given = std::env::var("SESSILE_SEED").ok().and_then(|text| text.parse().ok());
    let new = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = given.unwrap_or_else(new);
    println!("SESSILE_SEED={seed}");
    seed
}

/// Kills so often on one folder, or for as long as was asked for; tells what was seen, or what was violated.
fn kill(durability: Durability, seed: u64, rounds: u64, planted: bool) -> Result<Tally, String> {
    let minutes = std::env::var("SESSILE_PROOF_MINUTES").ok().and_then(|minutes| minutes.parse::<u64>().ok());
    let minutes = minutes.filter(|_| !planted);
    let (started, mut proof) = (Instant::now(), Proof::new(durability, Random(seed), planted));
    while match minutes {
        Some(minutes) => started.elapsed() < Duration::from_secs(minutes * 60),
        None => proof.tally().kills < rounds,
    } {
        proof.round().map_err(|violated| format!("kill {}: {violated}", proof.tally().kills))?;
    }
    println!("{durability:?}: {} in {:.0?}", proof.tally(), started.elapsed());
    Ok(proof.tally().clone())
}

fn holds(durability: Durability) {
    let tally = kill(durability, seed(), ROUNDS, false).unwrap_or_else(|violated| panic!("{violated}"));
    assert!(tally.updates > 1_000 && tally.creates > 100 && tally.closes > 100, "next to nothing was done: {tally}");
    assert!(tally.empty < tally.kills / 2, "most were killed before they did anything: {tally}");
}

#[test]
fn commit_loses_no_acknowledged_update() {
    holds(Durability::Commit);
}

#[test]
fn journal_loses_none_older_than_its_interval_and_twice_one_write() {
    holds(Durability::Journal { flush_every: FLUSH_EVERY });
}

/// What is not kept is found missing: else the two above would prove nothing.
#[test]
fn what_is_not_as_durable_as_was_said_is_found_missing() {
    for durability in [Durability::Commit, Durability::Journal { flush_every: FLUSH_EVERY }] {
        let violated = kill(durability, seed(), 40, true).expect_err("nothing was found missing");
        println!("{durability:?}: {violated}");
    }
}

/// No test: what the others start, and kill.
#[test]
fn the_process_that_is_killed() {
    if let Some(order) = killed::Order::given() {
        killed::run(&order);
    }
}
