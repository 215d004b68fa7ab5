//! A session's place: who owns it, its committed state, its deadlines, its mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

#[cfg(not(test))]
use parking_lot::Mutex;

use super::events::Events;
#[cfg(test)]
use super::explored::Mutex;
pub(crate) use super::identity::{Identity, Role};
use super::mailbox::Mailbox;
use crate::error::{EndReason, Ended, Revision};
use crate::state::{Amendment, Committed, CompactLifetime, EventLog, Lifetime};
use crate::time::Timestamp;

/// What of a session the journal is to hold.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Mark {
    /// It has changed.
    Changed = 1,
    /// It was used.
    Touched = 2,
    /// Its event log has changed.
    Log = 4,
}

/// One session in the registry.
pub(crate) struct Slot {
    pub(crate) identity: Identity,
    pub(crate) mailbox: Mailbox,
    /// What of it the journal was told of and has not written yet.
    marks: AtomicU8,
    last_active: AtomicU64,
    /// Mirrors of the committed lifetime, so that a sweep looks at no state.
    idle: AtomicU64,
    ends_at: AtomicU64,
    /// Before this time no entry expires.
    quiet_until: AtomicU64,
    cell: Mutex<Cell>,
}

/// Held for the clone or the swap of a pointer, or for the write of a short value; no user code ever runs under it.
#[cfg_attr(test, derive(Clone))]
enum Cell {
    /// The second is the event log, once it has begun.
    Live(Arc<Committed>, Option<Arc<Events>>),
    Ended(Ended),
}

/// Why an access found no live session.
pub(crate) enum Gone {
    /// It has ended.
    Ended(Ended),
    /// Its deadline has passed and nobody has ended it yet.
    Due,
}

/// What a session has when it is about to end.
#[derive(Clone, Copy)]
pub(crate) struct Standing<'a> {
    committed: &'a Committed,
    log: Option<&'a EventLog>,
}

impl Standing<'_> {
    pub(crate) fn bytes(&self) -> u64 {
        self.committed.bytes + self.log.map_or(0, EventLog::bytes)
    }

    /// Whether it is as it was created.
    pub(crate) fn is_unused(&self) -> bool {
        self.committed.revision == Revision::ZERO && self.log.is_none()
    }
}

/// What a session had when it ended, to be let go outside its lock.
pub(crate) type Last = (Arc<Committed>, Option<EventLog>);

/// How a session's last commit was replaced.
pub(crate) enum Swap {
    /// The new state is published; the old one is handed back to be dropped outside the lock.
    Done(Arc<Committed>),
    /// The session has ended meanwhile.
    Ended(Ended),
    /// The closure that settles the bytes refused; the state that was to be published is handed back.
    Refused(crate::error::LimitExceeded, Arc<Committed>),
}

impl Slot {
    pub(crate) fn new(identity: Identity, committed: Committed, last_active: Timestamp) -> Self {
        Self {
            identity,
            mailbox: Mailbox::new(),
            marks: AtomicU8::new(0),
            last_active: AtomicU64::new(last_active.as_micros()),
            idle: AtomicU64::new(committed.lifetime.idle),
            ends_at: AtomicU64::new(committed.lifetime.ends_at),
            quiet_until: AtomicU64::new(committed.quiet_until().as_micros()),
            cell: Mutex::new(Cell::Live(Arc::new(committed), None)),
        }
    }

    /// The committed state, touched if asked. The only thing a read does.
    pub(crate) fn live(&self, now: Timestamp, touch: bool) -> Result<Arc<Committed>, Gone> {
        let cell = self.cell.lock();
        let committed = match &*cell {
            Cell::Live(committed, _) => committed,
            Cell::Ended(ended) => return Err(Gone::Ended(*ended)),
        };
        if self.due(now).is_some() {
            return Err(Gone::Due);
        }
        if touch && self.last_active.load(Ordering::Relaxed) < now.as_micros() {
            // Written under the lock alone, so nothing comes between the look and this.
            self.last_active.store(now.as_micros(), Ordering::Relaxed);
        }
        Ok(Arc::clone(committed))
    }

    /// The committed state whether or not its deadline has passed; `None` once ended. For files and listings.
    pub(crate) fn peek(&self) -> Option<Arc<Committed>> {
        match &*self.cell.lock() {
            Cell::Live(committed, _) => Some(Arc::clone(committed)),
            Cell::Ended(_) => None,
        }
    }

    /// Whether it is as it was created.
    pub(crate) fn is_unused(&self) -> bool {
        match &*self.cell.lock() {
            Cell::Live(committed, None) => Standing { committed, log: None }.is_unused(),
            Cell::Live(..) | Cell::Ended(_) => false,
        }
    }

    /// The bytes of the committed state; none once ended.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.peek().map_or(0, |committed| committed.bytes)
    }

    /// The bytes of the committed state and of the event log; none once ended.
    pub(crate) fn bytes(&self) -> u64 {
        match &*self.cell.lock() {
            Cell::Live(committed, None) => committed.bytes,
            Cell::Live(committed, Some(events)) => committed.bytes + events.bytes(),
            Cell::Ended(_) => 0,
        }
    }

    /// The event log, if it has begun.
    pub(crate) fn events(&self) -> Result<Option<Arc<Events>>, Ended> {
        match &*self.cell.lock() {
            Cell::Live(_, events) => Ok(events.clone()),
            Cell::Ended(ended) => Err(*ended),
        }
    }

    /// Gives a session that was restored its log; false when it has ended or has one.
    pub(crate) fn attach(&self, log: Arc<Events>) -> bool {
        match &mut *self.cell.lock() {
            Cell::Live(_, events @ None) => {
                *events = Some(log);
                true
            }
            _ => false,
        }
    }

    /// The event log, begun here if there is none.
    pub(crate) fn events_or<E>(
        &self,
        begin: impl FnOnce() -> Result<Arc<Events>, E>,
    ) -> Result<Result<Arc<Events>, E>, Ended> {
        if let Some(events) = self.events()? {
            return Ok(Ok(events));
        }
        let begun = match begin() {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(error)),
        };
        // Another may have been faster.
        match &mut *self.cell.lock() {
            Cell::Live(_, events) => Ok(Ok(Arc::clone(events.get_or_insert(begun)))),
            Cell::Ended(ended) => Err(*ended),
        }
    }

    /// How the session ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        match &*self.cell.lock() {
            Cell::Live(..) => None,
            Cell::Ended(ended) => Some(*ended),
        }
    }

    /// The end that its deadline brings, if that has passed. Looks at atomics alone.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Ended> {
        self.lifetime().ended(self.last_active(), now)
    }

    /// The nearer of idle timeout and max lifetime.
    pub(crate) fn deadline(&self) -> Option<(Timestamp, EndReason)> {
        self.lifetime().deadline(self.last_active())
    }

    /// The committed lifetime, from its mirrors.
    fn lifetime(&self) -> Lifetime {
        CompactLifetime { idle: self.idle.load(Ordering::Relaxed), ends_at: self.ends_at.load(Ordering::Relaxed) }
            .into()
    }

    /// Whether an entry may have expired. Looks at an atomic alone.
    pub(crate) fn may_purge(&self, now: Timestamp) -> bool {
        self.quiet_until.load(Ordering::Relaxed) <= now.as_micros()
    }

    /// When it was last used.
    pub(crate) fn last_active(&self) -> Timestamp {
        Timestamp::from_micros(self.last_active.load(Ordering::Relaxed))
    }

    /// Publishes `next`. `settle` gets the bytes before and after, under the lock, and may refuse.
    pub(crate) fn publish(
        &self,
        next: Arc<Committed>,
        settle: impl FnOnce(u64, u64) -> Result<(), crate::error::LimitExceeded>,
    ) -> Swap {
        let mut cell = self.cell.lock();
        let committed = match &mut *cell {
            Cell::Live(committed, _) => committed,
            Cell::Ended(ended) => return Swap::Ended(*ended),
        };
        if let Err(limit) = settle(committed.bytes, next.bytes) {
            return Swap::Refused(limit, next);
        }
        self.mirror(&next);
        Swap::Done(std::mem::replace(committed, next))
    }

    /// Makes the next revision of `base` where it lies, if `base` is still the committed one and nobody else holds it;
    /// gives `base` back if not. The few bytes are written under the lock, so that a read sees all of them or none.
    pub(crate) fn amend(&self, base: Arc<Committed>, amendment: &Amendment) -> Result<(), Arc<Committed>> {
        let mut cell = self.cell.lock();
        let Cell::Live(committed, _) = &mut *cell else { return Err(base) };
        if !Arc::ptr_eq(committed, &base) {
            return Err(base);
        }
        drop(base);
        let amended = Arc::get_mut(committed).is_some_and(|unread| unread.amend(amendment));
        if amended { Ok(()) } else { Err(Arc::clone(committed)) }
    }

    /// Replaces `base` by an equal state without its expired entries, if `base` is still the committed one.
    pub(crate) fn purge(&self, base: &Arc<Committed>, purged: Arc<Committed>) -> Option<u64> {
        let mut cell = self.cell.lock();
        let Cell::Live(committed, _) = &mut *cell else { return None };
        if !Arc::ptr_eq(committed, base) {
            return None;
        }
        let freed = base.bytes.saturating_sub(purged.bytes);
        self.mirror(&purged);
        *committed = purged;
        Some(freed)
    }

    /// Marks the session ended and lets go of its state; `None` when it had ended before, or when `end` gives none.
    ///
    /// `end` runs under the lock: what it writes down stands before anybody finds the session ended.
    pub(crate) fn finish(&self, end: impl FnOnce(&Self, Standing<'_>) -> Option<Ended>) -> Option<(Ended, Last)> {
        let mut cell = self.cell.lock();
        let Cell::Live(committed, events) = &*cell else { return None };
        // Held until the log is gone: nothing is appended, and counted, in between.
        let mut held = events.as_ref().map(|events| events.lock());
        let log = held.as_ref().and_then(|held| held.as_ref());
        let ended = end(self, Standing { committed, log })?;
        let log = held.as_mut().and_then(|held| held.take());
        drop(held);
        match std::mem::replace(&mut *cell, Cell::Ended(ended)) {
            Cell::Live(last, _) => Some((ended, (last, log))),
            Cell::Ended(_) => None,
        }
    }

    /// Takes an end back, for bugs that proofs plant.
    #[cfg(test)]
    pub(crate) fn unfinish(&self) {
        let mut cell = self.cell.lock();
        if let Cell::Ended(_) = *cell {
            *cell = Cell::Live(Arc::new(Committed::new(Default::default(), self.lifetime())), None);
        }
    }

    /// Whether it is noted that the journal is to hold it.
    pub(crate) fn is_marked(&self, mark: Mark) -> bool {
        self.marks.load(Ordering::Acquire) & mark as u8 != 0
    }

    /// Notes that the journal is to hold it, once until that is undone: true for the first time.
    pub(crate) fn mark(&self, mark: Mark) -> bool {
        self.marks.fetch_or(mark as u8, Ordering::AcqRel) & mark as u8 == 0
    }

    /// What is published from here on is marked anew. Whoever looks at the committed state, or the log, after this finds what
    /// was published before: both take its lock.
    pub(crate) fn unmark(&self, mark: Mark) {
        self.marks.fetch_and(!(mark as u8), Ordering::AcqRel);
    }

    fn mirror(&self, committed: &Committed) {
        self.idle.store(committed.lifetime.idle, Ordering::Relaxed);
        self.ends_at.store(committed.lifetime.ends_at, Ordering::Relaxed);
        self.quiet_until.store(committed.quiet_until().as_micros(), Ordering::Relaxed);
    }
}
