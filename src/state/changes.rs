//! What an update puts and removes, sorted by key.

use std::collections::{BTreeMap, btree_map};

use super::entries::{EntryRef, NewEntry};

/// One change of an entry: put, or removed where there is nothing.
pub(super) type Change = Option<NewEntry>;

/// Changes by key. Most updates make one, which needs no map.
#[derive(Default)]
pub(crate) enum Changes {
    #[default]
    None,
    One(Box<str>, Change),
    Many(BTreeMap<Box<str>, Change>),
}

impl Changes {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(..) => 1,
            Self::Many(map) => map.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happens to a key; the outer nothing says that it is left alone.
    pub(super) fn get(&self, key: &str) -> Option<Option<EntryRef<'_>>> {
        let (key, change) = match self {
            Self::One(one, change) if **one == *key => (one, change),
            Self::Many(map) => map.get_key_value(key)?,
            _ => return None,
        };
        Some(change.as_ref().map(|new| new.at(key)))
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Changes a key; what was to happen to it before is forgotten.
    pub(super) fn insert(&mut self, key: &str, change: Change) {
        match self {
            Self::None => *self = Self::One(key.into(), change),
            Self::One(one, old) if **one == *key => *old = change,
            Self::One(..) => {
                let one = std::mem::take(self);
                *self = Self::Many(one.into_iter().chain([(key.into(), change)]).collect());
            }
            Self::Many(map) => drop(map.insert(key.into(), change)),
        }
    }

    /// Leaves a key alone.
    pub(super) fn remove(&mut self, key: &str) {
        match self {
            Self::One(one, _) if **one == *key => *self = Self::None,
            Self::Many(map) => drop(map.remove(key)),
            _ => {}
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Self::None => Iter::One(None),
            Self::One(key, change) => Iter::One(Some((key, change))),
            Self::Many(map) => Iter::Many(map.iter()),
        }
    }
}

/// Changes in the order of their keys.
pub(super) enum Iter<'a> {
    One(Option<(&'a str, &'a Change)>),
    Many(btree_map::Iter<'a, Box<str>, Change>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, Option<&'a NewEntry>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, change) = match self {
            Self::One(one) => one.take()?,
            Self::Many(many) => many.next().map(|(key, change)| (&**key, change))?,
        };
        Some((key, change.as_ref()))
    }
}

impl FromIterator<(Box<str>, Change)> for Changes {
    fn from_iter<I: IntoIterator<Item = (Box<str>, Change)>>(changes: I) -> Self {
        let mut changes = changes.into_iter();
        match (changes.next(), changes.next()) {
            (None, _) => Self::None,
            (Some((key, change)), None) => Self::One(key, change),
            (Some(one), Some(two)) => Self::Many([one, two].into_iter().chain(changes).collect()),
        }
    }
}

impl IntoIterator for Changes {
    type Item = (Box<str>, Change);
    type IntoIter = std::iter::Chain<std::option::IntoIter<Self::Item>, btree_map::IntoIter<Box<str>, Change>>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::None => None.into_iter().chain(BTreeMap::new()),
            Self::One(key, change) => Some((key, change)).into_iter().chain(BTreeMap::new()),
            Self::Many(map) => None.into_iter().chain(map),
        }
    }
}
