//! A clock for tests, moved by hand.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sessile::{Clock, TimeSource, Timestamp};

/// Where the clocks of the tests start: some day in 2023.
pub(crate) const START: u64 = 1_700_000_000_000_000;

/// A clock that moves when it is told to.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::from_source(self.clone())
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }

    /// Only for the time between two services: one service's clock never goes back.
    pub(crate) fn go_back(&self, by: Duration) {
        self.0.fetch_sub(by.as_micros() as u64, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl TimeSource for Hand {
    fn now(&self) -> Timestamp {
        Hand::now(self)
    }
}
