//! Turns that wait for their write: what is done once it is durable, or known not to be.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::slot::{Slot, Swap};
use crate::actor::token::Token;
use crate::error::{Ended, NotDurable};
use crate::state::Committed;

/// Why staged turns were not committed.
#[derive(Clone, Copy)]
pub(crate) enum NotCommitted {
    Ended(Ended),
    NotDurable(NotDurable),
}

/// Tells a caller what became of its turn.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), NotCommitted>) + Send>;

/// Turns of one session, run one on the other, and the run token with them: nobody else's turn comes between.
pub(crate) struct Pending {
    pub(crate) token: Token,
    /// What the first of them was staged on.
    pub(crate) base: Arc<Committed>,
    /// What the last of them made. Its bytes are taken from the caps already.
    pub(crate) head: Arc<Committed>,
    pub(crate) answers: Vec<Answer>,
}

impl Pending {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        self.token.slot()
    }

    /// Publishes what has become durable, tells the callers, and lets the session go on.
    pub(super) fn settle(self, outcome: Result<(), NotDurable>) {
        let Self { token, base, head, answers } = self;
        let (core, slot) = (Arc::clone(token.core()), Arc::clone(token.slot()));
        let outcome = match outcome {
            Ok(()) => publish(&core, &slot, &base, Arc::clone(&head)).map_err(NotCommitted::Ended),
            Err(error) => Err(NotCommitted::NotDurable(error)),
        };
        if outcome.is_err() {
            core.capacity.unsettle(&slot.identity, base.bytes, head.bytes);
        }
        for answer in answers {
            // To tell a caller wakes it, which may be anybody's code.
            let _ = catch_unwind(AssertUnwindSafe(|| answer(outcome)));
        }
        token.resume();
    }
}

/// What is on disk becomes what is read.
fn publish(core: &Core, slot: &Slot, base: &Committed, head: Arc<Committed>) -> Result<(), Ended> {
    let bytes = head.bytes;
    // Its bytes were settled against `base`; a sweep may have taken expired entries out of that since.
    let settle = |before: u64, _| {
        core.capacity.unsettle(&slot.identity, base.bytes, before);
        Ok(())
    };
    match slot.publish(head, settle) {
        Swap::Done(old) => {
            if old.bytes != bytes {
                core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
            }
            core.superseded(old);
            core.committed();
            Ok(())
        }
        Swap::Ended(ended) => Err(ended),
        // `settle` refuses nothing.
        Swap::Refused(..) => Ok(()),
    }
}
