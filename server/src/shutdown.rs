//! Word that the server is to stop, passed to every task that must end.

use tokio::sync::watch;

/// How far a stop has come. Only ever forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No stop was asked for.
    Running,
    /// Take nothing new, finish what was taken.
    Draining,
    /// Wait no longer.
    Cut,
}

/// Gives the word. Dropping it is the word to wait no longer.
#[derive(Debug)]
pub(crate) struct Trigger(watch::Sender<Phase>);

/// Waits for the word; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Receiver<Phase>);

/// A word-giver and those who wait for it.
#[must_use]
pub(crate) fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Asks for the stop: take nothing new, finish what was taken.
    pub(crate) fn drain(&self) {
        self.to(Phase::Draining);
    }

    /// Asks to wait no longer for what was taken.
    pub(crate) fn cut(&self) {
        self.to(Phase::Cut);
    }

    fn to(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let forward = *now < phase;
            *now = phase.max(*now);
            forward
        });
    }
}

impl Shutdown {
    /// Waits until the stop is asked for.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn draining(&mut self) {
        let _ = self.0.wait_for(|phase| *phase >= Phase::Draining).await;
    }

    /// Waits until nobody is to wait any longer.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn cut(&mut self) {
        let _ = self.0.wait_for(|phase| *phase >= Phase::Cut).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn goes_forward_only() {
        let (trigger, mut shutdown) = channel();
        trigger.cut();
        trigger.drain();
        shutdown.draining().await;
        shutdown.cut().await;
    }

    #[tokio::test]
    async fn a_dropped_trigger_stops_everything() {
        let (trigger, mut shutdown) = channel();
        drop(trigger);
        shutdown.draining().await;
        shutdown.cut().await;
    }
}
