//! What has changed since it was last written down: noted once, however often it changes.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::actor::slot::{Mark, Slot};
use crate::actor::tombstones::Tombstone;
use crate::state::Committed;

/// Places, so that callers on several cores seldom meet.
const PLACES: usize = 64;
/// Items of a pile that are moved together: it grows by one such piece, under whoever's lock that is.
const PIECE: usize = 1_024;

/// A session that has changed, and the revision before the first change where that is large.
pub(super) struct Changed {
    pub(super) slot: Arc<Slot>,
    pub(super) base: Option<Arc<Committed>>,
}

/// All that is to be written.
pub(super) struct Marks {
    changed: Places<Changed>,
    logs: Places<Arc<Slot>>,
    touched: Places<Arc<Slot>>,
    buried: Mutex<Pile<Tombstone>>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            changed: Places::of(Mark::Changed),
            logs: Places::of(Mark::Log),
            touched: Places::of(Mark::Touched),
            buried: Mutex::default(),
        }
    }
}

impl Marks {
    /// After the change was published.
    pub(super) fn changed(&self, slot: &Arc<Slot>, base: impl FnOnce() -> Option<Arc<Committed>>) {
        self.changed.note(slot, || Changed { slot: Arc::clone(slot), base: base() });
    }

    /// After the change of its event log, under that one's lock.
    pub(super) fn log_changed(&self, slot: &Arc<Slot>) {
        self.logs.note(slot, || Arc::clone(slot));
    }

    pub(super) fn touched(&self, slot: &Arc<Slot>) {
        self.touched.note(slot, || Arc::clone(slot));
    }

    pub(super) fn buried(&self, tombstone: Tombstone) {
        self.buried.lock().push(tombstone);
    }

    /// What has changed. From here on a change is noted anew: look at the sessions afterwards.
    pub(super) fn take_changed(&self) -> Pile<Changed> {
        self.changed.take(|changed| &changed.slot)
    }

    /// Sessions whose event log has changed, in the same way.
    pub(super) fn take_logs(&self) -> Pile<Arc<Slot>> {
        self.logs.take(|slot| slot)
    }

    /// What was used, in the same way.
    pub(super) fn take_touched(&self) -> Pile<Arc<Slot>> {
        self.touched.take(|slot| slot)
    }

    pub(super) fn take_buried(&self) -> Pile<Tombstone> {
        std::mem::take(&mut *self.buried.lock())
    }
}

/// Sessions with a mark.
struct Places<T> {
    mark: Mark,
    piles: [Mutex<Pile<T>>; PLACES],
}

impl<T> Places<T> {
    fn of(mark: Mark) -> Self {
        Self { mark, piles: [const { Mutex::new(Pile(Vec::new())) }; PLACES] }
    }

    /// Marks a session that is not marked yet.
    fn note(&self, slot: &Slot, item: impl FnOnce() -> T) {
        if slot.is_marked(self.mark) {
            return;
        }
        let place = slot.identity.digest.0.first().map_or(0, |byte| usize::from(*byte) % PLACES);
        if let Some(pile) = self.piles.get(place) {
            let mut pile = pile.lock();
            // Under the pile's lock: whoever finds the mark relies on the next pass to find the item.
            if slot.mark(self.mark) {
                pile.push(item());
            }
        }
    }

    /// Takes all of them, and their marks away.
    fn take(&self, slot: impl Fn(&T) -> &Arc<Slot>) -> Pile<T> {
        let mut all = Pile::default();
        self.piles.iter().for_each(|pile| all.append(&mut pile.lock()));
        all.iter().for_each(|item| slot(item).unmark(self.mark));
        all
    }
}

/// A list that never moves what is in it.
pub(super) struct Pile<T>(Vec<Vec<T>>);

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Pile<T> {
    fn push(&mut self, item: T) {
        match self.0.last_mut().filter(|piece| piece.len() < piece.capacity()) {
            Some(piece) => piece.push(item),
            None => {
                let mut piece = Vec::with_capacity(if self.0.is_empty() { 16 } else { PIECE });
                piece.push(item);
                self.0.push(piece);
            }
        }
    }

    pub(super) fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}
