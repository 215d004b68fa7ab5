//! Listing sessions: filter, then limit, with a cursor that survives deletions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::roster::place;
use crate::actor::slot::{Role, Slot};
use crate::id::SessionKey;
use crate::principal::OwnerKey;
use crate::session::SessionInfo;
use crate::time::Timestamp;

/// Sessions on a page when no limit is given.
pub(crate) const DEFAULT_LIMIT: usize = 100;
/// The most sessions on a page.
pub(crate) const MAX_LIMIT: usize = 1_000;

/// Sessions looked at between two chances for others.
const BATCH: usize = 256;

/// Which sessions to list. The default is the newest hundred.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    kind: Option<String>,
    tag: Option<String>,
    created_after: Option<Timestamp>,
    created_before: Option<Timestamp>,
    active_since: Option<Timestamp>,
    cursor: Option<Cursor>,
    limit: Option<usize>,
}

impl ListQuery {
    /// Only sessions of this kind.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Only sessions that have this tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Only sessions created after this time.
    #[must_use]
    pub fn created_after(mut self, time: Timestamp) -> Self {
        self.created_after = Some(time);
        self
    }

    /// Only sessions created before this time.
    #[must_use]
    pub fn created_before(mut self, time: Timestamp) -> Self {
        self.created_before = Some(time);
        self
    }

    /// Only sessions used at or after this time.
    #[must_use]
    pub fn active_since(mut self, time: Timestamp) -> Self {
        self.active_since = Some(time);
        self
    }

    /// Goes on where an earlier page ended.
    #[must_use]
    pub fn cursor(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// At most so many sessions: 1 to 1,000, 100 when not given.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    fn matches(&self, slot: &Slot, tags: impl Fn(&str) -> bool) -> bool {
        let created = slot.identity.created_at;
        self.kind.as_deref().is_none_or(|kind| kind == slot.identity.kind())
            && self.created_after.is_none_or(|time| created > time)
            && self.created_before.is_none_or(|time| created < time)
            && self.active_since.is_none_or(|time| slot.last_active() >= time)
            && self.tag.as_deref().is_none_or(tags)
    }
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// The sessions, the newest first.
    pub sessions: Vec<SessionInfo>,
    /// Where the next page starts; `None` when this was the last.
    pub next: Option<Cursor>,
}

/// A place in a list: opaque, and good for as long as one likes, whatever is deleted meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    created_at: Timestamp,
    key: SessionKey,
}

/// The text is no cursor of this service's lists, or the limit is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// Not a cursor.
    #[error("this is no cursor of a list; leave it out to start at the newest")]
    Invalid,
    /// A limit of zero or of more than a page can hold.
    #[error("a limit is 1 to {MAX_LIMIT}")]
    Limit,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.created_at.as_micros())?;
        self.key.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (time, key) = text.split_at_checked(16).ok_or(CursorError::Invalid)?;
        if key.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CursorError::Invalid);
        }
        let created_at = u64::from_str_radix(time, 16).map_err(|_| CursorError::Invalid)?;
        let key = u128::from_str_radix(key, 16).map_err(|_| CursorError::Invalid)?;
        Ok(Self { created_at: Timestamp::from_micros(created_at), key: SessionKey(key.to_be_bytes()) })
    }
}

/// The page of one owner's sessions.
pub(crate) async fn own(core: &Arc<Core>, owner: &OwnerKey, query: &ListQuery) -> Result<Page, CursorError> {
    let limit = limit(query)?;
    let Some(owner) = core.owners.find(owner) else { return Ok(Page::default()) };
    let mut page = Page::default();
    let mut after = query.cursor;
    // The index is locked for one batch of pointers at a time, never while sessions are looked at.
    loop {
        let until = after.map(|cursor| (cursor.created_at, cursor.key));
        let slots = owner.index.lock().sessions.before(until, BATCH);
        if slots.is_empty() {
            return Ok(page);
        }
        for slot in slots {
            let (created_at, key) = place(&slot);
            if let Some(info) = show(core, &slot, query) {
                if page.sessions.len() == limit {
                    page.next = after;
                    return Ok(page);
                }
                page.sessions.push(info);
            }
            after = Some(Cursor { created_at, key });
        }
        // A page that few of very many sessions belong on lets others get on meanwhile.
        tokio::task::yield_now().await;
    }
}

/// The page of all sessions of all owners, the anonymous ones too; buckets left out.
pub(crate) async fn all(core: &Arc<Core>, query: &ListQuery) -> Result<Page, CursorError> {
    let limit = limit(query)?;
    let start = query.cursor.map(|cursor| (cursor.created_at, cursor.key));
    let walked = Arc::clone(core);
    let walk = move || {
        let mut slots = walked
            .registry
            .collect(|slot| slot.identity.role == Role::Session && start.is_none_or(|start| place(slot) < start));
        slots.sort_unstable_by_key(|slot| std::cmp::Reverse(place(slot)));
        slots
    };
    // Where no task waits behind it. An error is the runtime's end.
    let Ok(slots) = tokio::task::spawn_blocking(walk).await else { return Ok(Page::default()) };
    let mut page = Page::default();
    let mut last = None;
    for slot in slots {
        let Some(info) = show(core, &slot, query) else { continue };
        if page.sessions.len() == limit {
            page.next = last;
            return Ok(page);
        }
        let (created_at, key) = place(&slot);
        last = Some(Cursor { created_at, key });
        page.sessions.push(info);
    }
    Ok(page)
}

fn limit(query: &ListQuery) -> Result<usize, CursorError> {
    match query.limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(CursorError::Limit),
    }
}

fn show(core: &Arc<Core>, slot: &Arc<Slot>, query: &ListQuery) -> Option<SessionInfo> {
    let (committed, _) = crate::actor::lookup::access(core, slot, false).ok()?;
    let tagged = |tag: &str| committed.metadata().tags.contains(tag);
    query.matches(slot, tagged).then(|| SessionInfo::of(core, slot, &committed))
}
