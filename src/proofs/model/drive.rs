//! Each step on the service and on the model, and whether both answer alike.

use std::time::Duration;

use super::oracle::{Fate, Live, Missing};
use super::steps::Step;
use super::world::{ANONYMOUS, Agrees, GLOBAL, IDLE, LIFETIME, World, only_visible, principal, same};
use crate::actor::new_session::NewSession;
use crate::config::Format;
use crate::error::{CreateError, OpenError};
use crate::owner::ListQuery;
use crate::session::Session;
use crate::time::Timestamp;

pub(super) const SECOND: u64 = 1_000_000;

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
}

/// One of what there is, for any number.
pub(super) fn nth<T>(all: &[T], number: u64) -> Option<&T> {
    all.get((number as usize).checked_rem(all.len())?)
}
