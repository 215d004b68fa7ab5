//! Eviction at the cap of entries, against a plain list in the order of use.

use std::collections::BTreeMap;

use super::*;
use crate::error::{Limit, LimitExceeded};

const CAP: u64 = 3;
const EVICTING: StateLimits = StateLimits { entries: CAP, at_entries: AtCapacity::Evict, ..LIMITS };

fn update(base: &Arc<Committed>, now: Timestamp, change: impl FnOnce(&mut Draft)) -> Arc<Committed> {
    let mut draft = Draft::stage(Arc::clone(base), now, EVICTING);
    change(&mut draft);
    draft.finish().unwrap().map_or_else(|| Arc::clone(base), Arc::new)
}

fn set(base: &Arc<Committed>, key: &str) -> Arc<Committed> {
    update(base, at(1), |draft| draft.set(key, &base.revision.get()).unwrap())
}

fn keys(committed: &Committed) -> Vec<&str> {
    committed.entries.iter().map(|entry| entry.key).collect()
}

fn abc() -> Arc<Committed> {
    ["a", "b", "c"].iter().fold(empty(), |base, key| set(&base, key))
}

#[test]
fn the_least_recently_used_entry_makes_room() {
    let base = abc();
    assert_eq!(keys(&base), ["a", "b", "c"]);
    assert_eq!(keys(&set(&base, "d")), ["b", "c", "d"]);
    // A read and a write are uses, a listing is none; through an older revision too.
    let view = view(&base, at(1));
    assert!(view.json("a").is_some());
    assert_eq!(view.entries().count(), 3);
    let next = set(&base, "d");
    assert_eq!(keys(&next), ["a", "c", "d"]);
    assert!(view.json("c").is_some());
    assert_eq!(keys(&set(&next, "e")), ["c", "d", "e"]);
}

#[test]
fn what_an_update_writes_is_not_evicted_by_it() {
    let base = abc();
    assert_eq!(keys(&set(&base, "b")), ["a", "b", "c"]);
    // A change to nothing is a use, and evicts nothing.
    let same = update(&base, at(1), |draft| assert_eq!(draft.increment("a", 0).unwrap(), 0));
    assert_eq!((keys(&same), same.revision), (keys(&base), base.revision));
    let three = update(&base, at(1), |draft| {
        draft.set("a", &9).unwrap();
        draft.set("x", &9).unwrap();
        draft.set("y", &9).unwrap();
        assert_eq!(draft.len(), 5);
    });
    assert_eq!(keys(&three), ["a", "x", "y"]);
    let mut draft = Draft::stage(Arc::clone(&base), at(1), EVICTING);
    (0..4).for_each(|n| draft.set(&format!("new{n}"), &1).unwrap());
    let expected = LimitExceeded { limit: Limit::Entries, allowed: CAP, attempted: 4 };
    assert_eq!(draft.finish().err(), Some(expected));
    // The bytes of a session stay a cap that refuses.
    let mut draft = Draft::stage(Arc::clone(&base), at(1), StateLimits { bytes: 8, ..EVICTING });
    draft.set("d", &100_000).unwrap();
    assert_eq!(draft.finish().err().unwrap().limit, Limit::SessionBytes);
    // Of what was tried meanwhile only the uses are left: `b`, then `a`.
    assert_eq!(keys(&set(&base, "d")), ["a", "b", "d"]);
}

#[test]
fn the_expired_go_before_the_least_recently_used() {
    let base = update(&abc(), at(1), |draft| draft.set_with("c", &1, Ttl::Absolute(seconds(5))).unwrap());
    let sliding = update(&base, at(2), |draft| draft.set_with("b", &1, Ttl::Sliding(seconds(2))).unwrap());
    assert_eq!(keys(&update(&sliding, at(3), |draft| draft.set("d", &1).unwrap())), ["b", "c", "d"]);
    assert_eq!(keys(&update(&sliding, at(4), |draft| draft.set("d", &1).unwrap())), ["a", "c", "d"]);
    assert_eq!(keys(&update(&sliding, at(6), |draft| draft.set("d", &1).unwrap())), ["a", "d"]);
}

#[test]
fn a_cap_that_was_lowered_or_a_policy_that_was_changed_holds_from_the_next_update_on() {
    let base = holding(&serde_json::json!({"a": 10, "b": 10, "c": 10, "d": 10, "e": 10}));
    assert!(base.uncommon().recency.is_none());
    let next = set(&base, "a");
    assert_eq!(keys(&next), ["a", "d", "e"]);
    assert!(next.uncommon().recency.is_some());
    let back = commit(&next, |draft| draft.set("f", &1).unwrap());
    assert_eq!((keys(&back).len(), back.uncommon().recency.is_none()), (4, true));
}

#[test]
fn after_a_restore_the_order_is_that_of_the_last_writes() {
    let base = set(&abc(), "a");
    assert!(view(&base, at(1)).json("b").is_some());
    let entries = Entries::from_packed(base.entries.to_packed()).unwrap();
    let back = Committed::restored(base.revision, entries, Metadata::default(), base.lifetime(), at(1), |_| None);
    let back = Arc::new(back.in_order());
    assert_eq!(keys(&set(&back, "d")), ["a", "c", "d"]);
    assert!(view(&back, at(1)).json("c").is_some());
    assert_eq!(
        keys(&update(&back, at(1), |draft| (0..2).for_each(|n| draft.set(&n.to_string(), &1).unwrap()))),
        ["0", "1", "c"]
    );
}

/// Keys from the least recently used on.
#[derive(Clone, Default)]
struct Lru(Vec<String>);

impl Lru {
    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|own| own == key)
    }

    fn touch(&mut self, key: &str) {
        if self.has(key) {
            self.remove(key);
            self.0.push(key.to_owned());
        }
    }

    fn remove(&mut self, key: &str) {
        self.0.retain(|own| own != key);
    }
}

fn run(random: &mut Random, cap: usize, size: usize, steps: usize) -> usize {
    let limits = StateLimits { entries: cap as u64, ..EVICTING };
    let (mut model, mut committed, mut older, mut evicted) = (Lru::default(), empty(), empty(), 0);
    for step in 0..steps {
        let pick = |random: &mut Random| format!("key{}", random.below(cap * 2));
        for _ in 0..random.below(4) {
            let key = pick(random);
            let through = if random.below(3) == 0 { &older } else { &committed };
            let was = through.entries.get(&key).is_some();
            assert_eq!(view(through, at(1)).json(&key).is_some(), was);
            // A use through an older revision is one of the entry, unless it has been written anew since it was gone.
            if Arc::ptr_eq(through, &committed) {
                model.touch(&key);
            } else if was && model.has(&key) {
                older = Arc::clone(&committed);
                model.touch(&key);
                assert!(view(&committed, at(1)).json(&key).is_some());
            }
        }
        let mut draft = Draft::stage(Arc::clone(&committed), at(1), limits);
        let mut staged = BTreeMap::new();
        for _ in 0..=random.below(3) {
            let key = pick(random);
            if random.below(5) == 0 {
                draft.remove(&key);
                staged.insert(key, false);
            } else {
                draft.set(&key, &format!("{step}{}", "x".repeat(random.below(size)))).unwrap();
                staged.insert(key.clone(), true);
            }
        }
        // One in four is dropped, or refused for its bytes: what it used stays used, and nothing else.
        let puts = staged.values().filter(|put| **put).count();
        let kept = random.below(4) > 0 && puts <= cap;
        let next = if kept { draft.finish().unwrap() } else { refused(draft) };
        let Some(next) = next else {
            // Uses of a dropped draft are not modelled in their order: read all of them again, in one.
            for key in staged.keys() {
                let _ = view(&committed, at(1)).json(key);
                model.touch(key);
            }
            continue;
        };
        let mut len = model.0.len();
        for (key, put) in &staged {
            len = len + usize::from(*put) - usize::from(model.has(key));
        }
        let victims: Vec<_> = model.0.iter().filter(|key| !staged.contains_key(*key)).cloned().collect();
        for key in victims.iter().take(len.saturating_sub(cap)) {
            model.remove(key);
            evicted += 1;
        }
        for (key, put) in staged {
            model.remove(&key);
            if put {
                model.0.push(key);
            }
        }
        older = std::mem::replace(&mut committed, Arc::new(next));
        let mut expected = model.0.clone();
        expected.sort();
        assert_eq!(keys(&committed), expected, "step {step}");
        if random.below(50) == 0 {
            let entries = Entries::from_packed(committed.entries.to_packed()).unwrap();
            let (revision, lifetime) = (committed.revision, committed.lifetime());
            let back = Committed::restored(revision, entries, Metadata::default(), lifetime, at(1), |_| None);
            model.0.sort_by_key(|key| (back.entries.get(key).unwrap().revision, key.clone()));
            committed = Arc::new(back.in_order());
        }
    }
    evicted
}

/// A finish whose outcome nobody publishes.
fn refused(draft: Draft) -> Option<Committed> {
    drop(draft.finish());
    None
}

#[test]
fn random_steps_agree_with_a_plain_list() {
    let mut random = Random::new();
    let mut evicted = 0;
    for (cap, size, steps) in [(1, 10, 300), (8, 10, 2_000), (12, 4_000, 1_000), (60, 10, 3_000), (60, 600, 2_000)] {
        evicted += run(&mut random, cap, size, steps);
    }
    assert!(evicted > 2_000, "{evicted}");
}
