//! When entries with a sliding ttl were last used: what a read writes, so it stands beside the revisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rpds::RedBlackTreeMapSync;

use crate::time::{Timestamp, micros};

/// In place of a time of last use: somebody found the entry expired. Greater than every time, so no touch undoes it.
const EXPIRED: u64 = u64::MAX;

/// Last-use times by key. A clone shares them, so a touch through one revision is seen through the next.
#[derive(Clone)]
pub(crate) struct Sliding {
    slides: RedBlackTreeMapSync<Box<str>, Slide>,
    /// No deadline is earlier: touches only move deadlines on, so the figure stays true without being kept.
    quiet_until: Timestamp,
}

#[derive(Clone)]
struct Slide {
    ttl: u64,
    last_use: Arc<AtomicU64>,
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
        match self.last_use.load(Relaxed) {
            EXPIRED => Timestamp::default(),
            last => Timestamp::from_micros(last.saturating_add(self.ttl)),
        }
    }
}

impl Default for Sliding {
    fn default() -> Self {
        Self { slides: RedBlackTreeMapSync::new_sync(), quiet_until: Timestamp::from_micros(u64::MAX) }
    }
}

impl Sliding {
    /// Notes a use; false when there is no such entry or it has expired.
    pub(crate) fn touch(&self, key: &str, now: Timestamp) -> bool {
        self.slides.get(key).is_some_and(|slide| slide.is_live(now, true))
    }

    /// Whether the entry is there and lives; not a use.
    pub(crate) fn is_live(&self, key: &str, now: Timestamp) -> bool {
        self.slides.get(key).is_some_and(|slide| slide.is_live(now, false))
    }

    /// When the entry expires if nobody uses it any more.
    pub(crate) fn deadline(&self, key: &str) -> Option<Timestamp> {
        self.slides.get(key).map(Slide::deadline)
    }

    /// The keys that have expired.
    pub(super) fn expired(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let look = now >= self.quiet_until;
        let slides = look.then(|| self.slides.iter()).into_iter().flatten();
        slides.filter(move |(_, slide)| !slide.is_live(now, false)).map(|(key, _)| &**key)
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.slides.values().map(Slide::deadline).min()
    }

    /// Before this time none expires.
    pub(super) fn quiet_until(&self) -> Timestamp {
        self.quiet_until
    }

    /// Every key with the time of its last use, for files; zero for an entry that has expired.
    pub(crate) fn last_uses(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.slides.iter().map(|(key, slide)| match slide.last_use.load(Relaxed) {
            EXPIRED => (&**key, Timestamp::default()),
            last => (&**key, Timestamp::from_micros(last)),
        })
    }

    /// Writes down an entry that was used at `now`. What readers of earlier revisions note stays shared while the ttl
    /// is the same; with another ttl they would expire the entry by the old one, so it gets a time of its own.
    pub(super) fn put(&mut self, key: &str, ttl: Duration, now: Timestamp) {
        let ttl = micros(ttl).max(1);
        let shared = self.slides.get(key).filter(|slide| slide.ttl == ttl && slide.is_live(now, true));
        if shared.is_none() {
            let last_use = Arc::new(AtomicU64::new(now.as_micros().min(EXPIRED - 1)));
            self.slides.insert_mut(key.into(), Slide { ttl, last_use });
        }
        self.quiet_until = self.quiet_until.min(now.after(Duration::from_micros(ttl)));
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, key: &str) {
        self.slides.remove_mut(key);
    }

    /// Looks up again until when nothing can expire, once `now` is past what was known.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if now >= self.quiet_until {
            self.quiet_until = self.next_deadline().unwrap_or(Timestamp::from_micros(u64::MAX));
        }
    }
}
