//! Whether the parts of event logs in a file follow each other as they should.

use std::collections::HashSet;

use super::{Entry, EventsPart};
use crate::config::{MAX_EVENTS, MAX_EVENTS_BYTES};

/// What one pass over the parts of a file has met.
#[derive(Default)]
pub(crate) struct Continuity {
    /// The sessions whose parts were met.
    met: HashSet<[u8; 32]>,
    at: Option<At>,
}

/// The log at hand.
struct At {
    digest: [u8; 32],
    /// What each of its parts says: epoch, next number, greatest that was trimmed.
    log: (u128, u64, u64),
    last: u64,
    events: u64,
    bytes: u64,
}

impl Continuity {
    /// Takes note of a part; true when it begins a log.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn follow(&mut self, digest: [u8; 32], part: &EventsPart) -> Result<bool, &'static str> {
        let log = (part.epoch, part.next, part.trimmed);
        let first = self.at.as_ref().is_none_or(|at| at.digest != digest);
        if first {
            if !self.met.insert(digest) {
                return Err("the parts of an event log do not stand together");
            }
            self.at = Some(At { digest, log, last: 0, events: 0, bytes: 0 });
        }
        let Some(at) = &mut self.at else { return Err("an event log has no part") };
        if at.log != log {
            return Err("the parts of an event log do not fit each other");
        }
        for Entry { number, .. } in &part.events {
            if *number <= at.last {
                return Err("the events of a log are out of order");
            }
            at.last = *number;
        }
        at.events += part.events.len() as u64;
        at.bytes += part.events.iter().map(Entry::bytes).sum::<u64>();
        if at.events > MAX_EVENTS || at.bytes > MAX_EVENTS_BYTES {
            return Err("an event log is larger than any may be");
        }
        Ok(first)
    }
}
