//! A clock moved by hand, a folder in memory, a runtime whose time is paused.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::{Clock, TimeSource, Timestamp, micros};

/// Where clocks start: some day in 2023.
pub(super) const START: u64 = 1_700_000_000_000_000;

/// A clock that moves when it is told to.
#[derive(Clone)]
pub(super) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub(super) fn clock(&self) -> Clock {
        Clock::from_source(self.clone())
    }

    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(micros(by), Ordering::SeqCst);
    }

    /// Only for the time between two services: one service's clock never goes back.
    pub(super) fn set(&self, at: u64) {
        self.0.store(at, Ordering::SeqCst);
    }

    pub(super) fn micros(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl TimeSource for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros())
    }
}

/// A folder in memory where the machine has such: these proofs are about what files say, not about what disks keep.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Runs a proof's body on one thread, with the timers of tokio at rest.
pub(super) fn paused<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(body)
}
