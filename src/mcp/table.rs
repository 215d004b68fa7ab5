//! The slots of all protocol sessions in memory, and how idle workers and ended sessions leave it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager as _};

use super::slot::{Slot, Use};
use crate::session::Session;

/// The least time between two looks at all slots, whatever the options say.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// The most time between two looks: as long may a worker outlive its session.
const MOST_PAUSE: Duration = Duration::from_secs(60);

/// Slots by session id. As long as one is in it, a task looks after it.
pub(super) struct Table {
    passivate_after: Duration,
    max_workers: usize,
    slots: Mutex<Slots>,
}

struct Slots {
    map: HashMap<SessionId, Arc<Slot>>,
    /// Whether the task runs.
    tended: bool,
    /// At this many slots a newcomer tidies up first, so that no burst outgrows the task.
    tidy_at: usize,
}

impl Table {
    pub(super) fn new(passivate_after: Duration, max_workers: usize) -> Self {
        let slots = Slots { map: HashMap::new(), tended: false, tidy_at: max_workers };
        Self { passivate_after, max_workers, slots: Mutex::new(slots) }
    }

    /// Takes the slot of this session in hand, a new one if there is none.
    pub(super) fn enter(self: &Arc<Self>, id: &SessionId, session: &Session) -> Use {
        let crowded = {
            let slots = self.slots.lock();
            slots.map.len() >= slots.tidy_at && !slots.map.contains_key(id)
        };
        if crowded {
            self.tidy();
        }
        let mut slots = self.slots.lock();
        let slot = slots.map.entry(Arc::clone(id)).or_insert_with(|| Arc::new(Slot::new(session.clone())));
        let used = slot.enter();
        if !slots.tended {
            slots.tended = true;
            let pause = (self.passivate_after / 2).clamp(LEAST_PAUSE, MOST_PAUSE);
            tokio::spawn(tend(Arc::downgrade(self), pause));
        }
        used
    }

    /// Forgets the slot of a session that has ended, and ends its worker.
    pub(super) fn forget(&self, id: &str) {
        let slot = self.slots.lock().map.remove_entry(id);
        if let Some((id, slot)) = slot {
            end(id, slot.take());
        }
    }

    /// Ends the workers of ended sessions, idle workers, and the idlest beyond the cap; true when no slot is left.
    fn tidy(&self) -> bool {
        let slots: Vec<_> = {
            let slots = self.slots.lock();
            slots.map.iter().map(|(id, slot)| (Arc::clone(id), Arc::clone(slot))).collect()
        };
        let mut idle = Vec::new();
        let mut workers = 0_usize;
        for (id, slot) in &slots {
            // A call that runs is a use of its session, however silent it is.
            let live = if slot.is_calling() { slot.session.touch() } else { slot.session.check() };
            if live.is_err() {
                self.forget(id);
            } else if let Some(worker) = slot.take_if_idle(self.passivate_after) {
                end(Arc::clone(id), Some(worker));
            } else if let Some(idle_for) = slot.idle_for() {
                workers += 1;
                idle.push((idle_for, id, slot));
            } else {
                workers += usize::from(slot.worker().is_some());
            }
        }
        if workers > self.max_workers {
            // A quarter more than needed go, so that the next newcomer does not look at all of them again.
            let surplus = workers - self.max_workers + self.max_workers / 4;
            idle.sort_unstable_by_key(|(idle_for, ..)| std::cmp::Reverse(*idle_for));
            for (_, id, slot) in idle.into_iter().take(surplus) {
                end(Arc::clone(id), slot.take_if_idle(Duration::ZERO));
            }
        }
        drop(slots);
        let mut slots = self.slots.lock();
        slots.map.retain(|_, slot| !slot.is_vacant());
        slots.tidy_at = self.max_workers.max(slots.map.len() + slots.map.len() / 4 + 1);
        if slots.map.is_empty() {
            slots.map.shrink_to_fit();
        }
        slots.map.is_empty()
    }
}

/// Looks after the table until it is empty or gone.
async fn tend(table: Weak<Table>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(table) = table.upgrade() else { return };
        if table.tidy() {
            let mut slots = table.slots.lock();
            if slots.map.is_empty() {
                slots.tended = false;
                return;
            }
        }
    }
}

/// Ends a worker in a task of its own: a client that does not read its stream can hold it up.
pub(super) fn end(id: SessionId, worker: Option<Arc<LocalSessionManager>>) {
    if let Some(worker) = worker {
        tokio::spawn(async move {
            // An error says that the worker has gone already.
            drop(worker.close_session(&id).await);
        });
    }
}
