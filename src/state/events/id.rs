//! Ids of events: nobody guesses one, and each is found in its own stream of its own log alone.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::IdError;

/// The name of one event, as a client gives it back to go on after it: unique among all sessions and services.
///
/// It says nothing of the session. What it opens is checked against the stream it is asked of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    pub(in crate::state) number: u64,
    pub(in crate::state) era: u32,
    seal: u128,
}

impl EventId {
    /// The id of an event of the log whose epoch this is.
    pub(super) fn seal(epoch: u128, stream: &str, number: u64, era: u32) -> Self {
        let hash = Sha256::new().chain_update(b"sessile event\0").chain_update(epoch.to_be_bytes());
        let hash = hash.chain_update(number.to_be_bytes()).chain_update(era.to_be_bytes());
        let hash: [u8; 32] = hash.chain_update(stream).finalize().into();
        let seal = hash.first_chunk().copied().map(u128::from_be_bytes).unwrap_or_default();
        Self { number, era, seal }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:08x}-{:032x}", self.number, self.era, self.seal)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({:x})", self.number)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut parts = text.split('-');
        let mut part = || parts.next().unwrap_or_default();
        let read = || {
            let number = u64::from_str_radix(part(), 16).ok()?;
            let era = u32::from_str_radix(part(), 16).ok()?;
            Some(Self { number, era, seal: u128::from_str_radix(part(), 16).ok()? })
        };
        let id = { read }();
        // One spelling alone.
        id.filter(|id| id.to_string() == text).ok_or(IdError::Event)
    }
}
