//! What the library promises, a file a promise. One binary: linking a dozen takes longer than running them.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test's panic is its verdict")]

mod atomic;
mod bounded;
mod cancellation;
mod common;
mod create;
mod drain;
mod events;
mod files;
mod finality;
mod import_export;
mod once;
mod owned;
#[cfg(feature = "seal")]
mod sealed;
mod serial;
mod telemetry;
mod timely;
