//! When entries with a sliding ttl were last used: what a read writes, so it stands beside the revisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::queue::{Queue, Stamped};
use crate::time::{Timestamp, micros};

/// In place of a time of last use: somebody found the entry expired. Greater than every time, so no touch undoes it.
const EXPIRED: u64 = u64::MAX;
const END_OF_TIME: Timestamp = Timestamp::from_micros(u64::MAX);

/// Last-use times by key; nothing where no entry has a sliding ttl. A clone shares them, so a touch through one
/// revision is seen through the next.
#[derive(Clone, Default)]
pub(crate) struct Sliding(Option<Arc<Inner>>);

struct Inner {
    queue: Queue<Slide>,
    /// No deadline is earlier: touches only move deadlines on, so the figure stays true without being kept.
    quiet_until: Timestamp,
}

struct Slide {
    key: Arc<str>,
    ttl: u64,
    last_use: AtomicU64,
}

impl Stamped for Slide {
    fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The deadline. That of an expired entry stays where it was queued, which has passed.
    fn stamp(&self) -> u64 {
        match self.last_use.load(Relaxed) {
            EXPIRED => 0,
            last => last.saturating_add(self.ttl),
        }
    }
}

impl Slide {
    /// Whether the entry lives, as of `now`; with `touch` this is a use.
    ///
    /// Expiry is final: the first to find it notes it, so a reader whose `now` is older cannot bring the entry back.
    fn is_live(&self, now: Timestamp, touch: bool) -> bool {
        let now = now.as_micros().min(EXPIRED - 1);
        loop {
            let last = self.last_use.load(Relaxed);
            let next = match last {
                EXPIRED => return false,
                _ if last.saturating_add(self.ttl) <= now => EXPIRED,
                _ if touch && last < now => now,
                _ => return true,
            };
            if self.last_use.compare_exchange_weak(last, next, Relaxed, Relaxed).is_ok() {
                return next != EXPIRED;
            }
        }
    }

    fn deadline(&self) -> Timestamp {
        Timestamp::from_micros(self.stamp())
    }
}

impl Sliding {
    /// Of no entry.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Whether no entry has a sliding ttl.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    fn get(&self, key: &str) -> Option<&Slide> {
        self.0.as_ref()?.queue.get(key)
    }

    fn slides(&self) -> impl Iterator<Item = &Slide> {
        self.0.iter().flat_map(|inner| inner.queue.rows())
    }

    /// Notes a use; false when there is no such entry or it has expired.
    pub(crate) fn touch(&self, key: &str, now: Timestamp) -> bool {
        self.get(key).is_some_and(|slide| slide.is_live(now, true))
    }

    /// Whether the entry is there and lives; not a use.
    pub(crate) fn is_live(&self, key: &str, now: Timestamp) -> bool {
        self.get(key).is_some_and(|slide| slide.is_live(now, false))
    }

    /// When the entry expires if nobody uses it any more.
    pub(crate) fn deadline(&self, key: &str) -> Option<Timestamp> {
        self.get(key).map(|slide| slide.deadline())
    }

    /// How many have expired. Looks at every one once something may have, and takes no lock: reads ask this.
    pub(super) fn count_expired(&self, now: Timestamp) -> usize {
        if now < self.quiet_until() { 0 } else { self.slides().filter(|slide| !slide.is_live(now, false)).count() }
    }

    /// The keys that have expired, and a time before which no other does. Looks at these alone; updates ask this.
    pub(super) fn due(&self, now: Timestamp) -> (Vec<Arc<str>>, Timestamp) {
        let mut expired = Vec::new();
        let Some(inner) = self.0.as_ref().filter(|inner| now >= inner.quiet_until) else {
            return (expired, self.quiet_until());
        };
        let mut lives = false;
        let last = inner.queue.walk(now.as_micros().saturating_add(1), |slide| {
            lives = slide.is_live(now, false);
            if !lives {
                expired.push(Arc::clone(&slide.key));
            }
            !lives
        });
        // The stamp that it was queued by, not its deadline: others may stand between the two.
        (expired, last.filter(|_| lives).map_or(END_OF_TIME, Timestamp::from_micros))
    }

    /// The earliest deadline.
    #[cfg(test)]
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.slides().map(|slide| slide.deadline()).min()
    }

    /// Before this time none expires.
    pub(super) fn quiet_until(&self) -> Timestamp {
        self.0.as_ref().map_or(END_OF_TIME, |inner| inner.quiet_until)
    }

    /// Every key with the time of its last use, for files; zero for an entry that has expired.
    pub(crate) fn last_uses(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.slides().map(|slide| match slide.last_use.load(Relaxed) {
            EXPIRED => (&*slide.key, Timestamp::default()),
            last => (&*slide.key, Timestamp::from_micros(last)),
        })
    }

    /// Writes down an entry that was used at `now`. What readers of earlier revisions note stays shared while the ttl
    /// is the same; with another ttl they would expire the entry by the old one, so it gets a time of its own.
    pub(super) fn put(&mut self, key: &str, ttl: Duration, now: Timestamp) {
        let ttl = micros(ttl).max(1);
        let shared = self.get(key).is_some_and(|slide| slide.ttl == ttl && slide.is_live(now, true));
        if !shared {
            let last_use = AtomicU64::new(now.as_micros().min(EXPIRED - 1));
            let slide = Slide { key: key.into(), ttl, last_use };
            let until = now.after(Duration::from_micros(ttl));
            self.own(|inner| {
                inner.queue.put(slide);
                inner.quiet_until = inner.quiet_until.min(until);
            });
        }
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, key: &str) {
        if self.get(key).is_some() {
            self.own(|inner| inner.queue.remove(key));
            if self.0.as_ref().is_some_and(|inner| inner.queue.is_empty()) {
                self.0 = None;
            }
        }
    }

    /// Notes until when nothing can expire, as [`Sliding::due`] found it.
    pub(super) fn settle(&mut self, quiet_until: Timestamp) {
        if self.0.as_ref().is_some_and(|inner| inner.quiet_until < quiet_until) {
            self.own(|inner| inner.quiet_until = quiet_until);
        }
    }

    /// Whether both are one, so that nothing was copied.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }

    fn own(&mut self, change: impl FnOnce(&mut Inner)) {
        let inner = self.0.get_or_insert_with(|| Arc::new(Inner { queue: Queue::new(), quiet_until: END_OF_TIME }));
        if Arc::get_mut(inner).is_none() {
            *inner = Arc::new(Inner { queue: inner.queue.next(), quiet_until: inner.quiet_until });
        }
        if let Some(inner) = Arc::get_mut(inner) {
            change(inner);
        }
    }
}
