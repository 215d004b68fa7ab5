//! A whole service beside the model, and what both must agree on after every step.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::hand::Hand;
use super::super::proving::service;
use super::oracle::{Fate, Key, Live, Oracle};
use crate::actor::lookup;
use crate::actor::planted::{Bug, DISK};
use crate::config::{DEFAULT_FLUSH_EVERY as FLUSH_EVERY, Durability, Format};
use crate::error::Ended;
use crate::id::SessionDigest;
use crate::principal::{OwnerKey, Principal};
use crate::service::SessionService;
use crate::session::Session;
use crate::snapshot::StdLayer;
use crate::state::Committed;
use crate::time::{TimeSource as _, Timestamp};

pub(super) const IDLE: u64 = 100;
pub(super) const LIFETIME: u64 = 250;
pub(super) const BUCKET_IDLE: u64 = 180;
/// Owners by their numbers: two principals, the anonymous, the one of the global session.
pub(super) const ANONYMOUS: usize = 2;
pub(super) const GLOBAL: usize = 3;

/// Nothing, or what the service and the model disagree on.
pub(super) type Agrees = Result<(), String>;

pub(super) struct World<'a> {
    pub(super) service: SessionService,
    pub(super) hand: Hand,
    pub(super) oracle: Oracle,
    /// Every id that was ever given out, with the digest that stands for it.
    pub(super) subjects: Vec<(Key, SessionDigest)>,
    pub(super) references: Vec<Reference>,
    pub(super) exports: Vec<(PathBuf, Oracle)>,
    /// What the newest snapshot holds, and when it was taken.
    pub(super) saved: Option<(Oracle, Timestamp)>,
    pub(super) folder: tempfile::TempDir,
    pub(super) bugs: &'a [Bug],
    pub(super) durability: Durability,
    /// Services started before the one that runs.
    pub(super) epoch: usize,
    pub(super) tally: BTreeMap<&'static str, u64>,
}

/// A reference of any age.
pub(super) struct Reference {
    pub(super) key: Key,
    pub(super) session: Session,
    pub(super) epoch: usize,
    /// The end that it told of: it must tell of no other, and of no life, for ever.
    pub(super) told: Option<Ended>,
}

impl<'a> World<'a> {
    pub(super) async fn new(durability: Durability, bugs: &'a [Bug]) -> Self {
        let (hand, folder) = (Hand::new(), super::super::hand::folder());
        let service = start(&folder, &hand, false, durability, bugs).await;
        Self {
            service,
            hand,
            oracle: Oracle::default(),
            subjects: Vec::new(),
            references: Vec::new(),
            exports: Vec::new(),
            saved: None,
            folder,
            bugs,
            durability,
            epoch: 0,
            tally: BTreeMap::new(),
        }
    }

    /// Drains or drops the service and starts the next one; the model goes back to what the files hold.
    pub(super) async fn restart(&mut self, drain: bool, json: bool, down: Duration) -> Agrees {
        if drain {
            self.service.drain().await.map_err(|error| format!("the drain failed: {error}"))?;
            self.saved = Some((self.oracle.clone(), self.hand.now()));
        } else if self.durability != Durability::Snapshot {
            // Last uses are written in their time, as changes are that nobody waits for.
            tokio::time::sleep(2 * FLUSH_EVERY).await;
            self.saved = Some((self.oracle.clone(), self.hand.now()));
        }
        // The last reference to the old service goes with the assignment; until then the folder is in use.
        let idle = SessionService::builder().start().await.map_err(|error| error.to_string())?;
        drop(std::mem::replace(&mut self.service, idle));
        self.hand.advance(down);
        self.service = start(&self.folder, &self.hand, json, self.durability, self.bugs).await;
        self.epoch += 1;
        self.oracle = self.saved.as_ref().map(|(oracle, _)| oracle.clone()).unwrap_or_default();
        let expired = self.oracle.settle(self.hand.micros());
        let report = self.service.restored();
        same("what the journals lost", report.journal_cut.as_ref(), None)?;
        if self.durability == Durability::Snapshot {
            same("when the restored file was taken", report.taken_at, self.saved.as_ref().map(|(_, at)| *at))?;
        }
        same("restored sessions", report.sessions, self.oracle.live())?;
        same("sessions that expired while the service was down", report.expired, expired)
    }

    /// Compares everything inside the service with the model, using nothing and ending nothing.
    pub(super) fn compare(&self) -> Agrees {
        let core = self.service.core();
        let ended = self.oracle.0.len() as u64 - self.oracle.live();
        same("live sessions", core.registry.len() as u64, self.oracle.live())?;
        same("sessions counted", core.capacity.sessions(), self.oracle.live())?;
        same("tombstones", core.tombstones.len() as u64, ended)?;
        for (key, digest) in &self.subjects {
            let slot = core.registry.find(digest);
            let tombstone = core.tombstones.find(digest);
            let found = match (&slot, tombstone) {
                (Some(slot), None) => match slot.peek() {
                    Some(committed) => {
                        same("owner", slot.identity.owner.key, owner_key(key.0))?;
                        let mut shown = self.shown(&committed);
                        shown.bucket = slot.identity.role != crate::actor::slot::Role::Session;
                        shown.name = slot.identity.name().map(str::to_owned);
                        shown.created = slot.identity.created_at.as_micros();
                        shown.last = slot.last_active().as_micros();
                        Some(Fate::Live(shown))
                    }
                    None => return Err(format!("{key:?} ended and is still in the registry")),
                },
                (None, Some(tombstone)) => {
                    same("whose tombstone", tombstone.owner, owner_key(key.0))?;
                    Some(Fate::Ended(tombstone.ended))
                }
                (None, None) => None,
                (Some(_), Some(_)) => return Err(format!("{key:?} lives and has a tombstone")),
            };
            let expected = self.oracle.0.get(key).map(|fate| match fate {
                Fate::Live(live) => Fate::Live(only_visible(live, self.hand.micros())),
                ended => ended.clone(),
            });
            same(&format!("{key:?}"), found, expected)?;
        }
        Ok(())
    }

    /// A committed state as the model spells it.
    pub(super) fn shown(&self, committed: &Committed) -> Live {
        let now = self.hand.now();
        let visible = committed.entries.iter().filter(|entry| committed.is_live(entry, now));
        let items = visible.map(|entry| {
            let item = super::oracle::Item {
                value: entry.value.parse().unwrap(),
                revision: entry.revision.get(),
                life: committed
                    .expires_at(&entry)
                    .map_or(super::oracle::Life::Never, |at| super::oracle::Life::At(at.as_micros())),
            };
            (entry.key.to_owned(), item)
        });
        Live {
            idle: committed.lifetime().idle.map(|idle| idle.as_micros() as u64),
            ends_at: committed.lifetime().ends_at.map(Timestamp::as_micros),
            revision: committed.revision.get(),
            items: items.collect(),
            ..Live::default()
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Enters an id, if it is new.
    pub(super) fn meet(&mut self, owner: usize, id: &str) -> Key {
        let key = (owner, id.to_owned());
        if !self.subjects.iter().any(|(known, _)| *known == key) {
            let (_, digest) = lookup::digest(&owner_key(owner), id).unwrap();
            self.subjects.push((key.clone(), digest));
        }
        key
    }

    pub(super) fn refer(&mut self, key: Key, session: Session) {
        if self.references.len() == 64 {
            self.references.remove(0);
        }
        self.references.push(Reference { key, session, epoch: self.epoch, told: None });
    }
}

/// What of a session can be seen, each entry with its deadline.
pub(super) fn only_visible(live: &Live, now: u64) -> Live {
    let mut live = live.clone();
    live.items.retain(|_, item| item.life.expires().is_none_or(|at| at > now));
    for item in live.items.values_mut() {
        item.life = item.life.expires().map_or(super::oracle::Life::Never, super::oracle::Life::At);
    }
    live
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Agrees {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

pub(super) fn principal(owner: usize) -> Principal {
    Principal::new("https://id.example", ["alice", "bob"].get(owner).copied().unwrap_or("nobody"))
}

pub(super) fn owner_key(owner: usize) -> OwnerKey {
    match owner {
        ANONYMOUS => OwnerKey::ANONYMOUS,
        GLOBAL => OwnerKey::GLOBAL,
        _ => principal(owner).key(),
    }
}

async fn start(
    folder: &tempfile::TempDir,
    hand: &Hand,
    json: bool,
    durability: Durability,
    bugs: &[Bug],
) -> SessionService {
    let builder = SessionService::builder()
        .snapshots(folder.path().join("snapshots"))
        // None but those that a step asks for.
        .snapshot_every(Duration::from_millis(1_000_000_000))
        .durability(durability)
        .format(if json { Format::Json } else { Format::Bincode })
        .clock(hand.clock())
        .idle_timeout(Duration::from_secs(IDLE))
        .max_lifetime(Duration::from_secs(LIFETIME))
        .bucket_idle_timeout(Duration::from_secs(BUCKET_IDLE));
    // What is written, and when, is one order of events.
    DISK.scope(Arc::new(StdLayer), service(builder, bugs)).await
}
