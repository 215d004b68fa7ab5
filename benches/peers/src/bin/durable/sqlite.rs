//! SQLite with a write-ahead log that is synced at each commit: one connection, on a thread of its own.
//!
//! A row for each entry, so that an update writes the counter alone and not its session.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::queue::{Asked, Queue};
use crate::random::Random;
use crate::run::{SESSIONS, Store};
use crate::session::{COUNTER, state};

/// Updates of one transaction, where it has several.
const BATCH: usize = 100;
const UPDATE: &str = "UPDATE entry SET value = value + 1 WHERE session = ?1 AND key = ?2";

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.pragma_update(None, "journal_mode", "WAL").expect("a log");
    connection.pragma_update(None, "synchronous", "FULL").expect("syncs");
    connection
}

/// The database, and the thread that writes to it what it is given in lists.
struct Database {
    path: PathBuf,
    queue: Queue<Vec<usize>, ()>,
}

impl Database {
    /// With up to `most` of what waits in one transaction.
    fn build(folder: &Path, most: usize) -> Self {
        let path = folder.join("sessions.db");
        let mut connection = open(&path);
        let schema = "CREATE TABLE entry (session TEXT, key TEXT, value, PRIMARY KEY (session, key)) WITHOUT ROWID";
        connection.execute(schema, ()).expect("a table");
        let filling = connection.transaction().expect("begins");
        for place in 0..SESSIONS {
            let mut insert = filling.prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3)").expect("prepares");
            for (key, value) in state() {
                match value.as_u64() {
                    Some(number) => insert.execute((id(place), key, number as i64)),
                    None => insert.execute((id(place), key, value.to_string())),
                }
                .expect("inserts");
            }
        }
        filling.commit().expect("commits");
        let work = move |connection: &mut Connection, mut asked: Asked<Vec<usize>>| {
            while !asked.is_empty() {
                let rest = asked.split_off(asked.len().min(most));
                commit(connection, std::mem::replace(&mut asked, rest));
            }
        };
        Self { path, queue: Queue::start(connection, work, drop) }
    }

    fn counted(self) -> u64 {
        self.queue.join();
        let sum =
            open(&self.path).query_row("SELECT sum(value) FROM entry WHERE key = ?1", [COUNTER], |row| row.get(0));
        sum.map(i64::unsigned_abs).expect("reads")
    }
}

fn id(place: usize) -> String {
    format!("{place:032x}")
}

fn commit(connection: &mut Connection, asked: Asked<Vec<usize>>) {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
    for place in asked.iter().flat_map(|(places, _)| places) {
        let mut update = transaction.prepare_cached(UPDATE).expect("prepares");
        assert_eq!(update.execute((id(*place), COUNTER)).expect("updates"), 1, "the session is there");
    }
    transaction.commit().expect("commits");
    asked.into_iter().for_each(|(_, told)| told.send(()).expect("a caller waits"));
}

/// A transaction for each update.
pub(crate) struct Each(Database);

impl Store for Each {
    async fn build(folder: &Path, _callers: usize) -> Self {
        Self(Database::build(folder, 1))
    }

    async fn update(&self, _caller: usize, random: &mut Random) -> u64 {
        self.0.queue.ask(vec![random.below(SESSIONS)]).await;
        1
    }

    async fn counted(self) -> u64 {
        self.0.counted()
    }
}

/// A transaction for what waits, as far as it goes.
pub(crate) struct Waiting(Database);

impl Store for Waiting {
    async fn build(folder: &Path, _callers: usize) -> Self {
        Self(Database::build(folder, BATCH))
    }

    async fn update(&self, _caller: usize, random: &mut Random) -> u64 {
        self.0.queue.ask(vec![random.below(SESSIONS)]).await;
        1
    }

    async fn counted(self) -> u64 {
        self.0.counted()
    }
}

/// A transaction for each call, and a call is for a hundred updates.
pub(crate) struct Hundred(Database);

impl Store for Hundred {
    async fn build(folder: &Path, _callers: usize) -> Self {
        Self(Database::build(folder, 1))
    }

    async fn update(&self, _caller: usize, random: &mut Random) -> u64 {
        self.0.queue.ask((0..BATCH).map(|_| random.below(SESSIONS)).collect()).await;
        BATCH as u64
    }

    async fn counted(self) -> u64 {
        self.0.counted()
    }
}
