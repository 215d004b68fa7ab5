//! Who goes first at a cap: sessions in line by their deadlines and by their last uses. Made when a cap is first met.

use parking_lot::{Mutex, MutexGuard};

use super::line::{LOOKS, Line, Queued};
use super::slot::{Role, Slot};
use crate::time::Timestamp;

/// The two lines of one share, if anybody has asked for them. 24 bytes for each session in each line, half as much again
/// at most for places of ended sessions, and an eighth for growth.
#[derive(Default)]
pub(crate) struct Order(Mutex<Option<Box<Lines>>>);

/// Sessions in line. A deadline may have moved on since it was queued, and so may a last use; neither comes nearer
/// without a new place.
#[derive(Default)]
pub(crate) struct Lines {
    deadlines: Line,
    /// `None` where eviction was not chosen.
    uses: Option<Line>,
}

/// Which of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Deadline,
    LastUse,
}

/// The order, locked. A leaf: nothing else is locked or looked up while it is held.
pub(crate) struct Locked<'a>(MutexGuard<'a, Option<Box<Lines>>>);

/// Places that a round of tidying looks at.
pub(crate) type Looked = [(By, [Option<(usize, Queued)>; LOOKS]); 2];

impl Order {
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked(self.0.lock())
    }

    /// Makes the lines if there are none; `walk` shows every session there is. One caller at a time.
    pub(crate) fn ensure(&self, evicts: bool, walk: impl FnOnce(&mut dyn FnMut(&Slot))) {
        {
            let mut lines = self.0.lock();
            if lines.is_some() {
                return;
            }
            // From here on creates queue; those that did not are in the tables before the walk comes by.
            *lines = Some(Box::new(Lines { deadlines: Line::default(), uses: evicts.then(Line::default) }));
        }
        let (mut deadlines, mut uses) = (Vec::new(), Vec::new());
        walk(&mut |slot| {
            deadlines.extend(place(slot, By::Deadline));
            uses.extend(place(slot, By::LastUse).filter(|_| evicts));
        });
        deadlines.shrink_to_fit();
        uses.shrink_to_fit();
        if let Some(lines) = self.0.lock().as_mut() {
            lines.deadlines.extend(deadlines);
            if let Some(line) = &mut lines.uses {
                line.extend(uses);
            }
        }
    }

    /// Some places to look at, if there may be many of ended sessions.
    pub(crate) fn look(&self, live: u64) -> Option<Looked> {
        let mut lines = self.0.lock();
        let lines = lines.as_deref_mut()?;
        let most = live.saturating_add(live / 8).saturating_add(64);
        if lines.longest() <= most {
            return None;
        }
        // Each line by itself: who is evicted has left one of them and stays in the other.
        let look = |line: &mut Line| if line.len() as u64 > most { line.look() } else { [None; LOOKS] };
        let uses = lines.uses.as_mut().map_or([None; LOOKS], look);
        Some([(By::Deadline, look(&mut lines.deadlines)), (By::LastUse, uses)])
    }

    /// Lets go of lines that are mostly of ended sessions; whoever meets the cap next makes them anew.
    pub(crate) fn shed(&self, live: u64) {
        let shed = {
            let mut lines = self.0.lock();
            let long =
                lines.as_ref().is_some_and(|lines| lines.longest() > live.saturating_mul(2).saturating_add(1_024));
            if long { lines.take() } else { None }
        };
        // Freeing many pages takes its time: not under the lock.
        drop(shed);
    }
}

impl Locked<'_> {
    /// Queues a session in both lines.
    pub(crate) fn enter(&mut self, slot: &Slot) {
        self.queue(slot, By::Deadline);
        self.queue(slot, By::LastUse);
    }

    /// Queues a session as it stands now, if that line is there and the session has a place in it.
    pub(crate) fn queue(&mut self, slot: &Slot, by: By) {
        if let (Some(line), Some(queued)) = (self.line(by), place(slot, by)) {
            line.push(queued);
        }
    }

    /// Takes the first in line; by deadline only one whose time has come.
    pub(crate) fn pop(&mut self, by: By, now: Timestamp) -> Option<Queued> {
        if self.waits(by, now) { self.line(by)?.pop() } else { None }
    }

    /// Whether anybody is there to be taken.
    pub(crate) fn waits(&mut self, by: By, now: Timestamp) -> bool {
        let first = self.line(by).and_then(|line| line.first());
        first.is_some_and(|first| by == By::LastUse || first.at <= now)
    }

    /// Puts back what was taken.
    pub(crate) fn put_back(&mut self, by: By, queued: Queued) {
        if let Some(line) = self.line(by) {
            line.push(queued);
        }
    }

    /// Lets go of a place that was looked at.
    pub(crate) fn forget(&mut self, by: By, place: usize, queued: &Queued) {
        if let Some(line) = self.line(by) {
            line.forget(place, queued);
        }
    }

    fn line(&mut self, by: By) -> Option<&mut Line> {
        let lines = self.0.as_deref_mut()?;
        match by {
            By::Deadline => Some(&mut lines.deadlines),
            By::LastUse => lines.uses.as_mut(),
        }
    }
}

impl Lines {
    fn longest(&self) -> u64 {
        self.deadlines.len().max(self.uses.as_ref().map_or(0, Line::len)) as u64
    }
}

/// Where a session stands: what never expires has no deadline, and buckets are never evicted.
fn place(slot: &Slot, by: By) -> Option<Queued> {
    let at = match by {
        By::Deadline => slot.deadline()?.0,
        By::LastUse if slot.identity.role == Role::Session => slot.last_active(),
        By::LastUse => return None,
    };
    Some(Queued { at, key: slot.identity.digest.key() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionKey;

    #[test]
    fn tidying_looks_at_the_lines_that_are_long_and_at_no_other() {
        for (long, short) in [(By::Deadline, By::LastUse), (By::LastUse, By::Deadline)] {
            let order = Order::default();
            assert!(order.look(0).is_none());
            order.ensure(true, |_| {});
            let queued = |at: u64| Queued { at: Timestamp::from_micros(at), key: SessionKey([at as u8; 16]) };
            order.lock().put_back(short, queued(0));
            // Ten live: eleven places and 64 more are as many as need no look.
            for at in 0..76 {
                assert!(order.look(10).is_none(), "{at} places");
                order.lock().put_back(long, queued(at));
            }
            let looked = order.look(10).unwrap();
            let seen = |by| looked.iter().filter(|(of, _)| *of == by).flat_map(|(_, places)| places).flatten().count();
            assert_eq!((seen(long), seen(short)), (LOOKS, 0));
        }
    }
}
