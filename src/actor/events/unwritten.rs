//! What of an event log no journal holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::state::{EventLog, EventsSince};

/// What of a log is still to be written to the journal. It changes under the log's lock, and shrinks once a write is durable.
#[derive(Clone, Default)]
pub(crate) struct Unwritten {
    /// Events up to this number are written, or were trimmed before they could be.
    after: u64,
    /// The oldest event that was kept by then.
    oldest: u64,
    /// Trimmed streams, each up to which number.
    trims: BTreeMap<Arc<str>, u64>,
}

impl Unwritten {
    /// Nothing of this log as it is.
    pub(super) fn after(log: &EventLog) -> Self {
        Self { after: log.next().saturating_sub(1), oldest: log.oldest(), trims: BTreeMap::new() }
    }

    /// Notes that events of a stream with lower numbers were trimmed.
    pub(super) fn trimmed(&mut self, log: &EventLog, stream: &str, before: u64) {
        let trim = self.trims.entry(stream.into()).or_default();
        *trim = before.max(*trim);
        // What is older than any event that is kept is told by that. So there are no more of them than events are kept.
        let oldest = log.oldest();
        self.trims.retain(|_, before| *before > oldest);
    }

    /// The events, and what the log says of itself; `None` where there is nothing to write.
    pub(super) fn of(&self, log: &EventLog) -> Option<EventsSince> {
        let any = log.next().saturating_sub(1) > self.after || log.oldest() > self.oldest;
        (any || !self.trims.is_empty()).then(|| log.since(self.after))
    }

    /// Trimmed streams, each with the number below which its events were trimmed.
    pub(crate) fn trims(&self) -> impl Iterator<Item = (&str, u64)> {
        self.trims.iter().map(|(stream, before)| (&**stream, *before))
    }

    /// What is written once [`Unwritten::of`] gave `log` for it and that is durable.
    pub(crate) fn with(mut self, log: &EventsSince) -> Self {
        (self.after, self.oldest) = (log.next.saturating_sub(1), log.oldest);
        self
    }

    /// So much is written.
    pub(super) fn written(&mut self, written: &Self) {
        (self.after, self.oldest) = (self.after.max(written.after), self.oldest.max(written.oldest));
        self.trims.retain(|stream, before| written.trims.get(stream).is_none_or(|known| known < before));
    }
}
