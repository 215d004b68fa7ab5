//! The promises of the running program, kept to real clients: it is started, killed, started again and read from.
//!
//! Each module holds one promise. Without Node, Python or promtool what needs them is skipped, loudly and counted; with
//! `SESSILE_REQUIRE_ALL=1` that is a failure. `SESSILE_E2E_ROUNDS` says how often a loaded server is told to stop, or killed.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../../../tests/clients/mod.rs"]
mod clients;
mod harness;
#[path = "../../../tests/mcp/issuer.rs"]
mod issuer;

mod atomic;
mod damage;
mod defaults;
mod drain;
mod expiry;
mod flood;
mod forged;
mod gate;
mod jwt;
mod kill;
mod logs;
mod metrics;
mod once;
mod restart;
mod schema;
mod sealed;
mod strangers;
