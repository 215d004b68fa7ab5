//! The plain model: maps, numbers and the rules in their simplest words.

use std::collections::BTreeMap;

use crate::error::{EndReason, Ended};
use crate::time::Timestamp;

/// Whose session and by which id.
pub(super) type Key = (usize, String);

/// How long an entry lives; microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Never,
    At(u64),
    Sliding { ttl: u64, last: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) value: i64,
    pub(super) revision: u64,
    pub(super) life: Life,
}

/// A session that has not been found ended, be its deadline past or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) bucket: bool,
    pub(super) name: Option<String>,
    pub(super) created: u64,
    pub(super) idle: Option<u64>,
    pub(super) ends_at: Option<u64>,
    pub(super) last: u64,
    pub(super) revision: u64,
    pub(super) items: BTreeMap<String, Item>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Live(Live),
    Ended(Ended),
}

/// Everything that was and is; what is not in it never was.
#[derive(Clone, Default)]
pub(super) struct Oracle(pub(super) BTreeMap<Key, Fate>);

/// What was found in place of a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Unknown,
    Ended(Ended),
}

impl Oracle {
    /// The live session, found ended if its deadline has passed; `touch` is a use.
    pub(super) fn at(&mut self, key: &Key, now: u64, touch: bool) -> Result<&mut Live, Missing> {
        let fate = self.0.get_mut(key).ok_or(Missing::Unknown)?;
        if let Fate::Live(live) = fate
            && let Some(ended) = live.due(now)
        {
            *fate = Fate::Ended(ended);
        }
        match fate {
            Fate::Ended(ended) => Err(Missing::Ended(*ended)),
            Fate::Live(live) => {
                live.last = if touch { live.last.max(now) } else { live.last };
                Ok(live)
            }
        }
    }

    /// Finds the end of every session that is due; how many there were.
    pub(super) fn settle(&mut self, now: u64) -> u64 {
        let before = self.live();
        let keys: Vec<_> = self.0.keys().cloned().collect();
        for key in &keys {
            let _ = self.at(key, now, false);
        }
        before - self.live()
    }

    /// Closes; whether that was its end.
    pub(super) fn close(&mut self, key: &Key, now: u64) -> bool {
        let closes = self.at(key, now, false).is_ok();
        if closes {
            let ended = Ended { reason: EndReason::Closed, at: Timestamp::from_micros(now) };
            self.0.insert(key.clone(), Fate::Ended(ended));
        }
        closes
    }

    /// The key of an owner's bucket or named session that nobody has found ended.
    pub(super) fn standing(&self, owner: usize, name: Option<&str>) -> Option<Key> {
        let mut own = self.0.iter().filter(|(key, _)| key.0 == owner);
        let fits = |live: &Live| if name.is_some() { live.name.as_deref() == name } else { live.bucket };
        own.find(|(_, fate)| matches!(fate, Fate::Live(live) if fits(live))).map(|(key, _)| key.clone())
    }

    pub(super) fn live(&self) -> u64 {
        self.0.values().filter(|fate| matches!(fate, Fate::Live(_))).count() as u64
    }

    /// Bytes of keys and values, once nothing that has expired is left.
    pub(super) fn bytes(&self, now: u64) -> u64 {
        let live = self.0.values().filter_map(|fate| if let Fate::Live(live) = fate { Some(live) } else { None });
        live.flat_map(|live| live.visible(now))
            .map(|(key, item)| (key.len() + item.value.to_string().len()) as u64)
            .sum()
    }
}

impl Live {
    /// The end that its deadline has brought.
    pub(super) fn due(&self, now: u64) -> Option<Ended> {
        let (at, reason) = self.deadline()?;
        (at <= now).then_some(Ended { reason, at: Timestamp::from_micros(at) })
    }

    pub(super) fn deadline(&self) -> Option<(u64, EndReason)> {
        let idle = self.idle.map(|idle| (self.last + idle, EndReason::Idle));
        let end = self.ends_at.map(|at| (at, EndReason::Lifetime));
        match (idle, end) {
            (Some(idle), Some(end)) => Some(if idle.0 < end.0 { idle } else { end }),
            (one, other) => one.or(other),
        }
    }

    pub(super) fn visible(&self, now: u64) -> impl Iterator<Item = (&String, &Item)> {
        self.items.iter().filter(move |(_, item)| item.life.expires().is_none_or(|at| at > now))
    }

    /// An entry as whoever uses it finds it: its sliding ttl starts again.
    pub(super) fn used(&mut self, key: &str, now: u64) -> Option<Item> {
        let item = self.items.get_mut(key).filter(|item| item.life.expires().is_none_or(|at| at > now))?;
        if let Life::Sliding { last, .. } = &mut item.life {
            *last = now;
        }
        Some(item.clone())
    }

    /// Commits changes; whether anything differs. What has expired goes with the next commit that changes something.
    pub(super) fn commit(&mut self, changes: BTreeMap<String, Option<(i64, Life)>>, now: u64) -> bool {
        let mut staged = BTreeMap::new();
        for (key, change) in changes {
            let shown = self.visible(now).any(|(there, _)| *there == key);
            match change {
                None if shown => drop(staged.insert(key, None)),
                None => {}
                Some((value, life)) => {
                    let same = self.used(&key, now).is_some_and(|item| item.value == value && item.life == life);
                    if !same {
                        staged.insert(key, Some((value, life)));
                    }
                }
            }
        }
        if staged.is_empty() {
            return false;
        }
        self.next(now);
        for (key, change) in staged {
            match change {
                Some((value, life)) => self.items.insert(key, Item { value, life, revision: self.revision }),
                None => self.items.remove(&key),
            };
        }
        true
    }

    /// The next revision, without what has expired.
    pub(super) fn next(&mut self, now: u64) {
        self.revision += 1;
        self.items.retain(|_, item| item.life.expires().is_none_or(|at| at > now));
    }
}

impl Life {
    pub(super) fn expires(&self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::At(at) => Some(*at),
            Self::Sliding { ttl, last } => Some(last + ttl),
        }
    }
}
