//! What is promised, proved on whole services, each proof with the planted bug that it must catch.
//!
//! A proof is a function of a service (with or without a [`Bug`](crate::actor::planted::Bug) planted) and a seed that gives its figures, or what was
//! violated; its tests hold it without a bug, and see it fail with each. `SESSILE_SEED` repeats a run, and
//! `SESSILE_PROOF_MINUTES` lets a proof run for so long on seeds that follow.

mod isolation;
mod proving;
