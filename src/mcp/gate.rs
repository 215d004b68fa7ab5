//! The gate of a protocol session: shut while its handshake is made or replayed.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::slot::Slot;

/// The right to bring a worker up, or to take the session down, held by one request at a time.
///
/// Kept in the request's scope. Dropped before the handshake is done, whether the request failed or its client left,
/// it undoes what was begun.
pub(super) struct Gate {
    slot: Arc<Slot>,
    _permit: OwnedMutexGuard<()>,
    /// The session was created for this request and nobody knows of it yet.
    fresh: bool,
    done: bool,
}

impl Gate {
    /// Waits for the gate of a session that exists.
    pub(super) async fn of(slot: &Arc<Slot>) -> Self {
        let permit = Arc::clone(&slot.gate).lock_owned().await;
        Self { slot: Arc::clone(slot), _permit: permit, fresh: false, done: false }
    }

    /// The gate of a session just created, which ends with it unless the handshake is done. Does not wait, so that no
    /// client can leave in between; `None` when the slot is not new after all.
    pub(super) fn of_fresh(slot: &Arc<Slot>) -> Option<Self> {
        let permit = Arc::clone(&slot.gate).try_lock_owned().ok()?;
        Some(Self { slot: Arc::clone(slot), _permit: permit, fresh: true, done: false })
    }

    /// The handshake is done: requests may pass.
    pub(super) fn open(mut self) {
        self.done = true;
        self.slot.open();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        drop(self.slot.take());
        if self.fresh {
            self.slot.session.abandon();
        }
    }
}
