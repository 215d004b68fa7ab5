//! What the bugs and faults that proofs plant do in the middle of turns, creations and snapshots.
//!
//! Outside the crate's own tests each of these gives back what it was given, and is gone when compiled.

/// A place in a turn where it can be made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Before the draft is staged.
    Stage,
    /// When the next revision is made of the draft.
    Finish,
    /// Before it is published.
    Publish,
    /// After that, before the caller is answered.
    Reply,
    /// In the actor, before it runs a batch.
    Handle,
}

#[cfg(not(test))]
mod nothing;
#[cfg(test)]
mod something;

#[cfg(test)]
pub(crate) use something::{Sabotage, mix};
