use serde_json::json;

use super::*;
use crate::error::{DraftError, Limit, LimitExceeded};

#[test]
fn a_change_is_seen_in_the_draft_at_once_and_in_the_base_never() {
    let base = holding(&json!({"a": 1, "b": 2}));
    let mut draft = draft(&base);
    draft.set("c", &3).unwrap();
    assert!(draft.remove("a") && !draft.remove("a") && !draft.remove("nothing"));
    draft.set_json("b", Json::parse("[2]").unwrap()).unwrap();
    assert_eq!(draft.entries().collect::<Vec<_>>(), [("b", "[2]"), ("c", "3")]);
    assert_eq!((draft.len(), draft.contains("a"), draft.is_empty()), (2, false, false));
    assert_eq!(draft.get::<u8>("c").unwrap(), Some(3));
    assert_eq!(draft.get::<u8>("a").unwrap(), None);
    assert!(matches!(draft.get::<u8>("b"), Err(DraftError::Decode(_))));
    let next = Arc::new(draft.finish().unwrap().unwrap());
    assert_eq!(view(&base, at(1)).state::<serde_json::Value>().unwrap(), json!({"a": 1, "b": 2}));
    assert_eq!(view(&next, at(1)).state::<serde_json::Value>().unwrap(), json!({"b": [2], "c": 3}));
}

#[test]
fn revisions_of_a_session_grow_by_one_and_entries_keep_their_own() {
    let one = commit(&empty(), |draft| draft.set("a", &1).unwrap());
    let two = commit(&one, |draft| {
        draft.set("b", &1).unwrap();
        draft.set("a", &1).unwrap();
    });
    assert_eq!((one.revision.get(), two.revision.get()), (1, 2));
    let view = view(&two, at(1));
    assert_eq!(view.entry("a").unwrap().revision.get(), 1);
    assert_eq!(view.entry("b").unwrap().revision.get(), 2);
}

#[test]
fn a_change_to_what_is_there_already_is_none() {
    let base = commit(&empty(), |draft| {
        draft.set("a", &json!({"x": 1})).unwrap();
        draft.set_with("ttl", &1, Ttl::Absolute(seconds(10))).unwrap();
        draft.set_with("slide", &1, Ttl::Sliding(seconds(10))).unwrap();
        draft.metadata_mut().label = Some("l".into());
    });
    let changes: [Step<'_, Draft>; 12] = [
        &|_| {},
        &|draft| draft.set("a", &json!({"x": 1})).unwrap(),
        &|draft| draft.set_json("a", Json::parse(" {\"x\" :1}").unwrap()).unwrap(),
        &|draft| draft.set_with("ttl", &1, Ttl::Absolute(seconds(10))).unwrap(),
        &|draft| draft.set_with("slide", &1, Ttl::Sliding(seconds(10))).unwrap(),
        &|draft| assert_eq!(draft.increment("ttl", 0).unwrap(), 1),
        &|draft| assert_eq!([1, -1].map(|by| draft.increment("ttl", by).unwrap()), [2, 1]),
        &|draft| {
            draft.set("new", &1).unwrap();
            draft.remove("new");
        },
        &|draft| {
            draft.remove("a");
            draft.set("a", &json!({"x": 1})).unwrap();
        },
        &|draft| drop(draft.merge_patch(&json!({"a": {"x": 1}, "nothing": null})).unwrap()),
        &|draft| drop(draft.json_patch(&json!([{"op": "test", "path": "/a/x", "value": 1.0}])).unwrap()),
        &|draft| draft.metadata_mut().label = Some("l".into()),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut draft = draft(&base);
        change(&mut draft);
        assert!(draft.finish().unwrap().is_none(), "change {index}");
    }
    // Another ttl is a change, and so is none.
    for ttl in [Ttl::Never, Ttl::Absolute(seconds(11)), Ttl::Sliding(seconds(10))] {
        let mut draft = draft(&base);
        draft.set_with("ttl", &1, ttl).unwrap();
        assert!(draft.finish().unwrap().is_some(), "{ttl:?}");
    }
    let mut draft = draft(&base);
    draft.lifetime_mut().idle = Some(seconds(1));
    assert_eq!(draft.finish().unwrap().unwrap().lifetime().idle, Some(seconds(1)));
}

#[test]
fn keys_are_ordinary_text() {
    let mut draft = draft(&empty());
    for key in ["__proto__", "constructor", "a/b", "~", "\u{e4} \u{1F600}", "$serde_json::private::RawValue", " "] {
        draft.set(key, &key).unwrap();
        assert_eq!(draft.get::<String>(key).unwrap().as_deref(), Some(key));
    }
    assert_eq!(draft.len(), 7);
    draft.merge_patch(&json!({"__proto__": {"x": 1}})).unwrap();
    draft.json_patch(&json!([{"op": "add", "path": "/a~1b", "value": 1}])).unwrap();
    assert_eq!((draft.json("__proto__"), draft.json("a/b")), (Some("{\"x\":1}"), Some("1")));
    for key in ["", "a\nb", "\u{0}", "\u{85}"] {
        assert!(matches!(draft.set(key, &1), Err(DraftError::InvalidKey)), "{key:?}");
    }
    assert_eq!(draft.len(), 7);
}

#[test]
fn caps_on_keys_and_values_hold_on_every_way_in_and_leave_the_draft_as_it_was() {
    let base = commit(&empty(), |draft| {
        draft.set("array", &["x".repeat(90)]).unwrap();
        draft.set("text", &"x".repeat(90)).unwrap();
        draft.set("n", &99).unwrap();
    });
    let limits = StateLimits { value_bytes: 100, key_bytes: 8, ..LIMITS };
    let mut draft = Draft::stage(base, at(1), limits);
    let before: Vec<_> = draft.entries().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let long = "x".repeat(99);
    type Try<'a> = Step<'a, Draft, Result<(), DraftError>>;
    let tries: [(Try<'_>, Limit, u64); 9] = [
        (&|draft| draft.set("123456789", &1), Limit::KeyBytes, 9),
        (&|draft| draft.set("k", &long), Limit::ValueBytes, 101),
        (&|draft| draft.set_json("k", Json::of(&long)?), Limit::ValueBytes, 101),
        (&|draft| draft.append("array", "12345").map(drop), Limit::ValueBytes, 102),
        (&|draft| draft.increment("123456789", 1).map(drop), Limit::KeyBytes, 9),
        (&|draft| draft.merge_patch(&json!({"n": 1, "text": long})).map(drop), Limit::ValueBytes, 101),
        (&|draft| draft.merge_patch(&json!({"n": 1, "123456789": 1})).map(drop), Limit::KeyBytes, 9),
        (
            &|draft| {
                let patch =
                    json!([{"op": "remove", "path": "/n"}, {"op": "add", "path": "/array/-", "value": "12345"}]);
                draft.json_patch(&patch).map(drop)
            },
            Limit::ValueBytes,
            102,
        ),
        (
            &|draft| draft.store(&Json::of(&json!({"n": 99})).unwrap(), &json!({"m": 1, "z": long})).map(drop),
            Limit::ValueBytes,
            101,
        ),
    ];
    for (index, (attempt, limit, attempted)) in tries.iter().enumerate() {
        let Err(DraftError::LimitExceeded(error)) = attempt(&mut draft) else { panic!("try {index}") };
        assert_eq!((error.limit, error.attempted), (*limit, *attempted), "try {index}");
        assert!(draft.entries().eq(before.iter().map(|(key, value)| (&**key, &**value))), "try {index}");
    }
    assert!(draft.finish().unwrap().is_none());
}

#[test]
fn caps_on_the_session_name_their_figures_and_let_it_shrink() {
    let base = holding(&json!({"a": 1, "b": 2, "c": 3}));
    let stage = |entries, bytes| Draft::stage(Arc::clone(&base), at(1), StateLimits { entries, bytes, ..LIMITS });
    let mut draft = stage(3, 1_000);
    draft.set("d", &4).unwrap();
    let expected = LimitExceeded { limit: Limit::Entries, allowed: 3, attempted: 4 };
    assert_eq!(draft.finish().err(), Some(expected));
    let mut draft = stage(10, 8);
    draft.set("a", &1_000).unwrap();
    let expected = LimitExceeded { limit: Limit::SessionBytes, allowed: 8, attempted: 9 };
    assert_eq!(draft.finish().err(), Some(expected));
    let mut draft = stage(10, 8);
    draft.metadata_mut().label = Some("abc".into());
    assert_eq!(draft.finish().err(), Some(expected));
    // The caps were lowered below what is there.
    let mut draft = stage(1, 2);
    draft.remove("a");
    let smaller = draft.finish().unwrap().unwrap();
    assert_eq!((smaller.entries.len(), smaller.bytes), (2, 4));
    let mut draft = stage(1, 2);
    draft.set("d", &4).unwrap();
    let expected = LimitExceeded { limit: Limit::Entries, allowed: 1, attempted: 4 };
    assert_eq!(draft.finish().err(), Some(expected));
    let mut draft = stage(10, 2);
    draft.set("d", &4).unwrap();
    let expected = LimitExceeded { limit: Limit::SessionBytes, allowed: 2, attempted: 8 };
    assert_eq!(draft.finish().err(), Some(expected));
}

#[test]
fn increment_counts_integers_only() {
    let base = holding(&json!({"n": 41, "max": i64::MAX, "f": 1.5, "s": "1", "null": null, "big": u64::MAX, "min": -1,
            "list": [1], "flag": true, "map": {}}));
    let mut draft = draft(&base);
    assert_eq!(draft.increment("n", 1).unwrap(), 42);
    assert_eq!(draft.increment("n", -50).unwrap(), -8);
    assert_eq!(draft.increment("min", 2).unwrap(), 1);
    assert_eq!(draft.increment("new", 5).unwrap(), 5);
    assert_eq!(draft.increment("zero", 0).unwrap(), 0);
    assert_eq!(draft.json("zero"), Some("0"));
    assert!(matches!(draft.increment("max", 1), Err(DraftError::Overflow)));
    assert!(matches!(draft.increment("big", 1), Err(DraftError::Overflow)));
    for (key, kind) in [
        ("f", "a number with a fraction"),
        ("s", "a string"),
        ("null", "null"),
        ("list", "an array"),
        ("flag", "a boolean"),
        ("map", "an object"),
    ] {
        let Err(DraftError::WrongType { needed: "an integer", found }) = draft.increment(key, 1) else { panic!() };
        assert_eq!(found, kind);
    }
    assert_eq!(draft.json("max"), Some("9223372036854775807"));
}

#[test]
fn append_extends_arrays_only_and_keeps_spelling() {
    let base = commit(&empty(), |draft| {
        draft.set_json("a", Json::parse("[1.0,\"],[\",[2,3]]").unwrap()).unwrap();
        draft.set("o", &json!({"a": []})).unwrap();
        draft.set("s", "]").unwrap();
    });
    let mut draft = draft(&base);
    assert_eq!(draft.append("a", &json!({"x": [1, 2]})).unwrap(), 4);
    assert_eq!(draft.json("a"), Some("[1.0,\"],[\",[2,3],{\"x\":[1,2]}]"));
    assert_eq!(draft.append("new", "x").unwrap(), 1);
    assert_eq!(draft.append("new", "y").unwrap(), 2);
    assert_eq!(draft.json("new"), Some("[\"x\",\"y\"]"));
    for (key, kind) in [("o", "an object"), ("s", "a string")] {
        let Err(DraftError::WrongType { needed: "an array", found }) = draft.append(key, &1) else { panic!() };
        assert_eq!(found, kind);
    }
    let deep = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
    assert!(draft.append("deep", &deep(99)).is_ok());
    let Err(DraftError::LimitExceeded(error)) = draft.append("deep", &deep(100)) else { panic!() };
    assert_eq!(error, LimitExceeded { limit: Limit::Depth, allowed: 100, attempted: 101 });
    // Only commas between its own items count.
    for (text, items) in
        [("[]", 0), ("[[]]", 1), ("[[1,2],[3],{\"a\":[4,5],\"b\":6},7]", 4), ("[\"a,b\",\"[\",\"\\\",[\",\"{\",1]", 5)]
    {
        draft.set_json("items", Json::parse(text).unwrap()).unwrap();
        assert_eq!(draft.append("items", &0).unwrap(), items + 1, "{text}");
    }
}

#[test]
fn clear_removes_everything_and_may_be_written_after() {
    let base = holding(&json!({"a": 1, "b": 2}));
    let mut draft = draft(&base);
    draft.set("c", &3).unwrap();
    draft.clear();
    assert!(draft.is_empty() && draft.entries().next().is_none());
    draft.set("b", &2).unwrap();
    let next = Arc::new(draft.finish().unwrap().unwrap());
    assert_eq!(view(&next, at(1)).entry("b").unwrap().revision.get(), 1);
    assert_eq!(next.entries.len(), 1);
}

#[test]
fn a_typed_state_writes_its_difference_and_nothing_else() {
    let base = commit(&empty(), |draft| {
        for (key, text) in
            [("count", "1"), ("name", "\"n\""), ("other", "123456789012345678901234567890"), ("gone", "0")]
        {
            draft.set_json(key, Json::parse(text).unwrap()).unwrap();
        }
        draft.set_with("count", &1, Ttl::Sliding(seconds(9))).unwrap();
    });
    let mut draft = draft(&base);
    let mut state: std::collections::BTreeMap<String, serde_json::Value> = draft.state().unwrap();
    state.remove("other");
    let before = Json::of(&state).unwrap();
    state.insert("count".into(), json!(2));
    state.insert("new".into(), json!([]));
    state.remove("gone");
    assert_eq!(draft.store(&before, &state).unwrap(), ["count", "gone", "new"]);
    let next = Arc::new(draft.finish().unwrap().unwrap());
    let view = view(&next, at(1));
    assert_eq!(view.json("other"), Some("123456789012345678901234567890"));
    assert_eq!((view.json("count"), view.json("gone"), view.json("new")), (Some("2"), None, Some("[]")));
    assert_eq!(view.entry("count").unwrap().expires_at, Some(at(10)));
    assert_eq!(view.entry("name").unwrap().revision.get(), 1);
    let mut draft = super::draft(&base);
    assert!(matches!(draft.store(&before, &[1]), Err(DraftError::WrongType { needed: "an object", .. })));
}

#[test]
fn metadata_is_checked_at_commit() {
    let cases: [(Step<'_, Metadata>, Limit); 6] = [
        (&|metadata| metadata.label = Some("x".repeat(257)), Limit::TextBytes),
        (&|metadata| metadata.origin = Some("x".repeat(257)), Limit::TextBytes),
        (&|metadata| metadata.tags = ["x".repeat(257)].into(), Limit::TextBytes),
        (&|metadata| metadata.tags = (0..17).map(|n| n.to_string()).collect(), Limit::Tags),
        (&|metadata| metadata.custom = Some(Json::of(&"x".repeat(4_095)).unwrap()), Limit::CustomBytes),
        (&|metadata| metadata.attachment = Some(Json::of(&"x".repeat(65_535)).unwrap()), Limit::CustomBytes),
    ];
    for (change, limit) in cases {
        let mut draft = draft(&empty());
        change(draft.metadata_mut());
        assert_eq!(draft.finish().err().unwrap().limit, limit);
    }
    let mut draft = draft(&empty());
    draft.metadata_mut().label = Some("four".into());
    draft.metadata_mut().tags = ["ab".to_owned()].into();
    assert_eq!(draft.metadata().label.as_deref(), Some("four"));
    let next = draft.finish().unwrap().unwrap();
    assert_eq!((next.bytes, next.revision.get()), (6, 1));
}

#[test]
fn all_that_a_session_says_of_itself_counts() {
    let json = |bytes: usize| Some(Json::of(&"x".repeat(bytes - 2)).unwrap());
    let parts: [(Step<'_, Metadata>, u64); 6] = [
        (&|metadata| metadata.label = Some("four".into()), 4),
        (&|metadata| metadata.user_agent = Some("xx".into()), 2),
        (&|metadata| metadata.origin = Some("xxx".into()), 3),
        (&|metadata| metadata.tags = ["a".into(), "bc".into()].into(), 3),
        (&|metadata| metadata.custom = json(7), 7),
        (&|metadata| metadata.attachment = json(5), 5),
    ];
    let (mut all, mut sum) = (Metadata::default(), 0);
    for (index, (change, bytes)) in parts.iter().enumerate() {
        let mut alone = Metadata::default();
        change(&mut alone);
        assert_eq!(alone.bytes(), *bytes, "part {index}");
        change(&mut all);
        sum += bytes;
        assert_eq!(all.bytes(), sum, "up to part {index}");
    }
}

#[test]
fn revisions_share_what_none_of_them_changed() {
    let shares = |limits: StateLimits| {
        let mut draft = Draft::stage(empty(), at(1), limits);
        draft.metadata_mut().label = Some("label".to_owned());
        draft.set("a", &1).unwrap();
        let base = Arc::new(draft.finish().unwrap().unwrap());
        let mut draft = Draft::stage(Arc::clone(&base), at(1), limits);
        draft.set("a", &2).unwrap();
        std::ptr::eq(base.uncommon(), draft.finish().unwrap().unwrap().uncommon())
    };
    assert!(shares(LIMITS));
    assert!(shares(StateLimits { at_entries: AtCapacity::Evict, ..LIMITS }));
}

#[test]
fn views_and_drafts_tell_their_revision_and_no_content() {
    let base = commit(&empty(), |draft| {
        draft.set("secret", "secret").unwrap();
        draft.metadata_mut().label = Some("secret".to_owned());
    });
    let mut draft = draft(&base);
    draft.set("secret", "other").unwrap();
    assert_eq!((draft.revision().get(), draft.now()), (1, at(1)));
    assert_eq!(format!("{draft:?}"), "Draft { revision: Revision(1), staged: 1, .. }");
    let view = view(&base, at(1));
    assert_eq!((view.revision().get(), view.bytes()), (1, 6 + 8 + 6));
    assert_eq!(view.metadata().label.as_deref(), Some("secret"));
    let told = format!("{view:?}");
    assert!(told.starts_with("View { revision: Revision(1), now: ") && !told.contains("secret"), "{told}");
}

#[test]
fn views_and_drafts_go_where_they_have_to() {
    fn shared<T: Send + Sync + Clone>() {}
    fn sent<T: Send>() {}
    shared::<View>();
    shared::<Json>();
    sent::<Draft>();
    let view = view(&empty(), at(1));
    fn is_send<T: Send>(_: T) {}
    is_send(view.entries());
}

#[test]
fn pages_follow_one_another() {
    let base = commit(&empty(), |draft| {
        for key in ["a", "b/1", "b/2", "b/3", "c"] {
            draft.set(key, &1).unwrap();
        }
    });
    let view = view(&base, at(1));
    let page =
        |prefix: &str, after: Option<&str>| -> Vec<_> { view.entries_from(prefix, after).map(|e| e.key).collect() };
    assert_eq!(page("b/", None), ["b/1", "b/2", "b/3"]);
    assert_eq!(page("b/", Some("b/1")), ["b/2", "b/3"]);
    assert_eq!(page("b/", Some("b/15")), ["b/2", "b/3"]);
    assert_eq!(page("b/", Some("a")), ["b/1", "b/2", "b/3"]);
    assert_eq!(page("b/", Some("c")), [""; 0]);
    assert_eq!(page("c", Some("a")), ["c"]);
    assert_eq!(page("", Some("b/3")), ["c"]);
    assert_eq!(page("", None).len(), view.len());
}
