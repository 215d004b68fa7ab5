//! The stores, by the names that the table shows.

mod actor;
mod caches;
mod maps;
mod redis;
mod sessile;
mod turul;

use std::process::Command;

use crate::load::{Plan, measure as load};
use crate::report::Row;

/// In the order of the table. The first is what the others are compared with.
pub(crate) const NAMES: [&str; 9] = [
    "Sessile, opened by id each time",
    "Sessile, session held",
    "`DashMap` of `Value`",
    "`moka` of `Arc<Mutex<Value>>`",
    "tokio `RwLock<HashMap>` of `Value`",
    "`ractor` actor per session, `call`",
    "turul session storage, in memory",
    "Redis, loopback",
    "turul session storage, SQLite",
];

/// Measures one store, on a runtime of two workers.
pub(crate) fn measure(name: &str, plan: Plan) -> Result<Row, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let task = match NAMES.iter().position(|known| *known == name) {
        Some(0) => runtime.spawn(load::<sessile::ById>(NAMES[0], plan)),
        Some(1) => runtime.spawn(load::<sessile::Held>(NAMES[1], plan)),
        Some(2) => runtime.spawn(load::<maps::Sharded>(NAMES[2], plan)),
        Some(3) => runtime.spawn(load::<caches::Moka>(NAMES[3], plan)),
        Some(4) => runtime.spawn(load::<maps::Locked>(NAMES[4], plan)),
        Some(5) => runtime.spawn(load::<actor::Actors>(NAMES[5], plan)),
        Some(6) => runtime.spawn(load::<turul::Memory>(NAMES[6], plan)),
        Some(7) => runtime.spawn(load::<redis::Redis>(NAMES[7], plan)),
        Some(8) => runtime.spawn(load::<turul::Sqlite>(NAMES[8], plan)),
        _ => return Err(format!("{name} is none of {NAMES:?}")),
    };
    runtime.block_on(task).map_err(|error| format!("{name}: {error}"))
}

/// What this machine lacks for a store.
pub(crate) fn missing(name: &str) -> Option<&'static str> {
    (name.starts_with("Redis") && redis_version().is_none()).then_some("redis-server is not installed")
}

/// The version of the Redis server: the only peer whose version no lock file tells.
pub(crate) fn redis_version() -> Option<String> {
    let output = Command::new("redis-server").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.strip_prefix("v=")).map(str::to_owned)
}
