//! Maps of `serde_json::Value`, as a server keeps its sessions that needs nothing else.

use std::collections::HashMap;

use dashmap::DashMap;
use serde_json::Value;
use tokio::sync::RwLock;

use crate::session::{COUNTER, READ, state};
use crate::store::Store;

pub(super) fn read(state: &Value) -> usize {
    // A caller keeps what it read, and the lock is not its to keep.
    std::hint::black_box(state[READ].clone()).as_object().map_or(0, serde_json::Map::len)
}

pub(super) fn add(state: &mut Value) {
    let count = counted(state) + 1;
    state[COUNTER] = count.into();
}

pub(super) fn counted(state: &Value) -> u64 {
    state[COUNTER].as_u64().expect("the counter is a number")
}

/// One map in shards.
pub(crate) struct Sharded {
    ids: Vec<String>,
    map: DashMap<String, Value>,
}

impl Store for Sharded {
    async fn build(ids: Vec<String>) -> Self {
        let map = ids.iter().map(|id| (id.clone(), Value::Object(state()))).collect();
        Self { ids, map }
    }

    async fn read(&self, place: usize) -> usize {
        self.map.get(&self.ids[place]).map_or(0, |found| read(&found))
    }

    async fn update(&self, place: usize) -> bool {
        self.map.get_mut(&self.ids[place]).map(|mut found| add(&mut found)).is_some()
    }

    async fn counted(&self, place: usize) -> u64 {
        counted(&self.map.get(&self.ids[place]).expect("the session is there"))
    }
}

/// One map behind one lock.
pub(crate) struct Locked {
    ids: Vec<String>,
    map: RwLock<HashMap<String, Value>>,
}

impl Store for Locked {
    async fn build(ids: Vec<String>) -> Self {
        let map = RwLock::new(ids.iter().map(|id| (id.clone(), Value::Object(state()))).collect());
        Self { ids, map }
    }

    async fn read(&self, place: usize) -> usize {
        self.map.read().await.get(&self.ids[place]).map_or(0, read)
    }

    async fn update(&self, place: usize) -> bool {
        self.map.write().await.get_mut(&self.ids[place]).map(add).is_some()
    }

    async fn counted(&self, place: usize) -> u64 {
        counted(self.map.read().await.get(&self.ids[place]).expect("the session is there"))
    }
}
