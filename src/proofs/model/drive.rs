//! Each step on the service and on the model, and whether both answer alike.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::oracle::{Fate, Life, Live, Missing};
use super::steps::{Lives, Step};
use super::world::{ANONYMOUS, Agrees, GLOBAL, IDLE, LIFETIME, World, only_visible, principal, same};
use crate::actor::new_session::NewSession;
use crate::actor::turn::Updated;
use crate::config::Format;
use crate::error::{Conflict, CreateError, DraftError, EndReason, Ended, OpenError, Revision, UpdateError};
use crate::owner::ListQuery;
use crate::session::Session;
use crate::state::Ttl;
use crate::time::Timestamp;

const SECOND: u64 = 1_000_000;

impl World<'_> {
    pub(super) async fn step(&mut self, step: &Step) -> Agrees {
        match *step {
            Step::Create { owner, idle, lifetime } => self.create(owner, idle, lifetime).await,
            Step::Chosen { owner, id, idle } => self.chosen(owner, id, idle).await,
            Step::Named { owner, name, idle } => self.named(owner, name, idle).await,
            Step::Bucket { owner } => self.bucket(owner).await,
            Step::Open { by, subject } => self.open(by, subject).await,
            Step::List { owner } => self.list(owner).await,
            Step::CloseAll { owner } => self.close_all(owner).await,
            Step::Pass { millis } => {
                self.hand.advance(Duration::from_millis(millis));
                Ok(())
            }
            Step::Sweep => self.sweep().await,
            Step::Snapshot => {
                let report = self.service.snapshot().await.map_err(|error| error.to_string())?;
                self.saved = Some((self.oracle.clone(), report.taken_at));
                same("sessions in the snapshot", report.sessions, self.oracle.live())
            }
            Step::Restart { drain, json, down } => {
                self.count(if drain { "drains" } else { "drops" });
                self.restart(drain, json, Duration::from_millis(down)).await
            }
            Step::Export { json } => {
                let path = self.folder.path().join(format!("export-{}", self.exports.len()));
                let format = if json { Format::Json } else { Format::Bincode };
                self.service.export(&path, format).await.map_err(|error| error.to_string())?;
                self.exports.push((path, self.oracle.clone()));
                Ok(())
            }
            Step::Import { export, policy } => self.import(export, policy).await,
            Step::Set { by, .. }
            | Step::Remove { by, .. }
            | Step::Increment { by, .. }
            | Step::Merge { by, .. }
            | Step::UpdateIf { by, .. }
            | Step::Rejected { by, .. }
            | Step::CloseWithin { by, .. }
            | Step::Read { by, .. }
            | Step::Touch { by }
            | Step::Extend { by, .. }
            | Step::Close { by } => self.through(by, step).await,
        }
    }

    async fn create(&mut self, owner: usize, idle: u64, lifetime: u64) -> Agrees {
        let new =
            NewSession::default().idle_timeout(Duration::from_secs(idle)).max_lifetime(Duration::from_secs(lifetime));
        let created = match owner {
            ANONYMOUS => self.service.anonymous().create(new).await,
            _ => self.service.owner(&principal(owner)).create(new).await,
        };
        let session = created.map_err(|error| format!("a create failed: {error}"))?;
        self.born(owner, session, idle, lifetime, None);
        Ok(())
    }

    async fn chosen(&mut self, owner: usize, id: u64, idle: u64) -> Agrees {
        let (id, now) = (format!("chosen-{id}"), self.hand.micros());
        let key = self.meet(owner, &id);
        let new = NewSession::default().idle_timeout(Duration::from_secs(idle));
        let found = self.service.owner(&principal(owner)).create_with_id(&id, new).await;
        match (self.oracle.at(&key, now, false).map(|_| ()), found) {
            (Err(Missing::Unknown), Ok(session)) => self.born(owner, session, idle, LIFETIME, None),
            (Ok(()), Err(CreateError::AlreadyExists)) => {}
            (Err(Missing::Ended(ended)), Err(CreateError::Ended(found))) => {
                self.count("ids whose end is remembered");
                same("the end of a chosen id", found, ended)?;
            }
            (expected, found) => return Err(format!("a chosen id: {found:?}, not {expected:?}")),
        }
        Ok(())
    }

    async fn named(&mut self, owner: usize, name: u64, idle: u64) -> Agrees {
        let (name, now) = (format!("name {name}"), self.hand.micros());
        let new = NewSession::default().name(name.as_str()).idle_timeout(Duration::from_secs(idle));
        let found = self.service.owner(&principal(owner)).get_or_create_with(new).await;
        let (session, created) = found.map_err(|error| format!("a named create failed: {error}"))?;
        let standing = self.oracle.standing(owner, Some(&name));
        match standing.filter(|key| self.oracle.at(key, now, true).is_ok()) {
            Some(key) => {
                same("a name that is taken", (session.id().as_str(), created), (key.1.as_str(), false))?;
                self.refer(key, session);
            }
            None => {
                same("a name that is free", created, true)?;
                self.born(owner, session, idle, LIFETIME, Some(name));
            }
        }
        Ok(())
    }

    async fn bucket(&mut self, owner: usize) -> Agrees {
        let found = match owner {
            GLOBAL => self.service.global().await,
            _ => self.service.owner(&principal(owner)).bucket().await,
        };
        let session = found.map_err(|error| format!("a bucket: {error}"))?;
        let now = self.hand.micros();
        let standing = self.oracle.standing(owner, None);
        match standing.filter(|key| self.oracle.at(key, now, true).is_ok()) {
            Some(key) => {
                same("the bucket", session.id().as_str(), key.1.as_str())?;
                self.refer(key, session);
            }
            None => {
                let key = self.meet(owner, session.id().as_str());
                let idle = Some(super::world::BUCKET_IDLE * SECOND);
                let live = Live { bucket: true, created: now, last: now, idle, ..Live::default() };
                // A new incarnation has an id that nobody has seen.
                let before = self.oracle.0.insert(key.clone(), Fate::Live(live));
                same("a new bucket's id", before, None)?;
                self.refer(key, session);
            }
        }
        Ok(())
    }

    fn born(&mut self, owner: usize, session: Session, idle: u64, lifetime: u64, name: Option<String>) {
        self.count("sessions");
        let now = self.hand.micros();
        let key = self.meet(owner, session.id().as_str());
        let (idle, ends_at) = (Some(idle.min(IDLE) * SECOND), Some(now + lifetime * SECOND));
        let live = Live { name, created: now, last: now, idle, ends_at, ..Live::default() };
        self.oracle.0.insert(key.clone(), Fate::Live(live));
        self.refer(key, session);
    }

    pub(super) async fn open(&mut self, by: usize, subject: u64) -> Agrees {
        let Some((key, _)) = nth(&self.subjects, subject) else { return Ok(()) };
        let (mut key, now) = (key.clone(), self.hand.micros());
        let found = match by {
            ANONYMOUS => self.service.anonymous().open(&key.1).await,
            _ => self.service.owner(&principal(by)).open(&key.1).await,
        };
        if by != key.0 {
            // A minted id is somebody else's; a chosen one is a name in a space of the asker's own.
            key.0 = by;
        }
        match (self.oracle.at(&key, now, true), found) {
            (Err(Missing::Unknown), Err(OpenError::Unknown)) => self.count("unknown"),
            (Err(Missing::Ended(ended)), Err(OpenError::Ended(found))) => {
                same("how it ended", found, ended)?;
                self.count("ends told");
            }
            (Ok(live), Ok(session)) => {
                // Listing uses no entry, so the model need not either.
                let view = session.read().map_err(|ended| format!("opened and not read: {ended:?}"))?;
                let shown = only_visible(live, now);
                let entries: Vec<_> = view.entries().map(|entry| (entry.key, entry.value.to_owned())).collect();
                let expected: Vec<_> =
                    shown.items.iter().map(|(key, item)| (key.as_str(), item.value.to_string())).collect();
                same("the entries of a view", entries, expected)?;
                same("the revision of a view", view.revision().get(), live.revision)?;
                self.refer(key, session);
            }
            (expected, found) => return Err(format!("{key:?} opened: {found:?}, not {expected:?}")),
        }
        Ok(())
    }

    async fn list(&mut self, owner: usize) -> Agrees {
        let page = self.service.owner(&principal(owner)).list(&ListQuery::default().limit(1_000)).await;
        let sessions = page.map_err(|error| error.to_string())?.sessions;
        let now = self.hand.micros();
        // Who lists looks at every session, which finds the ends that are due; buckets are not in the list.
        let keys: Vec<_> = self.own(owner, |live| !live.bucket);
        let mut expected = Vec::new();
        for key in keys {
            if let Ok(live) = self.oracle.at(&key, now, false) {
                let expires_at = live.deadline().map(|(at, _)| at);
                let entries = live.visible(now).count() as u64;
                expected.push((live.created, key.1, live.revision, live.last, expires_at, entries));
            }
        }
        expected.sort();
        let newest_first = sessions.is_sorted_by(|one, next| one.created_at >= next.created_at);
        same("the newest first", newest_first, true)?;
        let mut found: Vec<_> = sessions
            .iter()
            .map(|info| {
                let id = info.id.as_ref().map_or_else(String::new, |id| id.as_str().to_owned());
                let (revision, last) = (info.revision.get(), info.last_active_at.as_micros());
                let expires_at = info.expires_at.map(Timestamp::as_micros);
                (info.created_at.as_micros(), id, revision, last, expires_at, info.entries)
            })
            .collect();
        found.sort();
        same("the list", found, expected)
    }

    fn own(&self, owner: usize, keep: impl Fn(&Live) -> bool) -> Vec<super::oracle::Key> {
        let own = self.oracle.0.iter().filter(|(key, _)| key.0 == owner);
        own.filter(|(_, fate)| matches!(fate, Fate::Live(live) if keep(live))).map(|(key, _)| key.clone()).collect()
    }

    async fn close_all(&mut self, owner: usize) -> Agrees {
        let closed = self.service.owner(&principal(owner)).close_all().await.map_err(|error| error.to_string())?;
        let now = self.hand.micros();
        let keys = self.own(owner, |_| true);
        let expected = keys.iter().filter(|key| self.oracle.close(key, now)).count() as u64;
        same("sessions closed at once", closed, expected)
    }

    async fn sweep(&mut self) -> Agrees {
        let report = self.service.operator().sweep().await.ok_or("no sweep")?;
        let now = self.hand.micros();
        same("sessions that a sweep ended", report.expired, self.oracle.settle(now))?;
        let stats = self.service.operator().stats();
        same("bytes after a sweep", stats.bytes, self.oracle.bytes(now))?;
        for _ in 0..report.purged {
            self.count("purges");
        }
        Ok(())
    }

    /// A step through a reference of any age.
    async fn through(&mut self, by: u64, step: &Step) -> Agrees {
        let Some(place) = (by as usize).checked_rem(self.references.len()) else { return Ok(()) };
        let place = self.references.len() - 1 - place;
        let (key, session) = (self.references[place].key.clone(), self.references[place].session.clone());
        if let Some(told) = self.references[place].told {
            same("a reference that told of an end", session.read().map(|_| ()), Err(told))?;
        }
        if self.references[place].epoch != self.epoch {
            // Of a service that is gone: it changes nothing, here or there.
            self.count("steps through references to a service that is gone");
            let late = session.set("k0", &1).await;
            let shut =
                matches!(late, Err(UpdateError::Stopping)) && session.close().await == Err(CreateError::Stopping);
            return same("a service that is gone takes nothing", shut, true);
        }
        let now = self.hand.micros();
        if let Step::Extend { seconds, .. } = *step
            && seconds > LIFETIME
        {
            // Refused for what it asks, before anybody looks at the session.
            let refused = session.extend(Duration::from_secs(seconds)).await;
            return same("an end too far", matches!(refused, Err(UpdateError::LimitExceeded(_))), true);
        }
        let touch = !matches!(step, Step::Close { .. });
        let live = match self.oracle.at(&key, now, touch) {
            Ok(live) => live,
            Err(Missing::Unknown) => return Err(format!("the model lost {key:?}")),
            Err(Missing::Ended(ended)) => {
                self.references[place].told = Some(ended);
                self.count("steps after the end");
                return after(&session, step, ended).await;
            }
        };
        match *step {
            Step::Touch { .. } => same("a touch", session.touch(), Ok(()))?,
            Step::Close { .. } => {
                let closed = session.close().await;
                same("a close", closed, Ok(self.oracle.close(&key, now)))?;
            }
            Step::Read { key, .. } => {
                let key = format!("k{key}");
                let found = session.read().map_err(|ended| format!("a read: {ended:?}"))?;
                let found = found.entry(&key).map(|entry| (entry.value.parse().unwrap_or(-1), entry.revision.get()));
                same("a read", found, live.used(&key, now).map(|item| (item.value, item.revision)))?;
            }
            Step::Extend { seconds, .. } => {
                let ends_at = live.ends_at.map(|_| now + seconds * SECOND);
                let changed = ends_at != live.ends_at;
                if changed {
                    live.ends_at = ends_at;
                    live.next(now);
                }
                let expected = updated((), live, changed);
                alike(session.extend(Duration::from_secs(seconds)).await, expected)?;
            }
            _ => {
                if let Some(ended) = update(&session, live, step, now).await? {
                    self.count("updates that came too late");
                    self.oracle.0.insert(key, Fate::Ended(ended));
                }
            }
        }
        Ok(())
    }
}

/// What changes entries; the end, if the step brought one.
async fn update(session: &Session, live: &mut Live, step: &Step, now: u64) -> Result<Option<Ended>, String> {
    match *step {
        Step::Set { key, value, lives, .. } => {
            let (key, (ttl, life)) = (format!("k{key}"), lives.both(now));
            let changed = live.commit(BTreeMap::from([(key.clone(), Some((value, life)))]), now);
            alike(session.set_with(&key, &value, ttl).await, updated((), live, changed))?;
        }
        Step::Remove { key, .. } => {
            let key = format!("k{key}");
            let changed = live.commit(BTreeMap::from([(key.clone(), None)]), now);
            alike(session.remove(&key).await, updated(changed, live, changed))?;
        }
        Step::Increment { key, more, .. } => {
            let key = format!("k{key}");
            let (old, life) = live.used(&key, now).map_or((0, Life::Never), |item| (item.value, item.life));
            let changed = live.commit(BTreeMap::from([(key.clone(), Some((old + more, life)))]), now);
            alike(session.increment(&key, more).await, updated(old + more, live, changed))?;
        }
        Step::Merge { set: (key, value), unset, .. } => {
            let (key, unset) = (format!("k{key}"), format!("k{unset}"));
            let patch = serde_json::Value::Object(serde_json::Map::from_iter([
                (key.clone(), value.into()),
                (unset.clone(), serde_json::Value::Null),
            ]));
            let old = live.used(&key, now);
            let there = live.used(&unset, now).is_some();
            let life = old.as_ref().map_or(Life::Never, |item| item.life);
            let mut changes = BTreeMap::new();
            if old.is_none_or(|item| item.value != value) {
                changes.insert(key.clone(), Some((value, life)));
            }
            if key == unset {
                changes.clear();
            }
            if there {
                changes.insert(unset, None);
            }
            let keys: Vec<_> = changes.keys().cloned().collect();
            let changed = live.commit(changes, now);
            alike(session.merge_patch(patch).await, updated(keys, live, changed))?;
        }
        Step::UpdateIf { behind, key, value, .. } => {
            let (key, current) = (format!("k{key}"), live.revision);
            let expected = Revision::new(current.saturating_sub(behind));
            let written = key.clone();
            let found = session.update_if(expected, move |draft| draft.set(&written, &value)).await;
            if expected.get() != current {
                let conflict = Conflict { expected, current: Revision::new(current) };
                alike::<Result<Updated, _>>(found, Err(UpdateError::<DraftError>::Conflict(conflict)))?;
            } else {
                let changed = live.commit(BTreeMap::from([(key, Some((value, Life::Never)))]), now);
                alike(found, updated((), live, changed))?;
            }
        }
        Step::Rejected { key, value, .. } => {
            let key = format!("k{key}");
            let found = session.update({
                let key = key.clone();
                move |draft| {
                    draft.set(&key, &value).map(|()| draft.remove("k0")).and(Err::<(), _>(DraftError::Overflow))
                }
            });
            // It wrote in vain, but it used what it wrote over.
            drop((live.used(&key, now), (key != "k0").then(|| live.used("k0", now))));
            alike::<Result<Updated, _>>(found.await, Err(UpdateError::Rejected(DraftError::Overflow)))?;
        }
        Step::CloseWithin { key, value, .. } => {
            let (key, closing) = (format!("k{key}"), session.clone());
            let changed = live.commit(BTreeMap::from([(key.clone(), Some((value, Life::Never)))]), now);
            let late = session.update(move |draft| {
                let closed = pin!(closing.close()).poll(&mut Context::from_waker(Waker::noop()));
                draft.set(&key, &value).map(|()| closed == Poll::Ready(Ok(true)))
            });
            let ended = Ended { reason: EndReason::Closed, at: Timestamp::from_micros(now) };
            let expected = if changed { Err(UpdateError::Ended(ended)) } else { updated(true, live, false) };
            alike(late.await, expected)?;
            return Ok(Some(ended));
        }
        _ => return Err(format!("{step:?} is no update")),
    }
    Ok(None)
}

/// A reference after the end: whatever it is used for, it says so.
async fn after(session: &Session, step: &Step, ended: Ended) -> Agrees {
    let found = match step {
        Step::Close { .. } => return same("a close after the end", session.close().await, Ok(false)),
        Step::Extend { seconds, .. } => session.extend(Duration::from_secs(*seconds)).await.map(|_| ()),
        Step::Touch { .. } => session.touch().map_err(UpdateError::Ended),
        Step::Read { .. } => session.read().map(|_| ()).map_err(UpdateError::Ended),
        Step::Increment { .. } => session.increment("k0", 1).await.map(|_| ()),
        Step::Remove { .. } => session.remove("k0").await.map(|_| ()),
        Step::UpdateIf { .. } => session.update_if(Revision::ZERO, |draft| draft.set("k0", &1)).await.map(|_| ()),
        _ => session.set("k0", &1).await.map(|_| ()),
    };
    alike(found, Err(UpdateError::<DraftError>::Ended(ended)))
}

impl Lives {
    fn both(self, now: u64) -> (Ttl, Life) {
        match self {
            Self::Never => (Ttl::Never, Life::Never),
            Self::Absolute(ttl) => (Ttl::Absolute(Duration::from_secs(ttl)), Life::At(now + ttl * SECOND)),
            Self::Sliding(ttl) => {
                (Ttl::Sliding(Duration::from_secs(ttl)), Life::Sliding { ttl: ttl * SECOND, last: now })
            }
        }
    }
}

fn updated<R>(value: R, live: &Live, changed: bool) -> Result<Updated<R>, UpdateError> {
    Ok(Updated { value, revision: Revision::new(live.revision), changed })
}

/// Errors have no equality of their own; what they show tells them apart.
fn alike<T: Debug>(found: T, expected: T) -> Agrees {
    same("an answer", format!("{found:?}"), format!("{expected:?}"))
}

/// One of what there is, for any number.
pub(super) fn nth<T>(all: &[T], number: u64) -> Option<&T> {
    all.get((number as usize).checked_rem(all.len())?)
}
