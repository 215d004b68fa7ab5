//! What a thread waited for a processor: lateness that the machine made, and not what is measured.

use std::fs;
use std::time::Duration;

use hdrhistogram::Histogram;

/// A call later than the one before it by this much is looked into.
const JUMP: Duration = Duration::from_micros(20);

/// How late calls were, in nanoseconds.
#[derive(Clone)]
pub(crate) struct Lateness {
    /// From when each was due.
    pub(crate) all: Histogram<u64>,
    /// The same without what the caller's thread waited for a processor, of calls that never left it: the service's own.
    pub(crate) own: Histogram<u64>,
}

impl Lateness {
    pub(crate) fn new() -> Self {
        let [all, own] = [(); 2].map(|()| Histogram::new(3).expect("a histogram"));
        Self { all, own }
    }

    /// Notes a call that never left its thread.
    pub(crate) fn record(&mut self, late: Duration, own: Duration) {
        self.all.record(late.as_nanos() as u64).expect("records");
        self.own.record(own.as_nanos() as u64).expect("records");
    }
}

/// Tells how late calls of one thread would have been had it always had a processor.
pub(crate) struct Processor {
    /// All that this thread has waited for one so far.
    waited: Duration,
    /// What of it the schedule is still behind by.
    owed: Duration,
    last: Duration,
}

impl Processor {
    /// For the calling thread, and for it alone.
    pub(crate) fn of_this_thread() -> Self {
        Self { waited: waited(), owed: Duration::ZERO, last: Duration::ZERO }
    }

    /// How late a call was, without what the thread waited for a processor while it was behind its schedule.
    pub(crate) fn without_waits(&mut self, late: Duration) -> Duration {
        // A system call, so only where something has happened.
        if late > self.last + JUMP {
            let waited = waited();
            self.owed += waited.saturating_sub(self.waited);
            self.waited = waited;
        }
        let own = late.saturating_sub(self.owed);
        // What the schedule has caught up with since counts for nothing later.
        self.owed = self.owed.min(late);
        self.last = late;
        own
    }
}

/// Time in which this thread could run and was not let: the second field of its scheduler's figures, in nanoseconds; zero
/// where the system does not tell.
fn waited() -> Duration {
    let figures = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = figures.split_whitespace().nth(1).and_then(|figure| figure.parse().ok());
    Duration::from_nanos(waited.unwrap_or_default())
}
