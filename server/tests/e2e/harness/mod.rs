//! What the tests drive: the program, raw requests of both eras, the official clients.

mod log;
mod needles;
mod official;
mod raw;
mod reply;
mod scrape;
mod server;
mod skip;
pub(crate) mod state_files;
pub(crate) mod tokens;
mod wire;

pub(crate) use log::Log;
pub(crate) use needles::Needles;
pub(crate) use official::Official;
pub(crate) use raw::{Era, Raw};
pub(crate) use reply::{Caller, Reply, with};
pub(crate) use scrape::Scrape;
pub(crate) use server::{Server, sessile};
pub(crate) use skip::skip;
pub(crate) use wire::{Answer, Wire};

/// How often a loaded server is stopped or killed: as `SESSILE_E2E_ROUNDS` says, else so often.
pub(crate) fn rounds(usually: u32) -> u32 {
    std::env::var("SESSILE_E2E_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usually)
}
