//! Disks that fail, are slow, or count.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::around::{Habit, Outcome};
use super::simulated::Disk;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The device has failed.
    Device,
    /// There is no space: half of a write gets there.
    NoSpace,
    /// Half of a write gets there and is told so; else nothing is wrong.
    Short,
}

/// Lets every step fail in every way, once and from then on; how many that were. `at` is one life with such a fault, and
/// says whether it met it.
pub(super) fn every_step_fails(at: impl Fn(usize, bool, Fault) -> Result<bool, String>) -> Result<usize, String> {
    let mut runs = 0;
    for fault in [Fault::Device, Fault::NoSpace, Fault::Short] {
        for for_ever in [false, true] {
            let named = |step, why| format!("{fault:?} at step {step}, for ever: {for_ever}: {why}");
            let mut step = 0;
            while at(step, for_ever, fault).map_err(|why| named(step, why))? {
                step += 1;
            }
            if step < 40 {
                return Err(format!("the life has {step} steps only"));
            }
            runs += step;
        }
    }
    Ok(runs)
}

/// Fails one step, or all from one on.
pub(super) struct Failing {
    pub(super) disk: Disk,
    pub(super) at: usize,
    /// The first step that works again.
    pub(super) until: AtomicUsize,
    pub(super) fault: Fault,
    pub(super) count: AtomicUsize,
}

impl Failing {
    pub(super) fn new(disk: &Disk, at: usize, for_ever: bool, fault: Fault) -> Self {
        let until = AtomicUsize::new(if for_ever { usize::MAX } else { at + 1 });
        Self { disk: disk.clone(), at, until, fault, count: AtomicUsize::new(0) }
    }

    /// From here on every step works.
    pub(super) fn mend(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    /// Whether every step fails that changes something.
    pub(super) fn is_broken(&self) -> bool {
        self.fault != Fault::Short && self.until.load(Ordering::SeqCst) == usize::MAX && self.was_met()
    }

    /// Whether a step has failed.
    pub(super) fn was_met(&self) -> bool {
        self.count.load(Ordering::SeqCst) > self.at
    }
}

impl Habit for Failing {
    fn step(&self, step: &'static str) -> Outcome {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        if number < self.at || number >= self.until.load(Ordering::SeqCst) {
            return Outcome::Done;
        }
        let looks = matches!(step, "list" | "lock" | "open");
        match self.fault {
            Fault::Short => Outcome::Short,
            // To look and to take away needs no space.
            Fault::NoSpace if looks || step == "remove" => Outcome::Done,
            Fault::NoSpace => Outcome::FailsHalfWay(io::ErrorKind::StorageFull.into()),
            Fault::Device => {
                if step.starts_with("sync") {
                    self.disk.forget_unsynced();
                }
                Outcome::Fails(io::Error::other("the device has failed"))
            }
        }
    }
}

/// Takes its time: every step moves tokio's paused clock.
pub(super) struct Slow {
    pub(super) each: Duration,
}

impl Habit for Slow {
    fn step(&self, _: &'static str) -> Outcome {
        // Paused time moves at the first poll; the rest of it would let other tasks run.
        let mut moved = pin!(tokio::time::advance(self.each));
        let _ = moved.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        Outcome::Done
    }
}

/// Writes down what was asked for.
#[derive(Default)]
pub(super) struct Counting(pub(super) Mutex<Vec<&'static str>>);

impl Habit for Counting {
    fn step(&self, step: &'static str) -> Outcome {
        self.0.lock().push(step);
        Outcome::Done
    }
}
