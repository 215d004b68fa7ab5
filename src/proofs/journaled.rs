//! What a journal holds of sessions of any size comes back after a crash, whatever snapshots were taken meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::hand::{folder, paused};
use super::proving::{Verdict, caught, holds, service};
use super::random::Random;
use crate::actor::planted::{Bug, DISK};
use crate::config::{DEFAULT_FLUSH_EVERY as FLUSH_EVERY, Durability};
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;
use crate::snapshot::StdLayer;

const OWNERS: u64 = 4;
const KEYS: u64 = 700;

type Model = BTreeMap<u64, (u64, BTreeMap<String, String>)>;

/// Updates of buckets that are packed, mapped, and on their way between the two; crashes; and everything compared.
fn run(seed: u64, lives: u64, bugs: &[Bug]) -> Verdict {
    paused(async {
        let (mut random, place) = (Random(seed), folder());
        let mut model = Model::new();
        let (mut updates, mut snapshots, mut journaled) = (0_u64, 0_u64, 0_u64);
        for life in 0..lives {
            let durability = if random.below(2) == 0 { Durability::Commit } else { Durability::JOURNAL };
            let started = start(place.path(), durability, bugs).await;
            journaled += started.restored().journaled;
            compare(&started, &model).await.map_err(|error| format!("life {life}: {error}"))?;
            for _ in 0..random.below(60) {
                let owner = random.below(OWNERS);
                let bucket = bucket(&started, owner).await;
                let (revision, entries) = model.entry(owner).or_default();
                let updated = update(&mut random, &bucket, entries).await;
                if updated.0 {
                    *revision += 1;
                }
                if updated.1 != *revision {
                    return Err(format!("revision {}, not {revision}", updated.1));
                }
                updates += 1;
                match random.below(24) {
                    0 => snapshots += u64::from(started.snapshot().await.is_ok()),
                    1 => tokio::time::sleep(FLUSH_EVERY).await,
                    _ => {}
                }
            }
            if durability != Durability::Commit {
                tokio::time::sleep(2 * FLUSH_EVERY).await;
            }
        }
        Ok(format!("{lives} lives, {updates} updates, {snapshots} snapshots, {journaled} sessions from journals"))
    })
}

async fn start(folder: &std::path::Path, durability: Durability, bugs: &[Bug]) -> SessionService {
    let builder = SessionService::builder()
        .snapshots(folder.join("snapshots"))
        .snapshot_every(Duration::from_secs(1_000_000))
        .durability(durability);
    DISK.scope(Arc::new(StdLayer), service(builder, bugs)).await
}

async fn bucket(service: &SessionService, owner: u64) -> Session {
    service.owner(&Principal::new("https://id.example", format!("owner {owner}"))).bucket().await.unwrap()
}

/// One update on both; whether it changed anything, and the revision.
async fn update(random: &mut Random, bucket: &Session, entries: &mut BTreeMap<String, String>) -> (bool, u64) {
    let mut changes = Vec::new();
    let count = if random.below(8) == 0 { random.below(KEYS) } else { 1 + random.below(3) };
    let kind = random.below(40);
    for _ in 0..count {
        let key = format!("key {}", random.below(KEYS));
        let value = match random.below(300) {
            0 => "x".repeat(5_000),
            _ => format!("{:040}", random.below(1 << 40)),
        };
        changes.push((key, (random.below(5) > 1).then_some(value)));
    }
    let before = entries.clone();
    if kind == 0 {
        entries.clear();
    }
    for (key, value) in &changes {
        match value {
            Some(value) => drop(entries.insert(key.clone(), format!("\"{value}\""))),
            None => drop(entries.remove(key)),
        }
    }
    let updated = bucket.update(move |draft| {
        if kind == 0 {
            draft.clear();
        }
        changes.iter().try_for_each(|(key, value)| match value {
            Some(value) => draft.set(key, value),
            None => {
                draft.remove(key);
                Ok(())
            }
        })
    });
    let updated = updated.await.unwrap();
    assert_eq!(updated.changed, before != *entries);
    (updated.changed, updated.revision.get())
}

async fn compare(service: &SessionService, model: &Model) -> Result<(), String> {
    for (owner, (revision, entries)) in model {
        let bucket = bucket(service, *owner).await;
        let view = bucket.read().map_err(|error| error.to_string())?;
        if view.revision().get() != *revision {
            return Err(format!("owner {owner} has revision {}, not {revision}", view.revision().get()));
        }
        let found: BTreeMap<_, _> =
            view.entries().map(|entry| (entry.key.to_owned(), entry.value.to_owned())).collect();
        if found != *entries {
            return Err(format!("owner {owner}: {} entries are not the {} there were", found.len(), entries.len()));
        }
    }
    Ok(())
}

#[test]
fn what_a_journal_holds_comes_back() {
    holds(|seed| run(seed, 40, &[]));
}

#[test]
fn a_change_laid_on_nothing_is_caught() {
    caught(20, |seed| run(seed, 40, &[Bug::DeltaForgetsRemoved]));
}
