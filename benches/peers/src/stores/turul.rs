//! `turul-mcp-session-storage`, by its own trait: in memory, and in SQLite.
//!
//! The trait has no atomic change of a value, so an update is a get and a set, as its users write it.

use serde_json::Value;
use tempfile::TempDir;
use turul_mcp_session_storage::{
    InMemoryConfig, InMemorySessionStorage, SessionInfo, SessionStorage, SqliteConfig, SqliteSessionStorage,
};

use crate::session::{COUNTER, READ, state};
use crate::store::Store;

async fn fill(storage: &impl SessionStorage, ids: &[String]) {
    for id in ids {
        let mut session: SessionInfo =
            storage.create_session_with_id(id.clone(), Default::default()).await.ok().expect("creates");
        session.state = state().into_iter().collect();
        storage.update_session(session).await.ok().expect("sets");
    }
}

async fn get(storage: &impl SessionStorage, id: &str, key: &str) -> Option<Value> {
    storage.get_session_state(id, key).await.ok().flatten()
}

async fn add(storage: &impl SessionStorage, id: &str) -> bool {
    let Some(count) = get(storage, id, COUNTER).await.and_then(|count| count.as_u64()) else { return false };
    storage.set_session_state(id, COUNTER, (count + 1).into()).await.is_ok()
}

async fn counted(storage: &impl SessionStorage, id: &str) -> u64 {
    get(storage, id, COUNTER).await.and_then(|count| count.as_u64()).expect("the counter is a number")
}

async fn read(storage: &impl SessionStorage, id: &str) -> usize {
    get(storage, id, READ).await.and_then(|value| value.as_object().map(serde_json::Map::len)).unwrap_or(0)
}

/// In memory.
pub(crate) struct Memory {
    ids: Vec<String>,
    storage: InMemorySessionStorage,
}

impl Store for Memory {
    async fn build(ids: Vec<String>) -> Self {
        let config = InMemoryConfig { max_sessions: ids.len() + 1, ..InMemoryConfig::default() };
        let storage = InMemorySessionStorage::with_config(config);
        fill(&storage, &ids).await;
        Self { ids, storage }
    }

    async fn read(&self, place: usize) -> usize {
        read(&self.storage, &self.ids[place]).await
    }

    async fn update(&self, place: usize) -> bool {
        add(&self.storage, &self.ids[place]).await
    }

    async fn counted(&self, place: usize) -> u64 {
        counted(&self.storage, &self.ids[place]).await
    }
}

/// In a SQLite file, with the options it comes with: every write is on disk when it is acknowledged.
pub(crate) struct Sqlite {
    ids: Vec<String>,
    storage: SqliteSessionStorage,
    _folder: TempDir,
}

impl Store for Sqlite {
    const SESSIONS: usize = 2_000;

    async fn build(ids: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = SqliteConfig {
            database_path: folder.path().join("sessions.db"),
            verify_tables: true,
            create_tables: true,
            ..SqliteConfig::default()
        };
        let storage = SqliteSessionStorage::with_config(config).await.expect("a database");
        fill(&storage, &ids).await;
        Self { ids, storage, _folder: folder }
    }

    async fn read(&self, place: usize) -> usize {
        read(&self.storage, &self.ids[place]).await
    }

    async fn update(&self, place: usize) -> bool {
        add(&self.storage, &self.ids[place]).await
    }

    async fn counted(&self, place: usize) -> u64 {
        counted(&self.storage, &self.ids[place]).await
    }
}
