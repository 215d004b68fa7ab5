//! Work that was accepted and is not done yet: what a drain waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use super::core::Core;

/// Counts accepted work.
#[derive(Default)]
pub(crate) struct InFlight {
    count: AtomicU64,
    /// Whether anybody waits for the end of it; until then nobody needs to be told.
    awaited: AtomicBool,
    idle: Notify,
}

/// One piece of accepted work; done when dropped.
pub(crate) struct Accepted(Arc<Core>);

/// The same, of somebody who waits for it.
pub(crate) struct Passing<'a>(&'a InFlight);

impl InFlight {
    /// Accepts work, unless the service takes no more.
    pub(crate) fn enter(core: &Arc<Core>) -> Option<Accepted> {
        // Counted before the phase is looked at: a drain that sees zero after setting the phase has missed nobody.
        core.in_flight.count.fetch_add(1, Ordering::SeqCst);
        let accepted = Accepted(Arc::clone(core));
        core.is_running().then_some(accepted)
    }

    /// How much is in flight.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Accepts work that is done before its caller returns.
    pub(crate) fn pass(core: &Core) -> Option<Passing<'_>> {
        core.in_flight.count.fetch_add(1, Ordering::SeqCst);
        let passing = Passing(&core.in_flight);
        core.is_running().then_some(passing)
    }

    fn leave(&self) {
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1 && self.awaited.load(Ordering::SeqCst) {
            self.idle.notify_waiters();
        }
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn settled(&self) {
        self.awaited.store(true, Ordering::SeqCst);
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.0.in_flight.leave();
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
