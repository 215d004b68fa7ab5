//! What is done through a reference of any age: reads, updates, a close, and all of them after the end.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::drive::SECOND;
use super::oracle::{Fate, Life, Live, Missing};
use super::steps::{Lives, Step};
use super::world::{Agrees, LIFETIME, World, same};
use crate::actor::turn::Updated;
use crate::error::{Conflict, CreateError, DraftError, EndReason, Ended, Revision, UpdateError};
use crate::session::Session;
use crate::state::Ttl;
use crate::time::Timestamp;

impl World<'_> {
    /// A step through a reference of any age.
    pub(super) async fn through(&mut self, by: u64, step: &Step) -> Agrees {
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
            let _ = (live.used(&key, now), (key != "k0").then(|| live.used("k0", now)));
            alike::<Result<Updated, _>>(found.await, Err(UpdateError::Rejected(DraftError::Overflow)))?;
        }
        Step::CloseWithin { key, value, .. } => {
            let (key, closing) = (format!("k{key}"), session.clone());
            let changed = live.commit(BTreeMap::from([(key.clone(), Some((value, Life::Never)))]), now);
            let late = session.update(move |draft| {
                let closed = pin!(closing.close()).poll(&mut Context::from_waker(Waker::noop()));
                draft.set(&key, &value).map(|()| matches!(closed, Poll::Ready(Ok(true)) | Poll::Pending))
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
