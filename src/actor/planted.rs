//! Faults and bugs that tests plant: a proof counts only if it fails when the mechanism it proves is taken out.
//!
//! Outside the crate's own tests nothing of this is there: [`Core::planted`] is a constant then.

use super::core::Core;

/// A mechanism that a proof takes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A look-up asks nobody whose session it is.
    NoOwnerCheck,
    /// No owner's own cap holds.
    IgnoresOwnerCap,
    /// A place is taken without a look at the caps, which was had before.
    ChecksThenTakes,
    /// Who is first in line is evicted, though used since it was queued.
    NoSecondLook,
    /// At a cap the expired keep their places.
    ExpiredStay,
    /// A session that grows may be evicted to make room for itself.
    EvictsTheGrowing,
    /// An ended session's bytes are not given back.
    KeepsBytes,
    /// An owner that was refused its first session stays.
    KeepsRefusedOwners,
}

#[cfg(not(test))]
impl Core {
    /// Whether a test took this mechanism out.
    pub(crate) const fn planted(&self, _: Bug) -> bool {
        false
    }
}

#[cfg(test)]
pub(crate) use planting::Planted;

#[cfg(test)]
mod planting {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Bug, Core};

    /// What tests planted in one service.
    #[derive(Default)]
    pub(crate) struct Planted {
        bugs: AtomicU64,
        /// So many starts of an activation fail from now on.
        pub(crate) failing_starts: AtomicU64,
    }

    impl Planted {
        /// Takes a mechanism out.
        pub(crate) fn plant(&self, bug: Bug) {
            self.bugs.fetch_or(1 << bug as u64, Ordering::SeqCst);
        }

        pub(crate) fn activation_start(&self) -> Result<(), String> {
            let left = self.failing_starts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left.is_ok() { Err("planted".to_owned()) } else { Ok(()) }
        }
    }

    impl Core {
        /// Whether a test took this mechanism out.
        pub(crate) fn planted(&self, bug: Bug) -> bool {
            self.planted.bugs.load(Ordering::Relaxed) & (1 << bug as u64) != 0
        }
    }
}
