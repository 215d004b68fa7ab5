//! What has changed since it was last written down: noted once, however often it changes.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::actor::slot::Slot;
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
    changed: [Mutex<Pile<Changed>>; PLACES],
    logs: [Mutex<Pile<Arc<Slot>>>; PLACES],
    touched: [Mutex<Pile<Arc<Slot>>>; PLACES],
    buried: Mutex<Pile<Tombstone>>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            changed: [const { Mutex::new(Pile(Vec::new())) }; PLACES],
            logs: [const { Mutex::new(Pile(Vec::new())) }; PLACES],
            touched: [const { Mutex::new(Pile(Vec::new())) }; PLACES],
            buried: Mutex::new(Pile(Vec::new())),
        }
    }
}

impl Marks {
    /// After the change was published.
    pub(super) fn changed(&self, slot: &Arc<Slot>, base: impl FnOnce() -> Option<Arc<Committed>>) {
        if slot.mark_changed()
            && let Some(place) = self.changed.get(place(slot))
        {
            let changed = Changed { slot: Arc::clone(slot), base: base() };
            place.lock().push(changed);
        }
    }

    /// After the change of its event log, under that one's lock.
    pub(super) fn log_changed(&self, slot: &Arc<Slot>) {
        if slot.mark_log()
            && let Some(place) = self.logs.get(place(slot))
        {
            place.lock().push(Arc::clone(slot));
        }
    }

    pub(super) fn touched(&self, slot: &Arc<Slot>) {
        if slot.mark_touched()
            && let Some(place) = self.touched.get(place(slot))
        {
            place.lock().push(Arc::clone(slot));
        }
    }

    pub(super) fn buried(&self, tombstone: Tombstone) {
        self.buried.lock().push(tombstone);
    }

    /// What has changed. From here on a change is noted anew: look at the sessions afterwards.
    pub(super) fn take_changed(&self) -> Pile<Changed> {
        let mut all = Pile::default();
        self.changed.iter().for_each(|place| all.append(&mut place.lock()));
        all.iter().for_each(|changed| changed.slot.unmark_changed());
        all
    }

    /// Sessions whose event log has changed, in the same way.
    pub(super) fn take_logs(&self) -> Pile<Arc<Slot>> {
        let mut all = Pile::default();
        self.logs.iter().for_each(|place| all.append(&mut place.lock()));
        all.iter().for_each(|slot| slot.unmark_log());
        all
    }

    /// What was used, in the same way.
    pub(super) fn take_touched(&self) -> Pile<Arc<Slot>> {
        let mut all = Pile::default();
        self.touched.iter().for_each(|place| all.append(&mut place.lock()));
        all.iter().for_each(|slot| slot.unmark_touched());
        all
    }

    pub(super) fn take_buried(&self) -> Pile<Tombstone> {
        std::mem::take(&mut *self.buried.lock())
    }
}

fn place(slot: &Slot) -> usize {
    slot.identity.digest.0.first().map_or(0, |byte| usize::from(*byte) % PLACES)
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
