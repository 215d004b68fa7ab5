//! One of the threads that build sessions from records, and what it has met of their owners.

use std::collections::HashMap;
use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::image;
use crate::actor::owners::OwnerSlot;
use crate::actor::slot::Slot;
use crate::actor::tombstones::Tombstone;
use crate::id::{SessionDigest, SessionKey};
use crate::snapshot::{Item, RecordError, Replay, Role, SessionRef};
use crate::state::EventsPart;
use crate::time::Timestamp;

/// What a record became.
pub(super) enum Built {
    Session {
        key: SessionKey,
        slot: Arc<Slot>,
        /// Whether its deadline has passed.
        is_due: bool,
    },
    Events {
        digest: [u8; 32],
        part: Box<EventsPart>,
    },
    Tombstone(Box<Tombstone>),
    /// What the journals say has ended, or has come back since.
    Nothing,
}

/// What one thread builds with. It finds owners it has met without the hash of their names and without anybody's lock, and
/// counts for them by itself: threads that share a count spend their time on handing it to each other.
pub(super) struct Crew<'a> {
    core: &'a Core,
    /// What the journals say of sessions.
    replay: &'a Replay,
    saved_at: Timestamp,
    now: Timestamp,
    batches: Vec<Batch>,
    /// Where the batch of an owner is, by its names one after the other, each after its length.
    met: HashMap<Box<[u8]>, usize>,
    /// The names of the record at hand.
    names: Vec<u8>,
    /// Sessions that are entered one by one: buckets, and those with a name.
    others: Vec<Arc<Slot>>,
}

/// Live sessions of one owner.
struct Batch {
    owner: Arc<OwnerSlot>,
    sessions: u64,
    bytes: u64,
    /// For its list; anonymous sessions are in none.
    listed: Vec<Arc<Slot>>,
}

impl<'a> Crew<'a> {
    pub(super) fn new(core: &'a Core, replay: &'a Replay, saved_at: Timestamp, now: Timestamp) -> Self {
        let (batches, met, names, others) = (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        Self { core, replay, saved_at, now, batches, met, names, others }
    }

    pub(super) fn build(&mut self, item: Item<'_>) -> Result<Built, RecordError> {
        match item {
            Item::Session(record) => {
                let replay = self.replay;
                let built = match replay.over(record) {
                    None => self.session(record),
                    Some(Ok(Some(record))) => self.session(&record.borrowed()),
                    Some(Ok(None)) => Ok(Built::Nothing),
                    Some(Err(detail)) => Err(detail),
                };
                built.map_err(|detail| named(record, &detail))
            }
            // Of a life that the journals say has ended.
            Item::Events(record) if self.replay.has_ended(&record.digest) => Ok(Built::Nothing),
            Item::Events(record) => {
                let digest = record.digest;
                let part = image::part(record, image::carried(self.saved_at, self.now)).map_err(|detail| {
                    let tag = SessionDigest(digest).tag();
                    RecordError(format!("session {tag}: {detail}"))
                })?;
                Ok(Built::Events { digest, part: Box::new(part) })
            }
            Item::Tombstone(record) if self.replay.outlives(record) => Ok(Built::Nothing),
            Item::Tombstone(record) => Ok(Built::Tombstone(Box::new(image::unearth(record)))),
        }
    }

    /// Builds the sessions that the journals alone hold.
    pub(super) fn others(&mut self, take: &mut dyn FnMut(Built) -> Result<(), RecordError>) -> Result<(), RecordError> {
        let replay = self.replay;
        for record in replay.others() {
            let record = record.map_err(RecordError)?;
            let record = record.borrowed();
            take(self.session(&record).map_err(|detail| named(&record, &detail))?)?;
        }
        Ok(())
    }

    fn session(&mut self, record: &SessionRef<'_>) -> Result<Built, String> {
        let Self { core, saved_at, now, .. } = *self;
        let revive = |owner| image::revive(core, owner, record, saved_at, now).map(Arc::new);
        let batch = if record.role == Role::Session { self.batch(record) } else { None };
        let owner = batch.as_ref().map(|batch| Arc::clone(&batch.owner));
        let slot = revive(owner.unwrap_or_else(|| image::owner_of(core, record)))?;
        let (identity, is_due) = (&slot.identity, slot.due(now).is_some());
        let key = identity.digest.key();
        match batch.filter(|_| identity.name().is_none()) {
            _ if is_due => {}
            Some(batch) => {
                batch.sessions += 1;
                batch.bytes += slot.bytes();
                if !batch.owner.is_anonymous() {
                    batch.listed.push(Arc::clone(&slot));
                }
            }
            None => self.others.push(Arc::clone(&slot)),
        }
        Ok(Built::Session { key, slot, is_due })
    }

    /// Where the sessions of a record's owner are counted.
    fn batch(&mut self, record: &SessionRef<'_>) -> Option<&mut Batch> {
        self.names.clear();
        if let Some(owner) = &record.owner {
            for part in [Some(owner.issuer), Some(owner.subject), owner.client].into_iter().flatten() {
                self.names.extend((part.len() as u64).to_le_bytes());
                self.names.extend(part.as_bytes());
            }
        }
        let place = self.met.get(self.names.as_slice()).copied().unwrap_or_else(|| {
            self.met.insert(self.names.as_slice().into(), self.batches.len());
            self.batches.push(Batch::of(image::owner_of(self.core, record)));
            self.batches.len() - 1
        });
        self.batches.get_mut(place)
    }

    /// Enters what was met with the owners, and counts it; gives how many sessions that are.
    pub(super) fn enter(self, core: &Core) -> u64 {
        let mut sessions = self.others.len() as u64;
        for Batch { owner, sessions: own, bytes, listed } in self.batches {
            core.capacity.count_many_restored(&owner, own, bytes);
            owner.index.lock().add_many(listed);
            sessions += own;
        }
        for slot in self.others {
            core.capacity.count_restored(&slot);
            if !slot.identity.owner.is_anonymous() {
                slot.identity.owner.index.lock().add(&slot);
            }
        }
        sessions
    }
}

fn named(record: &SessionRef<'_>, detail: &str) -> RecordError {
    let tag = SessionDigest(record.digest).tag();
    RecordError(format!("session {tag}: {detail}"))
}

impl Batch {
    fn of(owner: Arc<OwnerSlot>) -> Self {
        Self { owner, sessions: 0, bytes: 0, listed: Vec::new() }
    }
}
