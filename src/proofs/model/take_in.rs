//! An import, on the service and on the model.

use std::collections::BTreeMap;

use super::drive::nth;
use super::oracle::{Fate, Key, Life, Live};
use super::world::{Agrees, World, same};
use crate::actor::import::{ImportOptions, ImportOutcome, OnConflict};

impl World<'_> {
    pub(super) async fn import(&mut self, export: u64, policy: u64) -> Agrees {
        let Some((path, exported)) = nth(&self.exports, export).cloned() else { return Ok(()) };
        let policy = [OnConflict::Skip, OnConflict::Replace, OnConflict::Newer][policy as usize % 3];
        let options = ImportOptions::default().on_conflict(policy);
        let report = self.service.import(path, options).await.map_err(|error| format!("an import: {error}"))?;
        let (mut expected, mut tombstones) = (Vec::new(), 0);
        for (key, fate) in exported.0 {
            match fate {
                Fate::Live(live) => expected.push(self.take_in(&key, live, policy)),
                // What lives here is not ended by a file from elsewhere.
                Fate::Ended(_) if self.oracle.0.contains_key(&key) => {}
                Fate::Ended(ended) => {
                    tombstones += 1;
                    self.oracle.0.insert(key, Fate::Ended(ended));
                }
            }
        }
        for outcome in &expected {
            self.count(match outcome {
                ImportOutcome::Created => "imports created",
                ImportOutcome::Replaced => "imports replaced",
                ImportOutcome::Ended => "imports that stayed ended",
                _ => "imports kept out",
            });
        }
        same("tombstones taken in", report.tombstones, tombstones)?;
        let shown = |outcomes: Vec<ImportOutcome>| {
            let mut shown: Vec<_> = outcomes.iter().map(|outcome| format!("{outcome:?}")).collect();
            shown.sort();
            shown
        };
        same("what an import did", shown(report.items.into_iter().map(|item| item.outcome).collect()), shown(expected))
    }

    fn take_in(&mut self, key: &Key, live: Live, policy: OnConflict) -> ImportOutcome {
        let now = self.hand.micros();
        let standing = self.here(key, &live);
        if matches!(self.oracle.0.get(key), Some(Fate::Ended(_))) || live.due(now).is_some() {
            return ImportOutcome::Ended;
        }
        let Some(here) = standing else {
            self.oracle.0.insert(key.clone(), Fate::Live(live));
            return ImportOutcome::Created;
        };
        let Ok(standing) = self.oracle.at(&here, now, false) else { return ImportOutcome::Ended };
        if policy == OnConflict::Skip || policy == OnConflict::Newer && live.last <= standing.last {
            return ImportOutcome::Kept;
        }
        standing.last = now;
        let mut changes: BTreeMap<_, _> = standing.visible(now).map(|(key, _)| (key.clone(), None)).collect();
        for (key, item) in live.visible(now) {
            let life = match item.life {
                Life::Sliding { ttl, .. } => Life::Sliding { ttl, last: now },
                other => other,
            };
            changes.insert(key.clone(), Some((item.value, life)));
        }
        standing.commit(changes, now);
        ImportOutcome::Replaced
    }

    /// The live session whose place the imported one would take: by its id, by its name, or as the bucket.
    fn here(&mut self, key: &Key, live: &Live) -> Option<Key> {
        let now = self.hand.micros();
        if self.oracle.at(key, now, false).is_ok() {
            return Some(key.clone());
        }
        let place = if live.bucket { None } else { Some(live.name.as_deref()?) };
        self.oracle.standing(key.0, place).filter(|key| self.oracle.at(key, now, false).is_ok())
    }
}
