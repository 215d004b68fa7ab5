//! A revision amended where it lies is the one that the long way would have made.

use super::*;
use crate::state::entries::EntryRef;
use crate::state::idempotency::IdempotencyKey;

fn text(letter: usize, bytes: usize) -> Json {
    let letter = char::from(b'a' + u8::try_from(letter).unwrap());
    Json::parse(&format!("\"{}\"", letter.to_string().repeat(bytes - 2))).unwrap()
}

/// What a draft makes by way of an amendment, if it is one, and by the long way.
fn both_ways(base: &Arc<Committed>, draft: impl Fn() -> Draft) -> (Option<Committed>, Committed) {
    let long = draft().finish().unwrap().unwrap();
    match draft().amendment() {
        Ok((held, amendment)) => {
            assert!(Arc::ptr_eq(&held, base));
            assert_eq!(amendment.revision(), long.revision);
            let mut next = Committed::clone(base);
            assert!(next.amend(&amendment));
            assert!(!next.amend(&amendment), "twice");
            // Where somebody reads the old one, the same draft goes on.
            let anew = Draft::stage(Arc::clone(base), at(1), LIMITS);
            same(&amendment.onto(anew).finish().unwrap().unwrap(), &long);
            (Some(next), long)
        }
        Err(draft) => {
            same(&draft.finish().unwrap().unwrap(), &long);
            (None, long)
        }
    }
}

fn same(one: &Committed, other: &Committed) {
    assert_eq!((one.revision, one.bytes, one.lifetime()), (other.revision, other.bytes, other.lifetime()));
    assert_eq!(one.entries.to_packed(), other.entries.to_packed());
    assert_eq!(one.metadata(), other.metadata());
}

#[test]
fn random_amendments_agree_with_the_long_way() {
    const LENGTHS: [usize; 4] = [3, 40, 256, 257];
    let mut random = Random::new();
    let (mut amended, mut not) = (0, 0);
    for _ in 0..300 {
        let mut draw = |draft: &mut Draft| {
            let ttl = match random.below(12) {
                0 => Ttl::Absolute(seconds(100)),
                1 => Ttl::Absolute(seconds(101)),
                _ => Ttl::Never,
            };
            let (key, value) = (random.below(6).to_string(), text(random.below(3), LENGTHS[random.below(4)]));
            draft.set_json_with(&key, value.clone(), ttl).unwrap();
            (key, value, ttl)
        };
        let mut base = empty();
        for _ in 0..8 {
            base = commit(&base, |draft| drop(draw(draft)));
        }
        for _ in 0..8 {
            let mut staged = draft(&base);
            let (key, value, ttl) = draw(&mut staged);
            if staged.finish().unwrap().is_none() {
                continue;
            }
            let make = || {
                let mut draft = draft(&base);
                draft.set_json_with(&key, value.clone(), ttl).unwrap();
                draft
            };
            let lowest = base.entries.iter().map(|entry| entry.revision).min();
            let may = |old: EntryRef<'_>| {
                old.value.len() == value.as_str().len()
                    && old.value.len() <= 256
                    && old.expiry == Expiry::new(ttl, at(1)).unwrap()
                    && Some(old.revision) > lowest
            };
            let (next, long) = both_ways(&base, make);
            assert_eq!(next.is_some(), base.entries.get(&key).is_some_and(may), "{key} {value:?}");
            match &next {
                Some(next) => {
                    same(next, &long);
                    amended += 1;
                }
                None => not += 1,
            }
            base = Arc::new(next.unwrap_or(long));
        }
    }
    assert!(amended > 50 && not > 200, "{amended} {not}");
}

#[test]
fn a_draft_that_changes_anything_else_is_no_amendment() {
    let plain = commit(&holding(&serde_json::json!({"a": 1, "b": 1})), |draft| draft.set("b", &2).unwrap());
    let timed = commit(&plain, |draft| draft.set_with("t", &1, Ttl::Absolute(seconds(9))).unwrap());
    let sliding = commit(&plain, |draft| draft.set_with("t", &1, Ttl::Sliding(seconds(9))).unwrap());
    let evict = StateLimits { at_entries: AtCapacity::Evict, ..LIMITS };
    let ordered = {
        let mut draft = Draft::stage(Arc::clone(&plain), at(1), evict);
        draft.set("c", &1).unwrap();
        Arc::new(draft.finish().unwrap().unwrap())
    };
    let amends = |base: &Arc<Committed>, now, limits, more: Step<'_, Draft>| {
        let make = || {
            let mut draft = Draft::stage(Arc::clone(base), now, limits);
            draft.set("b", &3).unwrap();
            more(&mut draft);
            draft
        };
        both_ways(base, make).0.is_some()
    };
    assert!(amends(&plain, at(1), LIMITS, &|_| {}));
    assert!(amends(&timed, Timestamp::from_micros(9_999_999), LIMITS, &|_| {}));
    // At its deadline another entry goes.
    for now in [at(10), at(11)] {
        assert!(!amends(&timed, now, LIMITS, &|_| {}));
    }
    for base in [&sliding, &ordered] {
        assert!(!amends(base, at(1), LIMITS, &|_| {}), "a use is noted beside the revision");
    }
    assert!(!amends(&plain, at(1), evict, &|_| {}));
    let key = IdempotencyKey::new("key").unwrap();
    let more: [Step<'_, Draft>; 5] = [
        &|draft| draft.set("a", &2).unwrap(),
        &|draft| draft.set("c", &2).unwrap(),
        &|draft| draft.metadata_mut().label = Some("label".to_owned()),
        &|draft| draft.lifetime_mut().idle = Some(seconds(1)),
        &|draft| draft.remember(&key, None),
    ];
    for (index, more) in more.iter().enumerate() {
        assert!(!amends(&plain, at(1), LIMITS, more), "change {index}");
    }
}

/// An amendment knows places in one buffer: in any other it writes nothing, not even half of it.
#[test]
fn an_amendment_of_another_revision_writes_nothing() {
    let set =
        |base: &Arc<Committed>, key: &str, bytes| commit(base, |draft| draft.set_json(key, text(0, bytes)).unwrap());
    let base = set(&set(&empty(), "a", 200), "b", 50);
    let mut draft = draft(&base);
    draft.set_json("b", text(1, 50)).unwrap();
    let Ok((_, amendment)) = draft.amendment() else { panic!("no amendment") };
    // The same revision of other sessions: its rows are there, its values are not; there is nothing at all.
    let shorter = set(&set(&empty(), "a", 20), "b", 50);
    let none = commit(&set(&empty(), "a", 2), |draft| assert!(draft.remove("a")));
    let later = set(&base, "b", 60);
    for other in [&shorter, &none, &later] {
        let mut next = Committed::clone(other);
        assert!(!next.amend(&amendment));
        same(&next, other);
    }
}
