//! A table in shards, each under a lock of its own, of what holds its key itself.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::RwLock;

/// With this many shards a walk over a million stalls no writer for longer than a thousandth of the walk.
const SHARDS: usize = 1_024;

/// What is found by a key of its own.
pub(crate) trait Keyed {
    type Key: Copy + Eq + Hash;

    fn key(&self) -> Self::Key;
}

/// A pointer for each entry, and no key beside it: whoever looks one up or walks over all looks at them anyway.
///
/// One shard at a time is locked, and no guard of one ever leaves this file. What is called meanwhile must not block.
pub(crate) struct Shards<T> {
    shards: Box<[RwLock<HashTable<Arc<T>>>]>,
    hasher: RandomState,
}

impl<T: Keyed> Shards<T> {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect(), hasher: RandomState::new() }
    }

    pub(crate) fn find(&self, key: &T::Key) -> Option<Arc<T>> {
        let hash = self.hash(key);
        self.shard(hash)?.read().find(hash, |held| held.key() == *key).map(Arc::clone)
    }

    /// Puts one in, unless its key is taken or `check` refuses; nobody sees it before `check` is done.
    pub(crate) fn insert<E>(&self, new: Arc<T>, check: impl FnOnce(&T) -> Result<(), E>) -> Result<bool, E> {
        let key = new.key();
        let hash = self.hash(&key);
        let Some(shard) = self.shard(hash) else { return Ok(false) };
        match shard.write().entry(hash, |held| held.key() == key, |held| self.hash(&held.key())) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(free) => {
                check(&new)?;
                free.insert(new);
                Ok(true)
            }
        }
    }

    /// The one of a key, made when it is missing.
    pub(crate) fn find_or_insert(&self, key: &T::Key, make: impl FnOnce() -> T) -> Arc<T> {
        let hash = self.hash(key);
        let Some(shard) = self.shard(hash) else { return Arc::new(make()) };
        let mut table = shard.write();
        let entry = table.entry(hash, |held| held.key() == *key, |held| self.hash(&held.key()));
        Arc::clone(entry.or_insert_with(|| Arc::new(make())).get())
    }

    /// Takes out the one of a key if it is to go.
    pub(crate) fn remove_if(&self, key: &T::Key, goes: impl FnOnce(&Arc<T>) -> bool) {
        let hash = self.hash(key);
        let Some(shard) = self.shard(hash) else { return };
        let mut table = shard.write();
        if let Ok(held) = table.find_entry(hash, |held| held.key() == *key)
            && goes(held.get())
        {
            let (gone, _) = held.remove();
            // What it holds is let go outside the lock.
            drop(table);
            drop(gone);
        }
    }

    /// Shows every one, in no order.
    pub(crate) fn each(&self, mut look: impl FnMut(&Arc<T>)) {
        self.shards.iter().for_each(|shard| shard.read().iter().for_each(&mut look));
    }

    /// Takes out all that `keep` does not pick.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&Arc<T>) -> bool) {
        self.shards.iter().for_each(|shard| shard.write().retain(|held| keep(held)));
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// By a secret of this service, since callers choose names and could make many that fall together.
    fn hash(&self, key: &T::Key) -> u64 {
        self.hasher.hash_one(key)
    }

    /// By bits of the middle: the table looks at those of both ends.
    fn shard(&self, hash: u64) -> Option<&RwLock<HashTable<Arc<T>>>> {
        self.shards.get((hash >> 40) as usize % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    struct Number(u64, &'static str);

    impl Keyed for Number {
        type Key = u64;

        fn key(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn one_of_each_key_is_there_through_growth_and_removal() {
        const ALL: u64 = 20_000;
        let shards = Shards::new();
        let insert = |number| shards.insert(Arc::new(number), |_| Ok::<_, Infallible>(())).unwrap();
        assert!((0..ALL).all(|key| insert(Number(key, "first"))));
        assert!(!(0..ALL).any(|key| insert(Number(key, "second"))));
        assert_eq!(shards.insert(Arc::new(Number(ALL, "refused")), |_| Err("no")), Err("no"));
        assert!(shards.find(&ALL).is_none());
        shards.remove_if(&1, |held| held.1 == "second");
        shards.remove_if(&2, |held| held.1 == "first");
        shards.retain(|held| held.0 < ALL / 2);
        let mut seen: Vec<_> = Vec::new();
        shards.each(|held| seen.push(held.0));
        seen.sort_unstable();
        assert_eq!(seen, (0..ALL / 2).filter(|key| *key != 2).collect::<Vec<_>>());
        assert_eq!(shards.len(), seen.len());
        assert_eq!(shards.find_or_insert(&1, || Number(1, "third")).1, "first");
        assert_eq!(shards.find_or_insert(&2, || Number(2, "third")).1, "third");
        assert!((0..ALL / 2).all(|key| shards.find(&key).is_some_and(|held| held.0 == key)));
    }
}
