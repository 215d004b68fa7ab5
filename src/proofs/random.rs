//! Random numbers that a seed repeats.

pub(super) use crate::fuzzing::Random;
