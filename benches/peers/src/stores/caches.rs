//! A cache with expiry and capacity of its own.

use std::sync::Arc;

use moka::future::Cache;
use parking_lot::Mutex;
use serde_json::Value;

use super::maps::{add, counted, read};
use crate::session::state;
use crate::store::Store;

/// moka's cache for async callers; a session behind a lock of its own.
pub(crate) struct Moka {
    ids: Vec<String>,
    cache: Cache<String, Arc<Mutex<Value>>>,
}

impl Store for Moka {
    async fn build(ids: Vec<String>) -> Self {
        // Room for all, so that it evicts nothing.
        let cache = Cache::new(10 * ids.len() as u64);
        for id in &ids {
            cache.insert(id.clone(), Arc::new(Mutex::new(Value::Object(state())))).await;
        }
        cache.run_pending_tasks().await;
        Self { ids, cache }
    }

    async fn read(&self, place: usize) -> usize {
        self.cache.get(&self.ids[place]).await.map_or(0, |found| read(&found.lock()))
    }

    async fn update(&self, place: usize) -> bool {
        self.cache.get(&self.ids[place]).await.map(|found| add(&mut found.lock())).is_some()
    }

    async fn counted(&self, place: usize) -> u64 {
        counted(&self.cache.get(&self.ids[place]).await.expect("the session is there").lock())
    }
}
