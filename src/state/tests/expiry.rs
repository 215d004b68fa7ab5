use super::*;
use crate::error::{DraftError, EndReason};

#[test]
fn the_earlier_limit_ends_a_session_at_its_deadline() {
    let both = Lifetime { idle: Some(seconds(10)), ends_at: Some(at(100)) };
    assert_eq!(both.deadline(at(5)), Some((at(15), EndReason::Idle)));
    assert_eq!(both.deadline(at(95)), Some((at(100), EndReason::Lifetime)));
    assert_eq!(both.deadline(at(90)), Some((at(100), EndReason::Lifetime)), "no use would have helped");
    assert_eq!(both.ended(at(5), at(14)), None);
    let ended = both.ended(at(5), at(1_000)).unwrap();
    assert_eq!((ended.at, ended.reason), (at(15), EndReason::Idle));
    assert!(both.ended(at(5), at(15)).is_some());
    assert_eq!(Lifetime::default().ended(at(5), at(u32::MAX.into())), None);
}

#[test]
fn an_absolute_ttl_ends_on_the_tick_whoever_reads() {
    let base = commit_at(&empty(), at(10), |draft| {
        draft.set_with("t", &1, Ttl::Absolute(seconds(5))).unwrap();
        draft.set("n", &1).unwrap();
    });
    let before = view(&base, at(14));
    assert_eq!(before.entry("t").unwrap().expires_at, Some(at(15)));
    assert_eq!((before.len(), base.next_deadline()), (2, Some(at(15))));
    let after = view(&base, at(15));
    assert_eq!((after.json("t"), after.len(), after.entries().count()), (None, 1, 1));
    assert_eq!(after.state::<serde_json::Value>().unwrap(), serde_json::json!({"n": 1}));
    assert!(base.purged(at(14)).is_none());
    let purged = base.purged(at(15)).unwrap();
    assert_eq!((purged.entries.len(), purged.revision, purged.bytes), (1, base.revision, 2));
    assert_eq!(purged.next_deadline(), None);
}

#[test]
fn a_sliding_ttl_starts_again_with_each_use_but_not_with_a_listing() {
    let base = commit_at(&empty(), at(10), |draft| draft.set_with("s", &1, Ttl::Sliding(seconds(5))).unwrap());
    assert_eq!(view(&base, at(14)).entries().count(), 1);
    assert_eq!(base.next_deadline(), Some(at(15)));
    assert!(view(&base, at(14)).json("s").is_some());
    assert_eq!(view(&base, at(18)).entry("s").unwrap().expires_at, Some(at(23)));
    // A reader whose time is older takes nothing back.
    assert_eq!(view(&base, at(12)).get::<u8>("s").unwrap(), Some(1));
    assert_eq!(base.next_deadline(), Some(at(23)));
    assert_eq!(base.sliding().last_uses().collect::<Vec<_>>(), [("s", at(18))]);
    assert!(view(&base, at(23)).json("s").is_none());
}

#[test]
fn an_entry_that_one_reader_found_expired_stays_so_for_all() {
    let base = commit_at(&empty(), at(10), |draft| draft.set_with("s", &1, Ttl::Sliding(seconds(5))).unwrap());
    let old = view(&base, at(14));
    assert!(view(&base, at(15)).is_empty());
    assert_eq!((old.json("s"), view(&base, at(15)).json("s")), (None, None));
    let purged = base.purged(at(15)).unwrap();
    assert_eq!(purged.entries.len(), 0);
}

#[test]
fn touches_through_an_older_revision_count_in_the_next() {
    let one = commit_at(&empty(), at(10), |draft| draft.set_with("s", &1, Ttl::Sliding(seconds(5))).unwrap());
    let two = commit_at(&one, at(11), |draft| draft.set("other", &1).unwrap());
    let three = commit_at(&two, at(12), |draft| assert_eq!(draft.increment("s", 1).unwrap(), 2));
    assert!(view(&one, at(14)).json("s").is_some());
    assert_eq!(two.next_deadline(), Some(at(19)));
    assert_eq!(three.next_deadline(), Some(at(19)));
    // With a longer ttl the entry is no longer at the mercy of those who hold the shorter one.
    let four = commit_at(&three, at(15), |draft| draft.set_with("s", &9, Ttl::Sliding(seconds(500))).unwrap());
    assert_eq!(view(&three, at(100)).json("s"), None);
    assert_eq!(view(&four, at(100)).json("s"), Some("9"));
}

#[test]
fn changes_keep_a_ttl_and_sets_replace_it() {
    let base = commit_at(&empty(), at(10), |draft| {
        draft.set_with("n", &1, Ttl::Absolute(seconds(5))).unwrap();
        draft.set_with("a", &[1], Ttl::Absolute(seconds(5))).unwrap();
        draft.set_with("o", &serde_json::json!({"x": 1}), Ttl::Absolute(seconds(5))).unwrap();
        draft.set_with("p", &1, Ttl::Absolute(seconds(5))).unwrap();
        draft.set_with("s", &1, Ttl::Absolute(seconds(5))).unwrap();
    });
    let next = commit_at(&base, at(12), |draft| {
        draft.increment("n", 1).unwrap();
        draft.append("a", &2).unwrap();
        draft.merge_patch(&serde_json::json!({"o": {"x": 2}})).unwrap();
        draft.json_patch(&serde_json::json!([{"op": "replace", "path": "/p", "value": 2}])).unwrap();
        draft.set("s", &1).unwrap();
    });
    let view = view(&next, at(12));
    for key in ["n", "a", "o", "p"] {
        let entry = view.entry(key).unwrap();
        assert_eq!((entry.expires_at, entry.revision.get()), (Some(at(15)), 2), "{key}");
    }
    assert_eq!(view.entry("s").unwrap().expires_at, None);
}

#[test]
fn a_draft_does_not_see_what_has_expired_and_drops_it_with_the_next_change() {
    let base = commit_at(&empty(), at(10), |draft| {
        draft.set_with("t", &1, Ttl::Absolute(seconds(5))).unwrap();
        draft.set_with("s", &1, Ttl::Sliding(seconds(5))).unwrap();
    });
    let stage = || Draft::stage(Arc::clone(&base), at(15), StateLimits { entries: 2, ..LIMITS });
    let mut draft = stage();
    assert!(draft.is_empty() && draft.entries().next().is_none() && !draft.contains("t") && !draft.remove("s"));
    draft.clear();
    assert!(draft.finish().unwrap().is_none());
    let mut draft = stage();
    assert_eq!(draft.increment("t", 1).unwrap(), 1);
    draft.set_with("s", &1, Ttl::Sliding(seconds(5))).unwrap();
    draft.set("u", &1).unwrap();
    assert!(draft.remove("u"));
    let next = Arc::new(draft.finish().unwrap().unwrap());
    assert_eq!(view(&next, at(16)).entry("t").unwrap().expires_at, None);
    assert_eq!(view(&next, at(19)).json("s"), Some("1"));
    // What has expired makes room under the cap.
    let mut draft = stage();
    draft.set("u", &1).unwrap();
    draft.set("v", &1).unwrap();
    assert_eq!(draft.finish().unwrap().unwrap().entries.len(), 2);
}

#[test]
fn ttls_at_the_edges() {
    let mut draft = draft(&empty());
    for ttl in [Ttl::Absolute(Duration::ZERO), Ttl::Sliding(Duration::ZERO)] {
        assert!(matches!(draft.set_with("k", &1, ttl), Err(DraftError::ZeroTtl)));
    }
    assert!(draft.is_empty());
    draft.set_with("short", &1, Ttl::Sliding(Duration::from_nanos(1))).unwrap();
    draft.set_with("long", &1, Ttl::Sliding(Duration::MAX)).unwrap();
    draft.set_with("far", &1, Ttl::Absolute(Duration::MAX)).unwrap();
    let next = Arc::new(draft.finish().unwrap().unwrap());
    assert_eq!(view(&next, at(99 * 365 * 24 * 60 * 60)).len(), 2);
    let packed = next.entries.to_packed();
    assert!(Entries::from_packed(packed).unwrap().iter().eq(next.entries.iter()));
}

#[test]
fn deadlines_of_a_file_from_the_future_are_as_far_away_as_they_were() {
    let base = commit_at(&empty(), at(100), |draft| {
        draft.set("never", &1).unwrap();
        draft.set_with("slides", &1, Ttl::Sliding(seconds(5))).unwrap();
        for ttl in [1, 10, 11, 30] {
            draft.set_with(&format!("ends {ttl}"), &ttl, Ttl::Absolute(seconds(ttl))).unwrap();
        }
    });
    let carried = base.entries.carried(at(110), at(50));
    let found: Vec<_> = carried.iter().map(|entry| (entry.key, entry.expiry, entry.revision)).collect();
    let one = Revision::new(1);
    assert_eq!(
        found,
        [
            ("ends 11", Expiry::At(at(51)), one),
            ("ends 30", Expiry::At(at(70)), one),
            ("never", Expiry::Never, one),
            ("slides", Expiry::Sliding(seconds(5)), one)
        ]
    );
}

#[test]
fn last_uses_come_back_from_files() {
    let base = commit_at(&empty(), at(10), |draft| {
        draft.set_with("a", &1, Ttl::Sliding(seconds(5))).unwrap();
        draft.set_with("b", &1, Ttl::Sliding(seconds(5))).unwrap();
    });
    let _ = view(&base, at(13)).json("a");
    let uses: std::collections::BTreeMap<_, _> = base.sliding().last_uses().filter(|(key, _)| *key == "a").collect();
    let entries = Entries::from_packed(base.entries.to_packed()).unwrap();
    let last_use = |key: &str| uses.get(key).copied();
    let back = Committed::restored(base.revision, entries, Metadata::default(), base.lifetime(), at(11), last_use);
    assert_eq!((back.revision, back.bytes), (base.revision, base.bytes));
    let back = Arc::new(back);
    assert_eq!(
        view(&back, at(14)).entries().map(|entry| entry.expires_at.unwrap()).collect::<Vec<_>>(),
        [at(18), at(16)]
    );
    // What had expired is gone at once, whatever time it is.
    let entries = Entries::from_packed(base.entries.to_packed()).unwrap();
    let last_use = |key: &str| (key == "a").then_some(Timestamp::default());
    let back = Committed::restored(base.revision, entries, Metadata::default(), base.lifetime(), at(11), last_use);
    assert_eq!(back.entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), ["b"]);
    assert_eq!(back.bytes, 2);
}

#[test]
fn a_read_that_moves_a_deadline_or_an_order_writes_no_state() {
    let limits = StateLimits { at_entries: AtCapacity::Evict, ..LIMITS };
    let mut draft = Draft::stage(empty(), at(10), limits);
    draft.set_with("s", &1, Ttl::Sliding(seconds(5))).unwrap();
    draft.set("n", &1).unwrap();
    let base = Arc::new(draft.finish().unwrap().unwrap());
    let packed = base.entries.to_packed();
    for second in 10..14 {
        let mut draft = Draft::stage(Arc::clone(&base), at(second), limits);
        assert_eq!((draft.json("s"), draft.contains("n")), (Some("1"), true));
        draft.set_with("s", &1, Ttl::Sliding(seconds(5))).unwrap();
        assert!(draft.finish().unwrap().is_none());
        assert!(view(&base, at(second)).json("s").is_some());
    }
    assert_eq!((base.revision.get(), base.entries.to_packed(), base.next_deadline()), (1, packed, Some(at(18))));
    // A commit of another key, and one of the same key with the same ttl, copies no row of it.
    let other = commit_at(&base, at(14), |draft| draft.set("n", &2).unwrap());
    let same = commit_at(&other, at(14), |draft| assert_eq!(draft.increment("s", 1).unwrap(), 2));
    assert!(base.sliding().is(other.sliding()) && base.sliding().is(same.sliding()));
    let expired = commit_at(&same, at(19), |draft| draft.set("n", &3).unwrap());
    assert!(!same.sliding().is(expired.sliding()) && expired.sliding().is(&Default::default()));
}

#[test]
fn deadlines_that_moved_on_are_found_again_by_whoever_commits() {
    let keys = || (0..200).map(|n| format!("key{n:03}"));
    let mut base = commit_at(&empty(), at(0), |draft| {
        keys().for_each(|key| draft.set_with(&key, &1, Ttl::Sliding(seconds(10))).unwrap());
    });
    for second in 1..100_u64 {
        // Every key is used every five seconds, but one more of them is left alone from each second on.
        let used = keys().skip(second as usize).filter(|_| second.is_multiple_of(5));
        used.for_each(|key| assert!(view(&base, at(second)).json(&key).is_some()));
        let refused = Draft::stage(Arc::clone(&base), at(second), StateLimits { bytes: 1_024, ..LIMITS });
        let mut draft = refused;
        draft.set("big", &"x".repeat(4_000)).unwrap();
        assert!(draft.finish().is_err());
        let older = Arc::clone(&base);
        base = commit_at(&base, at(second), |draft| draft.set("second", &second).unwrap());
        // Whoever goes back to an older revision finds the same.
        let again = commit_at(&older, at(second), |draft| draft.set("second", &second).unwrap());
        assert!(again.entries.iter().eq(base.entries.iter()));
        let live = base.sliding().last_uses().filter(|(_, last)| last.after(seconds(10)) > at(second)).count();
        assert_eq!(base.entries.len(), live + 1, "second {second}");
        assert!(base.quiet_until() <= base.next_deadline().unwrap());
        assert!(base.quiet_until() > at(second));
    }
    assert!(base.entries.len() < 120);
}

#[test]
fn a_sweep_of_an_older_revision_takes_nothing_from_the_next() {
    let base = commit_at(&empty(), at(10), |draft| draft.set_with("a", &1, Ttl::Sliding(seconds(5))).unwrap());
    let next = commit_at(&base, at(11), |draft| draft.set_with("b", &1, Ttl::Sliding(seconds(1))).unwrap());
    // The sweep took its reference before the commit, and looks at it after.
    assert_eq!(base.purged(at(15)).unwrap().entries.len(), 0);
    let swept = commit_at(&next, at(15), |draft| draft.set("n", &1).unwrap());
    assert_eq!(swept.entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), ["n"]);
}
