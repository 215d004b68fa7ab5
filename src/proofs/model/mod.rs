//! Ended is final, and everything else that a plain model can say of a service: random steps on both agree.

mod drive;
mod oracle;
mod steps;
mod take_in;
mod through;
mod world;

use super::hand::paused;
use super::proving::{Verdict, caught, holds};
use crate::actor::planted::Bug;
use crate::config::Durability;
use std::collections::BTreeMap;
use steps::{Step, draw};
use world::World;

const RUNS: u64 = 256;
const STEPS: usize = 200;
/// Two runs of each go to each of the two threads.
const LEVELS: [Durability; 6] = [
    Durability::Snapshot,
    Durability::Snapshot,
    Durability::JOURNAL,
    Durability::JOURNAL,
    Durability::Commit,
    Durability::Commit,
];

type Tally = BTreeMap<&'static str, u64>;

/// Runs steps; what was violated, and after how many of them.
fn run(steps: &[Step], durability: Durability, bugs: &[Bug]) -> Result<Tally, (usize, String)> {
    paused(async {
        let mut world = World::new(durability, bugs).await;
        for (done, step) in steps.iter().enumerate() {
            let stepped = world.step(step).await;
            stepped.and_then(|()| world.compare()).map_err(|violated| (done + 1, violated))?;
        }
        // Everybody asks for everything once more, and finds what there is.
        for subject in 0..world.subjects.len() as u64 {
            for by in 0..3 {
                world.open(by, subject).await.map_err(|violated| (steps.len(), violated))?;
            }
        }
        world.compare().map_err(|violated| (steps.len(), violated))?;
        Ok(world.tally)
    })
}

/// The fewest steps found that still violate something: a prefix, then without whatever can be left out.
fn shrink(mut steps: Vec<Step>, mut found: (usize, String), durability: Durability, bugs: &[Bug]) -> String {
    steps.truncate(found.0);
    let mut chunk = steps.len().div_ceil(2);
    loop {
        let mut start = 0;
        while start < steps.len() {
            let end = (start + chunk).min(steps.len());
            let mut fewer = steps.clone();
            fewer.drain(start..end);
            match run(&fewer, durability, bugs) {
                Err(still) => {
                    fewer.truncate(still.0);
                    (steps, found) = (fewer, still);
                }
                Ok(_) => start = end,
            }
        }
        if chunk == 1 {
            let lines: Vec<_> = steps.iter().map(|step| format!("  {step:?}")).collect();
            return format!("{}\nafter these {} steps:\n{}", found.1, steps.len(), lines.join("\n"));
        }
        chunk = chunk.div_ceil(2);
    }
}

/// So many runs, on two threads, and what came of them.
fn agrees(seed: u64, runs: u64, bugs: &[Bug]) -> Verdict {
    let half = |odd: u64| {
        let mut total = Tally::new();
        for case in (0..runs).filter(|case| case % 2 == odd) {
            let steps = draw(seed.wrapping_mul(0x0100_0003).wrapping_add(case), STEPS);
            let durability = LEVELS[case as usize % LEVELS.len()];
            match run(&steps, durability, bugs) {
                Ok(tally) => tally.into_iter().for_each(|(what, count)| *total.entry(what).or_default() += count),
                Err(found) => {
                    return Err(format!("case {case}, {durability:?}: {}", shrink(steps, found, durability, bugs)));
                }
            }
        }
        Ok(total)
    };
    let (even, odd) = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        (half(0), other.join().unwrap())
    });
    let (mut total, odd) = (even?, odd?);
    odd.into_iter().for_each(|(what, count)| *total.entry(what).or_default() += count);
    Ok(format!("{runs} runs of {STEPS} steps: {total:?}"))
}

#[test]
fn random_steps_agree_with_the_model() {
    holds(|seed| agrees(seed, RUNS, &[]));
}

#[test]
fn each_planted_bug_disagrees() {
    for bug in [
        Bug::SweepBuriesNobody,
        Bug::SnapshotSkipsTombstones,
        Bug::CommitOverwritesEnd,
        Bug::RestoreRevives,
        Bug::StaleReferenceWrites,
        Bug::ReadsDoNotSlide,
        Bug::PurgeBumpsRevision,
        Bug::NoOwnerCheck,
        Bug::TombstoneNotJournaled,
        Bug::TouchNotJournaled,
    ] {
        println!("{bug:?}");
        caught(1, |seed| agrees(seed, RUNS, &[bug]));
    }
}
