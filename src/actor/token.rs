//! The run token: whoever holds it runs a session's turns, and nobody else does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::activation;
use super::batch::Batch;
use super::core::Core;
use super::mailbox::{Job, Turn};
use super::planted::Bug;
use super::slot::Slot;

/// Turns that a caller runs for others before it hands the token to an actor.
pub(crate) const CALLER_BUDGET: usize = 16;
/// Turns that an actor runs before it lets other tasks run.
pub(crate) const ACTOR_BUDGET: usize = 64;
/// Starts of an activation that may fail in a row before the waiting turns are given up.
const FAILED_STARTS: u8 = 3;

/// The right to run one session's mailbox. Dropped anywhere, it arms the mailbox anew, so turns never wait for nobody.
pub(crate) struct Token {
    core: Arc<Core>,
    slot: Arc<Slot>,
    armed: bool,
}

/// The run token in the hands of a caller with a turn of its own. It borrows, since mostly nothing else waits.
pub(crate) struct OwnTurn<'a> {
    core: &'a Arc<Core>,
    slot: &'a Arc<Slot>,
    armed: bool,
}

impl<'a> OwnTurn<'a> {
    /// For the mailbox alone, which has just marked itself running.
    pub(crate) fn new(core: &'a Arc<Core>, slot: &'a Arc<Slot>) -> Self {
        Self { core, slot, armed: true }
    }

    /// The turn is done: a few of the others' are run, if any wait, and the rest goes to an actor.
    pub(crate) fn finish(mut self) {
        self.armed = false;
        if !self.slot.mailbox.rest_at_once(self.core) && self.slot.mailbox.rest_if_empty() {
            Token::new(self.core, self.slot).finish();
        }
    }
}

impl Drop for OwnTurn<'_> {
    fn drop(&mut self) {
        if self.armed {
            drop(Token::new(self.core, self.slot));
        }
    }
}

/// What a run of turns came to.
pub(crate) enum Ran {
    /// Nothing waits any more; the token is gone.
    Rested,
    /// The budget is used up and turns wait.
    More(Token),
    /// The token went to the blocking pool with a turn.
    Moved,
}

impl Token {
    /// For the mailbox alone, which has just marked itself running.
    pub(crate) fn new(core: &Arc<Core>, slot: &Arc<Slot>) -> Self {
        Self { core: Arc::clone(core), slot: Arc::clone(slot), armed: true }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Notes whether turns are being run this very moment, or the token is on its way to somebody.
    pub(crate) fn set_active(&self, active: bool) {
        self.slot.mailbox.set_active(active);
    }

    /// Runs up to `budget` waiting turns. Where commits wait for their write, the token goes with them until that is done.
    pub(crate) fn run(mut self, budget: usize) -> Ran {
        let mut batch = Batch::default();
        for _ in 0..budget {
            match self.slot.mailbox.next_or_rest(&self.core, &batch) {
                None if batch.waits() => break,
                None => {
                    self.armed = false;
                    return Ran::Rested;
                }
                Some(Turn::Inline(job)) => self.turn(job, &mut batch),
                Some(Turn::Blocking(job)) => {
                    self.slot.mailbox.set_active(false);
                    let runtime = self.core.runtime.clone();
                    let rest = move || {
                        self.turn(job, &mut batch);
                        match batch.waits() {
                            true => batch.send(self),
                            false => self.finish(),
                        }
                    };
                    #[cfg(test)]
                    let Some(rest) = super::explored::taken_over(rest) else { return Ran::Moved };
                    runtime.spawn_blocking(rest);
                    return Ran::Moved;
                }
            }
        }
        if batch.waits() {
            batch.send(self);
            return Ran::Moved;
        }
        if self.slot.mailbox.rest_if_empty() {
            Ran::More(self)
        } else {
            self.armed = false;
            Ran::Rested
        }
    }

    /// Goes on after a write: what waits by now is run by an actor, since whoever writes runs nobody's turns.
    pub(crate) fn resume(mut self) {
        if self.slot.mailbox.rest_if_empty() {
            activation::lend(self);
        } else {
            self.armed = false;
        }
    }

    /// Runs one turn. Whoever runs it may be another turn's caller, so a panic in it ends here.
    fn turn(&self, job: Job, batch: &mut Batch) {
        if catch_unwind(AssertUnwindSafe(|| job(&self.core, &self.slot, batch))).is_err() {
            tracing::error!(session = %self.slot.identity.digest.tag(), "a turn panicked outside its update");
        }
    }

    /// What a caller does after its own turn: a few of the others', then the rest goes to an actor.
    pub(crate) fn finish(self) {
        let budget = match &self.core {
            core if core.planted(Bug::NoCallerBudget) => usize::MAX,
            core if core.planted(Bug::NoCallerRun) => 0,
            core => core.budget(CALLER_BUDGET),
        };
        if let Ran::More(token) = self.run(budget) {
            activation::lend(token);
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if !self.armed || self.core.planted(Bug::NoRearm) || !self.slot.mailbox.rest_if_empty() {
            return;
        }
        // Turns wait and whoever was to run them is gone: a start that failed, or a panic outside a turn.
        if !self.core.is_stopped() && self.slot.mailbox.another_start(FAILED_STARTS) {
            tracing::warn!(session = %self.slot.identity.digest.tag(), "a start of an activation failed; another is tried");
            activation::lend(Self::new(&self.core, &self.slot));
        } else {
            self.slot.mailbox.abandon();
        }
    }
}
