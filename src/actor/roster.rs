//! An owner's sessions in order of creation: a pointer each, where a tree of keys would take five times as much.

use std::sync::Arc;

use super::slot::Slot;
use crate::id::SessionKey;
use crate::time::Timestamp;

/// Where a session stands among others: by its creation, and by its key where two were created at once.
pub(crate) type Place = (Timestamp, SessionKey);

/// Pointers in one run: so few that one more in its middle moves about a kilobyte at most.
const RUN: usize = 128;

/// Sorted runs of sessions, none empty. Most sessions come last and fill up the last run.
#[derive(Default)]
pub(crate) struct Roster {
    runs: Vec<Vec<Arc<Slot>>>,
    len: usize,
}

impl Roster {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a session, in place of another that is at the same place.
    pub(crate) fn insert(&mut self, slot: &Arc<Slot>) {
        let (at, found) = self.find(place(slot));
        match found {
            Ok(within) => {
                if let Some(held) = self.runs.get_mut(at).and_then(|run| run.get_mut(within)) {
                    *held = Arc::clone(slot);
                }
            }
            Err(within) => {
                let (at, within) = self.make_room(at, within);
                if let Some(run) = self.runs.get_mut(at) {
                    grow(run, RUN);
                    run.insert(within, Arc::clone(slot));
                    self.len += 1;
                }
            }
        }
    }

    /// Lets go of a session, if it is there.
    pub(crate) fn remove(&mut self, slot: &Slot) {
        let (at, Ok(within)) = self.find(place(slot)) else { return };
        let Some(run) = self.runs.get_mut(at) else { return };
        run.remove(within);
        self.len -= 1;
        if run.is_empty() {
            self.runs.remove(at);
        } else if run.len() < run.capacity() / 4 {
            run.shrink_to(run.len() * 2);
        }
    }

    /// The next sessions in order of creation, after a place in it.
    pub(crate) fn after(&self, from: Option<Place>, at_most: usize) -> Vec<Arc<Slot>> {
        let (at, within) = match from.map(|from| self.find(from)) {
            None => (0, 0),
            Some((at, Ok(within))) => (at, within + 1),
            Some((at, Err(within))) => (at, within),
        };
        let slots = self.runs.iter().skip(at).flatten();
        slots.skip(within).take(at_most).map(Arc::clone).collect()
    }

    /// The sessions before a place in the order of creation, the newest first.
    pub(crate) fn before(&self, until: Option<Place>, at_most: usize) -> Vec<Arc<Slot>> {
        let (at, within) = match until.map(|until| self.find(until)) {
            None => (self.runs.len(), 0),
            Some((at, Ok(within) | Err(within))) => (at, within),
        };
        let here = self.runs.get(at).and_then(|run| run.get(..within)).unwrap_or_default();
        let earlier = self.runs.get(..at).unwrap_or_default();
        let slots = here.iter().rev().chain(earlier.iter().rev().flat_map(|run| run.iter().rev()));
        slots.take(at_most).map(Arc::clone).collect()
    }

    /// The run that has room for one more at a place, and where in it.
    fn make_room(&mut self, at: usize, within: usize) -> (usize, usize) {
        let next = match self.runs.get_mut(at) {
            Some(run) if run.len() < RUN => return (at, within),
            None => at,
            Some(_) => at + 1,
        };
        // After the last of a run comes a run of its own, so that full runs are left behind.
        let half = self.runs.get_mut(at).filter(|_| within < RUN).map(|run| run.split_off(RUN / 2));
        let split = half.is_some();
        grow(&mut self.runs, usize::MAX);
        self.runs.insert(next, half.unwrap_or_default());
        match within {
            within if split && within <= RUN / 2 => (at, within),
            within if split => (next, within - RUN / 2),
            _ => (next, 0),
        }
    }

    /// The run in which a place is or would be, and where in it.
    fn find(&self, wanted: Place) -> (usize, Result<usize, usize>) {
        let later = self.runs.partition_point(|run| run.first().is_some_and(|first| place(first) <= wanted));
        let at = later.saturating_sub(1);
        let run = self.runs.get(at).map(Vec::as_slice).unwrap_or_default();
        // Most come last, and to look at one is to fetch it from memory.
        if run.last().is_some_and(|last| place(last) < wanted) {
            return (at, Err(run.len()));
        }
        (at, run.binary_search_by(|held| place(held).cmp(&wanted)))
    }
}

/// Where a session stands.
pub(crate) fn place(slot: &Slot) -> Place {
    (slot.identity.created_at, slot.identity.digest.key())
}

/// Room for one more: an eighth instead of double, since every session pays for what is left empty.
fn grow<T>(items: &mut Vec<T>, most: usize) {
    let len = items.len();
    if len == items.capacity() {
        items.reserve_exact((len / 8 + 4).min(most.saturating_sub(len)).max(1));
    }
}

#[cfg(test)]
mod tests;
