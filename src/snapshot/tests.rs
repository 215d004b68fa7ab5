//! The promises of the files of state, one module each.

mod bytes;
mod damage;
mod faults;
mod fixture;
mod folder;
mod golden;
mod golden_journals;
#[cfg(unix)]
mod guard;
mod journal;
mod lanes;
mod records;
mod round_trip;
#[cfg(feature = "seal")]
mod sealed;
