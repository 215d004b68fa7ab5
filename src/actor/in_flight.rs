//! Work that was accepted and is not done yet, which a drain waits for, and the updates in line for a mailbox, which it
//! does not wait for. Both together have a cap: each holds its closure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::core::Core;
use super::planted::Bug;

/// One piece of accepted work, as it is counted.
const ACCEPTED: u64 = 1;
/// One update in line, as it is counted: in the upper half of the same word, so that both are looked at in one step.
const IN_LINE: u64 = 1 << 32;

/// So many counts for callers that run their turns themselves: one for all would pass from core to core with each turn.
const COUNTS: usize = 16;
/// While so much is free under the cap, callers that run their turns themselves need no place in the common count. Their
/// own counts hold as many and no more: the cap is met to within that.
const AMPLE: u64 = 4_096;
/// What one of them holds.
const OWN: u64 = AMPLE / COUNTS as u64;

/// A count with cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// Counts accepted work and updates in line.
#[derive(Default)]
pub(crate) struct InFlight {
    counts: AtomicU64,
    passing: [Count; COUNTS],
    /// Whether anybody waits for the end of it; until then nobody needs to be told.
    awaited: AtomicBool,
    idle: Notify,
}

/// One piece of accepted work; done when dropped.
pub(crate) struct Accepted(Arc<Core>);

/// The same, of somebody who returns only when it is done, and where it is counted.
pub(crate) struct Passing<'a>(&'a InFlight, &'a AtomicU64);

/// An update in line for a mailbox, under the service's cap already; leaves the line when dropped.
pub(crate) struct InLine(Arc<Core>);

/// Why work was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The service takes no more.
    Stopping,
    /// As much is in flight as the service takes.
    Full,
}

impl InFlight {
    /// Accepts work that frees more than it takes, unless the service takes no more: no cap keeps a session from ending.
    pub(crate) fn enter(core: &Arc<Core>) -> Option<Accepted> {
        // Counted before the phase is looked at: a drain that sees zero after setting the phase has missed nobody.
        core.in_flight.counts.fetch_add(ACCEPTED, Ordering::SeqCst);
        let accepted = Accepted(Arc::clone(core));
        core.is_running().then_some(accepted)
    }

    /// Accepts an update or a create, if there is room for one more.
    pub(crate) fn admit(core: &Arc<Core>) -> Result<Accepted, Refused> {
        let before = core.in_flight.counts.fetch_add(ACCEPTED, Ordering::SeqCst);
        let accepted = Accepted(Arc::clone(core));
        room(core, before)?;
        Ok(accepted)
    }

    /// Accepts an update that its caller runs itself, if there is room for one more.
    pub(crate) fn pass(core: &Core) -> Result<Passing<'_>, Refused> {
        let in_flight = &core.in_flight;
        let ample = all(in_flight.counts.load(Ordering::Relaxed)) + AMPLE < core.config.max_in_flight;
        if let Some(Count(own)) = in_flight.passing.get(own_count()).filter(|_| ample) {
            // As in `enter`: counted before the phase is looked at.
            let before = own.fetch_add(ACCEPTED, Ordering::SeqCst);
            let passing = Passing(in_flight, own);
            if !core.is_running() {
                return Err(Refused::Stopping);
            }
            if before < OWN {
                return Ok(passing);
            }
        }
        let before = in_flight.counts.fetch_add(ACCEPTED, Ordering::SeqCst);
        let passing = Passing(in_flight, &in_flight.counts);
        room(core, before)?;
        Ok(passing)
    }

    /// One accepted piece is done that was counted there.
    fn leave(&self, count: &AtomicU64) {
        let last = accepted(count.fetch_sub(ACCEPTED, Ordering::SeqCst)) == 1;
        if last && self.awaited.load(Ordering::SeqCst) {
            self.idle.notify_waiters();
        }
    }

    /// Lets an update into the line for a mailbox, if there is room for one more.
    pub(crate) fn line_up(core: &Arc<Core>) -> Result<InLine, Refused> {
        let before = core.in_flight.counts.fetch_add(IN_LINE, Ordering::SeqCst);
        let in_line = InLine(Arc::clone(core));
        room(core, before)?;
        Ok(in_line)
    }

    /// Waits until nothing that was accepted is in flight.
    pub(crate) async fn settled(&self) {
        self.awaited.store(true, Ordering::SeqCst);
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            // One after another: what has come to a count since it was looked at has seen the phase, and is refused.
            if accepted(self.counts.load(Ordering::SeqCst)) + self.passing() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Callers that run their turns themselves and are not in the common count.
    fn passing(&self) -> u64 {
        self.passing.iter().map(|count| count.0.load(Ordering::SeqCst)).sum()
    }

    /// How much was accepted and is not done.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.counts().0
    }

    /// What is in flight: accepted, and in line.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64) {
        let counts = self.counts.load(Ordering::SeqCst);
        (accepted(counts) + self.passing(), counts / IN_LINE)
    }
}

impl InLine {
    /// Accepts the update that has got its place in the mailbox; it kept its place under the cap, so there is room.
    pub(crate) fn accept(self) -> Result<Accepted, Refused> {
        // Counted twice for a moment, before `self` leaves the line: never more in flight than counted.
        let core = &self.0;
        core.in_flight.counts.fetch_add(ACCEPTED, Ordering::SeqCst);
        let accepted = Accepted(Arc::clone(core));
        if core.is_running() { Ok(accepted) } else { Err(Refused::Stopping) }
    }
}

/// Whether one more may come, where so many were there before it.
fn room(core: &Core, before: u64) -> Result<(), Refused> {
    let (common, cap) = (all(before), core.config.max_in_flight);
    // Who looks from now on comes to the common count: there is not so much free any more.
    let passing = if common + AMPLE < cap { 0 } else { core.in_flight.passing() };
    if !core.is_running() {
        Err(Refused::Stopping)
    } else if common + passing >= cap && !core.planted(Bug::NoServiceCap) {
        Err(Refused::Full)
    } else {
        Ok(())
    }
}

/// The count of this thread.
fn own_count() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % COUNTS;
    }
    MINE.with(|mine| *mine)
}

/// Accepted and in line.
const fn all(counts: u64) -> u64 {
    accepted(counts) + counts / IN_LINE
}

const fn accepted(counts: u64) -> u64 {
    counts % IN_LINE
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.0.in_flight.leave(&self.0.in_flight.counts);
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.0.in_flight.counts.fetch_sub(IN_LINE, Ordering::SeqCst);
    }
}
