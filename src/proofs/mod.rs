//! What is promised, proved on whole services, each proof with the planted bug that it must catch.
//!
//! A proof is a function of a seed and of the [bugs](crate::actor::planted::Bug) to plant; it gives its figures, or what
//! was violated. Its tests hold it without a bug, and see it fail with each. `SESSILE_SEED` repeats a run, and
//! `SESSILE_PROOF_MINUTES` lets a proof run for so long on seeds that follow.

#![allow(clippy::print_stdout, reason = "figures and seeds are what a proof prints")]

mod abandoned;
mod amended;
mod bounded;
mod capacity;
mod capacity_races;
mod clocks;
mod disk;
mod events;
mod foreign;
mod hand;
mod histories;
mod isolation;
mod journaled;
mod linearizable;
mod logs;
mod model;
mod one_slot;
mod panics;
mod proving;
mod races;
mod random;
mod schedules;
mod secrets;
mod single_activation;
mod torn;
