//! Threads of this process that were told to stop and are still in the midst of their last write: until it is done, the folder
//! is theirs.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long a start waits for such a write. One that takes longer is on a disk that nobody should wait for.
const PATIENCE: Duration = Duration::from_secs(10);

static LEAVING: Mutex<usize> = Mutex::new(0);
static LEFT: Condvar = Condvar::new();

const NO_THREAD: u8 = 0;
const RUNS: u8 = 1;
const TOLD: u8 = 2;

/// Whether one thread was told to stop.
#[derive(Default)]
pub(super) struct Exit(AtomicU8);

impl Exit {
    /// There is a thread; [`Exit::gone`] must follow once it has gone.
    pub(super) fn begins(&self) {
        self.0.store(RUNS, Ordering::Release);
    }

    /// It is told to stop.
    pub(super) fn told(&self) {
        if self.0.compare_exchange(RUNS, TOLD, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            *LEAVING.lock() += 1;
        }
    }

    /// It has gone.
    pub(super) fn gone(&self) {
        if self.0.swap(NO_THREAD, Ordering::AcqRel) == TOLD {
            *LEAVING.lock() -= 1;
            LEFT.notify_all();
        }
    }
}

/// Waits until one of them has gone; false where there is none, or where it takes too long.
pub(crate) fn wait_for_one() -> bool {
    let mut leaving = LEAVING.lock();
    let before = *leaving;
    before > 0 && !LEFT.wait_while_for(&mut leaving, |leaving| *leaving >= before, PATIENCE).timed_out()
}
