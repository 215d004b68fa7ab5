//! The bounded queue of a session's turns. It lives in the slot, so nothing is lost while no actor runs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
#[cfg(not(test))]
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(not(test))]
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::batch::Batch;
use super::core::Core;
#[cfg(test)]
use super::explored::{AtomicU8, Mutex};
use super::planted::Bug;
use super::slot::Slot;
use super::token::{OwnTurn, Token};
use crate::error::Overload;

/// How often a caller looks whether the mailbox comes free before it queues its turn, and how long between two looks.
const LOOKS: u32 = 16;
const PAUSES: u32 = 32;

/// Somebody has the run token.
const TAKEN: u8 = 1;
/// It is on its way to somebody; else turns are being run this very moment, one after another.
const AWAY: u8 = 2;
/// There is a lane: turns may wait.
const LANE: u8 = 4;

/// What a turn does when its time comes; it answers its caller itself.
pub(crate) type Job = Box<dyn FnOnce(&Arc<Core>, &Arc<Slot>, &mut Batch) + Send>;

/// A queued turn.
pub(crate) enum Turn {
    /// Run by whoever holds the run token.
    Inline(Job),
    /// Run on the blocking pool, the token with it.
    Blocking(Job),
}

/// The mailbox of one session.
pub(crate) struct Mailbox {
    /// Who takes `TAKEN` away while there is a lane holds the lock; who finds none lets go of the token in one step. So
    /// nobody has the token only while the queue is empty, and no turn waits for nobody.
    run: AtomicU8,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    failed_starts: u8,
    /// Callers in line for a place in the queue.
    in_line: u32,
    /// Made when a turn first has to wait and let go at rest: an idle session has none.
    lane: Option<Box<Lane>>,
}

/// Where turns wait, and the places for them.
struct Lane {
    permits: Arc<Semaphore>,
    queue: VecDeque<Turn>,
}

impl Inner {
    /// The lane, which is told of in `run` from here on.
    fn lane(&mut self, core: &Core, run: &AtomicU8) -> &mut Lane {
        let turns = core.config.mailbox_turns;
        self.lane.get_or_insert_with(|| {
            if !core.planted(Bug::LaneUntold) {
                run.fetch_or(LANE, Ordering::Relaxed);
            }
            Box::new(Lane { permits: Arc::new(Semaphore::new(turns)), queue: VecDeque::new() })
        })
    }

    fn is_empty(&self) -> bool {
        self.lane.as_ref().is_none_or(|lane| lane.queue.is_empty())
    }

    /// Gives up the run token, and the lane if nobody has a place in it or waits for one.
    fn rest(&mut self, run: &AtomicU8) {
        // The count grows under the lock alone.
        self.lane.take_if(|lane| lane.queue.is_empty() && Arc::strong_count(&lane.permits) == 1);
        run.store(if self.lane.is_some() { LANE } else { 0 }, Ordering::Release);
    }
}

/// One place in a mailbox; it travels inside the turn and frees the place when the turn is done or dropped.
pub(crate) struct Permit(Option<OwnedSemaphorePermit>);

impl Drop for Permit {
    fn drop(&mut self) {
        // Wakes whoever is next in line, here and now, and a waker may be anybody's code: the place is free by then, and
        // neither this turn nor those behind it are to fall for it.
        let permit = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(permit)));
    }
}

/// One caller in line for a place; leaves the line when dropped.
struct Waiting<'a>(&'a Mailbox);

impl<'a> Waiting<'a> {
    /// Lines up, unless the line is as long as it may be.
    fn enter(core: &Core, mailbox: &'a Mailbox) -> Option<Self> {
        let mut inner = mailbox.inner.lock();
        if inner.in_line >= core.config.mailbox_line && !core.planted(Bug::NoLineCap) {
            return None;
        }
        inner.in_line += 1;
        Some(Self(mailbox))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.inner.lock().in_line -= 1;
    }
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { run: AtomicU8::new(0), inner: Mutex::default() }
    }

    fn permits(core: &Core, slot: &Slot) -> Arc<Semaphore> {
        let Self { run, inner } = &slot.mailbox;
        Arc::clone(&inner.lock().lane(core, run).permits)
    }

    /// A place if one is free now.
    pub(crate) fn try_permit(core: &Core, slot: &Arc<Slot>) -> Option<Permit> {
        let free = Self::permits(core, slot).try_acquire_owned().ok();
        (free.is_some() || core.planted(Bug::NoPermit)).then(|| Permit(free))
    }

    /// A place, waiting in line for up to `patience`; a line that is full is told at once.
    ///
    /// # Cancellation
    /// Dropping the future gives up the place in line and nothing else.
    pub(crate) async fn permit(core: &Core, slot: &Arc<Slot>, patience: Duration) -> Result<Permit, Overload> {
        let _waiting = Waiting::enter(core, &slot.mailbox).ok_or(Overload::Line)?;
        let permits = Self::permits(core, slot);
        let acquired = {
            // Callers may be on a thread that is none of the runtime's; the timer is the runtime's all the same.
            let _runtime = core.runtime.enter();
            tokio::time::timeout(patience, permits.acquire_owned())
        };
        match acquired.await {
            Ok(Ok(permit)) => Ok(Permit(Some(permit))),
            _ => Err(Overload::Mailbox),
        }
    }

    /// The run token for a caller's own turn, if nobody runs the mailbox or whoever does is about to be done.
    ///
    /// Most turns take less time than it takes to queue one and to be woken by its answer.
    pub(crate) fn soon<'a>(core: &'a Arc<Core>, slot: &'a Arc<Slot>) -> Option<OwnTurn<'a>> {
        for _ in 0..LOOKS {
            let run = slot.mailbox.run.load(Ordering::Relaxed);
            if run & TAKEN == 0 {
                if slot.mailbox.take(run) {
                    return Some(OwnTurn::new(core, slot));
                }
            } else if core.sometimes(Bug::TwoTokens) {
                return Some(OwnTurn::new(core, slot));
            } else if run & AWAY == 0 {
                (0..PAUSES).for_each(|_| std::hint::spin_loop());
            } else {
                // Whoever is to run it is on no processor yet, and to wait here may keep it off this one.
                return None;
            }
        }
        None
    }

    /// Takes the run token, if `run` says that nobody has it and still holds.
    fn take(&self, run: u8) -> bool {
        run & TAKEN == 0 && self.run.compare_exchange(run, run | TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// The run token, if nobody runs the mailbox.
    #[cfg(test)]
    pub(crate) fn try_run(core: &Arc<Core>, slot: &Arc<Slot>) -> Option<Token> {
        let took = slot.mailbox.take(slot.mailbox.run.load(Ordering::Relaxed));
        (took || core.sometimes(Bug::TwoTokens)).then(|| Token::new(core, slot))
    }

    /// Queues a turn; gives the run token when nobody runs the mailbox.
    pub(crate) fn push(core: &Arc<Core>, slot: &Arc<Slot>, turn: Turn) -> Option<Token> {
        let Self { run, inner } = &slot.mailbox;
        let mut inner = inner.lock();
        inner.lane(core, run).queue.push_back(turn);
        // Whoever has the token finds the lane when it lets go, and is kept off the queue by the lock until then.
        slot.mailbox.take(run.load(Ordering::Relaxed)).then(|| Token::new(core, slot))
    }

    /// Notes whether turns are being run this very moment, or the token is on its way to somebody.
    pub(crate) fn set_active(&self, active: bool) {
        if active {
            self.run.fetch_and(!AWAY, Ordering::Relaxed);
        } else {
            self.run.fetch_or(AWAY, Ordering::Relaxed);
        }
    }

    /// The next turn; `None` also ends the run, in one step, so that a turn queued meanwhile finds somebody.
    ///
    /// With a batch that waits the run does not end, and a turn for the blocking pool, which is not to run behind it
    /// here, is left where it is.
    pub(crate) fn next_or_rest(&self, core: &Core, batch: &Batch) -> Option<Turn> {
        let mut inner = self.inner.lock();
        let inline = |turn: &mut Turn| !batch.waits() || matches!(turn, Turn::Inline(_));
        let turn = inner.lane.as_mut().and_then(|lane| lane.queue.pop_front_if(inline));
        inner.failed_starts = 0;
        if batch.waits() {
            return turn;
        }
        if turn.is_none() && core.sometimes(Bug::RestInTwoSteps) {
            drop(inner);
            inner = self.inner.lock();
        }
        if turn.is_none() {
            inner.rest(&self.run);
        }
        turn
    }

    /// Ends a run of one turn without the lock, where there is no lane: says whether it did.
    pub(crate) fn rest_at_once(&self, core: &Core) -> bool {
        if core.sometimes(Bug::RestInTwoSteps) && self.run.load(Ordering::Relaxed) == TAKEN {
            self.run.store(0, Ordering::Release);
            return true;
        }
        self.run.compare_exchange(TAKEN, 0, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Ends the run if nothing waits; says whether something does.
    pub(crate) fn rest_if_empty(&self) -> bool {
        let mut inner = self.inner.lock();
        let empty = inner.is_empty();
        if empty {
            inner.rest(&self.run);
        }
        !empty
    }

    /// Called when a token was dropped with turns waiting: false when that makes `most` failed starts in a row.
    pub(crate) fn another_start(&self, most: u8) -> bool {
        let mut inner = self.inner.lock();
        inner.failed_starts = inner.failed_starts.saturating_add(1);
        inner.failed_starts < most
    }

    /// Gives up what waits: the turns are dropped unrun, which tells their callers.
    pub(crate) fn abandon(&self) {
        let turns = {
            let mut inner = self.inner.lock();
            inner.failed_starts = 0;
            let turns = inner.lane.as_mut().map(|lane| std::mem::take(&mut lane.queue));
            inner.rest(&self.run);
            turns
        };
        // One by one: to drop a turn wakes its caller, and a second panic in the midst of one would end the process.
        for turn in turns.into_iter().flatten() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(turn)));
        }
    }

    /// Callers in line for a place.
    #[cfg(test)]
    pub(crate) fn in_line(&self) -> u32 {
        self.inner.lock().in_line
    }

    /// Turns that wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.inner.lock().lane.as_ref().map_or(0, |lane| lane.queue.len())
    }

    /// Whether turns have waited, or may, since it was last at rest with nobody in it.
    #[cfg(test)]
    pub(crate) fn has_lane(&self) -> bool {
        self.inner.lock().lane.is_some()
    }

    /// Places that are free.
    #[cfg(test)]
    pub(crate) fn free(&self, all: usize) -> usize {
        self.inner.lock().lane.as_ref().map_or(all, |lane| lane.permits.available_permits())
    }
}
