//! What runs in this process: bounded, in memory, and gone with it. A task that is not here does not run.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::ErrorData;
use tokio::sync::Notify;

use super::live::Live;
use super::options::TaskOptions;
use super::refusal;
use crate::principal::OwnerKey;

/// The running tasks of one service.
#[derive(Default)]
pub(super) struct Running {
    table: Mutex<Table>,
    left: Notify,
}

#[derive(Default)]
struct Table {
    tasks: HashMap<Box<str>, Arc<Live>>,
    /// Places taken in all, those of tasks whose creation is not done among them.
    taken: usize,
    of_owners: HashMap<OwnerKey, usize>,
    closed: bool,
}

/// The place of one task; free again when this is dropped, wherever that is.
pub(super) struct Place {
    running: Arc<Running>,
    owner: Option<OwnerKey>,
    id: Option<Box<str>>,
}

impl Running {
    /// Takes a place under the caps; `owner` is none for callers who are nobody in particular.
    pub(super) fn reserve(
        self: &Arc<Self>,
        owner: Option<OwnerKey>,
        options: &TaskOptions,
    ) -> Result<Place, ErrorData> {
        let mut table = self.table.lock();
        if table.closed {
            return Err(refusal::stopping());
        }
        if table.taken >= options.max_running {
            return Err(refusal::full(false));
        }
        if let Some(owner) = owner {
            let of_owner = table.of_owners.get(&owner).copied().unwrap_or_default();
            if of_owner >= options.max_running_per_owner {
                return Err(refusal::full(true));
            }
            table.of_owners.insert(owner, of_owner + 1);
        }
        table.taken += 1;
        Ok(Place { running: Arc::clone(self), owner, id: None })
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Live>> {
        self.table.lock().tasks.get(id).cloned()
    }

    /// Places taken.
    pub(super) fn taken(&self) -> usize {
        self.table.lock().taken
    }

    /// Lets no more tasks in, for good.
    pub(super) fn close(&self) {
        self.table.lock().closed = true;
    }

    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        self.table.lock().tasks.values().cloned().collect()
    }

    /// Waits until none is left.
    pub(super) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // From here on a task that leaves is not missed.
            left.as_mut().enable();
            if self.taken() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Place {
    /// Makes the task known as running.
    pub(super) fn enter(&mut self, id: &str, live: &Arc<Live>) {
        let mut table = self.running.table.lock();
        table.tasks.insert(id.into(), Arc::clone(live));
        self.id = Some(id.into());
        let closed = table.closed;
        drop(table);
        if closed {
            live.cancel();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.running.table.lock();
        let gone = self.id.take().and_then(|id| table.tasks.remove(&id));
        table.taken = table.taken.saturating_sub(1);
        if let Some(owner) = self.owner {
            let left = table.of_owners.get(&owner).copied().unwrap_or_default().saturating_sub(1);
            if left == 0 {
                table.of_owners.remove(&owner);
            } else {
                table.of_owners.insert(owner, left);
            }
        }
        drop(table);
        drop(gone);
        self.running.left.notify_waiters();
    }
}
