//! What a record says of times, under a wall clock that shows an earlier time than the file that it comes from.
//!
//! Nothing has more time left than it had when the file was written, and what had ended by then stays ended: all times move
//! back as far as the clock did. They cannot move to before 1970: there a limit on idleness may begin anew.

use std::time::Duration;

use crate::error::{EndReason, Ended};
use crate::snapshot::SlidingRecord;
use crate::state::{Entries, Expiry, Lifetime};
use crate::time::{Timestamp, micros};

/// When a file was written, and when it is read.
#[derive(Clone, Copy)]
pub(super) struct SetBack {
    saved_at: Timestamp,
    now: Timestamp,
}

impl SetBack {
    /// Nothing where the clock shows no earlier time.
    pub(super) fn of(saved_at: Timestamp, now: Timestamp) -> Option<Self> {
        (now < saved_at).then_some(Self { saved_at, now })
    }

    /// A time before the file's.
    pub(super) fn past(self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(self.now.as_micros().saturating_sub(micros(self.saved_at.since(at))))
    }

    /// The limits of a session's life and its last use. One that had ended is due now, and says when and why.
    pub(super) fn life(self, recorded: Lifetime, last_active: Timestamp) -> (Lifetime, Timestamp) {
        match recorded.ended(last_active, self.saved_at) {
            Some(Ended { reason: EndReason::Idle, at }) => {
                (Lifetime { idle: Some(Duration::ZERO), ends_at: None }, self.past(at))
            }
            Some(Ended { at, .. }) => (Lifetime { idle: None, ends_at: Some(self.past(at)) }, self.past(last_active)),
            None => {
                let ends_at = recorded.ends_at.map(|at| self.now.after(at.since(self.saved_at)));
                (Lifetime { ends_at, ..recorded }, self.past(last_active))
            }
        }
    }

    /// Entries whose absolute deadlines are as far away as they were.
    pub(super) fn entries(self, entries: &Entries) -> Entries {
        entries.carried(self.saved_at, self.now)
    }

    /// When an entry with a sliding ttl was last used; zero where it had expired.
    pub(super) fn last_use(self, entries: &Entries, used: &SlidingRecord<&str>) -> u64 {
        let last = Timestamp::from_micros(used.last_used);
        match entries.get(used.key).map(|entry| entry.expiry) {
            _ if used.last_used == 0 => 0,
            Some(Expiry::Sliding(ttl)) if last.after(ttl) <= self.saved_at => 0,
            _ => self.past(last).as_micros().max(1),
        }
    }
}
