//! Whether what is written down can be trusted to be there.

use std::sync::atomic::{AtomicU8, Ordering};

/// Everything that was told to be durable is.
const GOOD: u8 = 0;
/// A write failed, and another file was begun since; it counts for nothing before the snapshot that it goes on from.
const BEGUN_ANEW: u8 = 1;
/// A write to the file that is being written has failed.
const FAILED: u8 = 2;

/// The health of a journal.
#[derive(Default)]
pub(super) struct Health(AtomicU8);

impl Health {
    pub(super) fn is_good(&self) -> bool {
        self.0.load(Ordering::Acquire) == GOOD
    }

    /// Something failed: from here on nothing is told to be durable.
    pub(super) fn fails(&self) {
        self.0.store(FAILED, Ordering::Release);
    }

    /// Another file is begun, whose snapshot is about to be taken.
    pub(super) fn begins_anew(&self) {
        let _ = self.0.compare_exchange(FAILED, BEGUN_ANEW, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The snapshot that the file goes on from is durable; true where that heals. A fault that came to the file since it was
    /// begun is not healed by it.
    pub(super) fn heals(&self) -> bool {
        self.0.compare_exchange(BEGUN_ANEW, GOOD, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
