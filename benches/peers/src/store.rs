//! What every store has to do, and the ids that all of them are asked by.

use std::future::Future;

use crate::machine;

/// A store of sessions, numbered from zero. Every operation starts from a session's id, as a request does.
pub(crate) trait Store: Send + Sync + Sized + 'static {
    /// Sessions that it holds; fewer only where to make more would take the day.
    const SESSIONS: usize = 100_000;

    /// Makes it with its sessions in it. `ids` are where a store that mints its own puts them.
    fn build(ids: Vec<String>) -> impl Future<Output = Self> + Send;

    /// Reads one key, for the caller to keep; its size.
    fn read(&self, place: usize) -> impl Future<Output = usize> + Send;

    /// Adds one to the counter; false when it was refused.
    fn update(&self, place: usize) -> impl Future<Output = bool> + Send;

    /// What the counter says.
    fn counted(&self, place: usize) -> impl Future<Output = u64> + Send;

    /// Bytes of memory that are resident where it keeps its sessions.
    fn resident(&self) -> u64 {
        machine::resident("self")
    }

    /// What was resident before there was a session.
    fn empty(&self, before: u64) -> u64 {
        before
    }
}

/// Ids, in memory that is touched now, so that it is not counted as the store's.
pub(crate) fn ids(count: usize) -> Vec<String> {
    let mut ids: Vec<String> = (0..count).map(|index| format!("{index:064x}")).collect();
    // The last 32 digits are an id; a store that mints its own has room for it.
    ids.iter_mut().for_each(|id| drop(id.drain(..32)));
    ids
}
