//! A model checker under slots and mailboxes: where one explores, their locks, the mark of the run token and the threads
//! that it moves to are the checker's. Everything else, the protocol above all, is the code that ships.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;

use shuttle::thread::JoinHandle;

use super::token::{ACTOR_BUDGET, Ran, Token};

thread_local! {
    static EXPLORING: Cell<bool> = const { Cell::new(false) };
    /// Whether the next lock of a slot is taken twice.
    static TWICE: Cell<bool> = const { Cell::new(false) };
    /// The threads that run tokens moved to.
    static STARTED: RefCell<Vec<JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
}

/// Runs what a model checker explores. It keeps to this thread, whatever threads it plays.
pub(crate) fn exploring<R>(explore: impl FnOnce() -> R) -> R {
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            EXPLORING.set(false);
            // Of an exploration that failed; their threads are gone.
            STARTED.take().into_iter().for_each(std::mem::forget);
        }
    }
    let _over = Over;
    EXPLORING.set(true);
    explore()
}

/// Whether a model checker explores on this thread.
pub(crate) fn is_exploring() -> bool {
    EXPLORING.get()
}

/// Waits for every thread that a run token moved to, and for those it moved to from there.
pub(crate) fn all_at_rest() {
    while let Some(thread) = STARTED.with_borrow_mut(Vec::pop) {
        thread.join().unwrap();
    }
}

fn start(work: impl FnOnce() + Send + 'static) {
    let thread = shuttle::thread::spawn(work);
    STARTED.with_borrow_mut(|started| started.push(thread));
}

/// Plants a bug in what is done next, up to its first lock of a slot: it looks under one lock and writes under another.
pub(crate) fn in_two_locks<R>(change: impl FnOnce() -> R) -> R {
    TWICE.set(true);
    let result = change();
    TWICE.set(false);
    result
}

/// A lock: parking_lot's, or the checker's for what is made while it explores.
pub(crate) enum Mutex<T> {
    Real(parking_lot::Mutex<T>),
    /// With the way to copy what is in it, if a bug may be planted there.
    Explored(shuttle::sync::Mutex<T>, Option<fn(&T) -> T>),
}

/// An atomic number: the standard library's, or the checker's for what is made while it explores.
pub(crate) enum AtomicU8 {
    Real(std::sync::atomic::AtomicU8),
    Explored(shuttle::sync::atomic::AtomicU8),
}

/// Does the same with either.
macro_rules! either {
    ($self:ident, $real:ident => $done:expr) => {
        match $self {
            Self::Real($real) => $done,
            Self::Explored($real) => $done,
        }
    };
}

impl AtomicU8 {
    pub(crate) fn new(value: u8) -> Self {
        match EXPLORING.get() {
            false => Self::Real(value.into()),
            true => Self::Explored(shuttle::sync::atomic::AtomicU8::new(value)),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> u8 {
        either!(self, number => number.load(order))
    }

    pub(crate) fn store(&self, value: u8, order: Ordering) {
        either!(self, number => number.store(value, order));
    }

    pub(crate) fn fetch_or(&self, value: u8, order: Ordering) -> u8 {
        either!(self, number => number.fetch_or(value, order))
    }

    pub(crate) fn fetch_and(&self, value: u8, order: Ordering) -> u8 {
        either!(self, number => number.fetch_and(value, order))
    }

    pub(crate) fn compare_exchange(&self, old: u8, new: u8, done: Ordering, failed: Ordering) -> Result<u8, u8> {
        either!(self, number => number.compare_exchange(old, new, done, failed))
    }
}

pub(crate) enum Guard<'a, T> {
    Real(parking_lot::MutexGuard<'a, T>),
    Explored(shuttle::sync::MutexGuard<'a, T>),
    Twice(Twice<'a, T>),
}

/// A copy of what was under a lock, written back under the same lock taken anew.
pub(crate) struct Twice<'a, T> {
    lock: &'a shuttle::sync::Mutex<T>,
    copy: T,
    back: fn(&T) -> T,
    written: bool,
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        match EXPLORING.get() {
            false => Self::Real(parking_lot::Mutex::default()),
            true => Self::Explored(shuttle::sync::Mutex::new(T::default()), None),
        }
    }
}

impl<T: Clone> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        match EXPLORING.get() {
            false => Self::Real(parking_lot::Mutex::new(value)),
            true => Self::Explored(shuttle::sync::Mutex::new(value), Some(T::clone)),
        }
    }
}

/// Not poisoned by panics, as parking_lot's is not.
fn locked<T>(lock: &shuttle::sync::Mutex<T>) -> shuttle::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        match self {
            Self::Real(lock) => Guard::Real(lock.lock()),
            Self::Explored(lock, copy) => match copy.filter(|_| TWICE.take()) {
                None => Guard::Explored(locked(lock)),
                Some(back) => Guard::Twice(Twice { copy: back(&locked(lock)), lock, back, written: false }),
            },
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Real(guard) => guard,
            Self::Explored(guard) => guard,
            Self::Twice(twice) => &twice.copy,
        }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Self::Real(guard) => guard,
            Self::Explored(guard) => guard,
            Self::Twice(twice) => {
                twice.written = true;
                &mut twice.copy
            }
        }
    }
}

impl<T> Drop for Twice<'_, T> {
    fn drop(&mut self) {
        if self.written {
            *locked(self.lock) = (self.back)(&self.copy);
        }
    }
}

/// Takes over what was to go to the blocking pool; gives it back where nobody explores.
pub(crate) fn taken_over<F: FnOnce() + Send + 'static>(work: F) -> Option<F> {
    if !EXPLORING.get() {
        return Some(work);
    }
    start(work);
    None
}

/// Takes over a token that was to be lent to an actor; gives it back where nobody explores.
///
/// The thread does what the actor does: it may fail to start, and runs batch after batch until nothing waits.
pub(crate) fn lent(token: Token) -> Option<Token> {
    if !EXPLORING.get() {
        return Some(token);
    }
    start(move || {
        if token.core().planted.activation_start().is_err() {
            return;
        }
        let budget = token.core().budget(ACTOR_BUDGET);
        let mut ran = token.run(budget);
        while let Ran::More(token) = ran {
            shuttle::thread::yield_now();
            ran = token.run(budget);
        }
    });
    None
}
