//! Turns that are run one on the other before any of them is committed: where commits wait for their write, they share one.

use std::sync::Arc;

use super::core::Core;
use super::journal::{Answer, Pending};
use super::room;
use super::slot::Slot;
use super::token::Token;
use crate::error::LimitExceeded;
use crate::state::Committed;

/// What was staged so far.
#[derive(Default)]
pub(crate) struct Batch {
    staged: Option<Staged>,
    answers: Vec<Answer>,
}

struct Staged {
    base: Arc<Committed>,
    head: Arc<Committed>,
}

impl Batch {
    /// Whether anything was staged: what is run after it, and who is told of it, waits.
    pub(crate) const fn waits(&self) -> bool {
        self.staged.is_some()
    }

    /// What the next turn is staged on: what the last one made, or what is committed.
    pub(super) fn base(&self, committed: Arc<Committed>) -> Arc<Committed> {
        self.staged.as_ref().map_or(committed, |staged| Arc::clone(&staged.head))
    }

    /// Stages the next revision of `base`, with its bytes taken from the caps.
    pub(super) fn stage(
        &mut self,
        core: &Core,
        slot: &Arc<Slot>,
        base: Arc<Committed>,
        next: Committed,
    ) -> Result<(), LimitExceeded> {
        let mut tries = 0..room::TRIES;
        while let Err(limit) = core.capacity.settle(core, &slot.identity, base.bytes, next.bytes) {
            if tries.next().is_none() {
                return Err(limit);
            }
            room::for_growth(core, slot, next.bytes.saturating_sub(base.bytes), limit)?;
        }
        let head = Arc::new(next);
        match &mut self.staged {
            Some(staged) => staged.head = head,
            None => self.staged = Some(Staged { base, head }),
        }
        Ok(())
    }

    /// Has a caller told once it is known what became of the batch; at once where there is nothing to wait for.
    pub(super) fn tell(&mut self, answer: Answer) {
        if self.waits() { self.answers.push(answer) } else { answer(Ok(())) }
    }

    /// Hands it over to be written, and the run token with it.
    pub(super) fn send(self, token: Token) {
        let Some(Staged { base, head }) = self.staged else { return token.resume() };
        token.set_active(false);
        let core = Arc::clone(token.core());
        let pending = Pending { token, base, head, answers: self.answers };
        if let Some(journal) = core.journal() {
            journal.commit(pending);
        }
    }
}
