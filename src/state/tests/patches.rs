use serde_json::{Value, json};

use super::*;
use crate::error::{DraftError, Limit};
use crate::state::node::Node;

/// The table of RFC 7396, appendix A, as values of one key; where a row's patch is no object it is given as it is.
#[test]
fn merge_patch_does_what_the_rfc_shows() {
    for (original, patch, result) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        let base = holding(&json!({"k": original, "stays": 1}));
        let mut draft = draft(&base);
        draft.merge_patch(&json!({"k": patch})).unwrap();
        assert_eq!(whole(&draft), json!({"k": result, "stays": 1}), "{original} with {patch}");
        // Rows of objects hold for the whole state too.
        if original.is_object() && patch.is_object() {
            let mut draft = super::draft(&holding(&original));
            draft.merge_patch(&patch).unwrap();
            assert_eq!(whole(&draft), result, "{original} with {patch}");
        }
    }
    let mut draft = draft(&holding(&json!({"a": "foo"})));
    for patch in [json!(null), json!("bar"), json!([1])] {
        assert!(matches!(draft.merge_patch(&patch), Err(DraftError::Patch(_))));
    }
}

#[test]
fn patches_tell_what_changed_and_leave_the_rest_spelled_as_it_was() {
    let spelled = "{\"z\":1.0,\"id\":123456789012345678901234567890,\"in\":{\"y\":1E2,\"x\":2}}";
    let base = commit(&empty(), |draft| {
        draft.set_json("k", Json::parse(spelled).unwrap()).unwrap();
        draft.set("l", &1).unwrap();
    });
    let mut draft = draft(&base);
    let changed = draft.merge_patch(&json!({"l": 1, "k": {"in": {"x": 3}}, "m": {}, "n": null})).unwrap();
    assert_eq!(changed, ["k", "m"]);
    assert_eq!(draft.json("k"), Some("{\"z\":1.0,\"id\":123456789012345678901234567890,\"in\":{\"y\":1E2,\"x\":3}}"));
    let patch = json!([
        {"op": "copy", "from": "/k/id", "path": "/id"},
        {"op": "move", "from": "/k/in/y", "path": "/k/y"},
        {"op": "remove", "path": "/m"},
        {"op": "test", "path": "/l", "value": 1}
    ]);
    assert_eq!(draft.json_patch(&patch).unwrap(), ["id", "k", "m"]);
    assert_eq!(draft.json("id"), Some("123456789012345678901234567890"));
    assert_eq!(draft.json("k"), Some("{\"z\":1.0,\"id\":123456789012345678901234567890,\"in\":{\"x\":3},\"y\":1E2}"));
}

/// RFC 6902, appendix A; `None` where the patch has to fail.
#[test]
fn json_patch_does_what_the_rfc_shows() {
    for (section, doc, patch, result) in [
        (
            "A.1",
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            Some(json!({"baz": "qux", "foo": "bar"})),
        ),
        (
            "A.2",
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            Some(json!({"foo": ["bar", "qux", "baz"]})),
        ),
        (
            "A.3",
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "remove", "path": "/baz"}]),
            Some(json!({"foo": "bar"})),
        ),
        (
            "A.4",
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            Some(json!({"foo": ["bar", "baz"]})),
        ),
        (
            "A.5",
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
            Some(json!({"baz": "boo", "foo": "bar"})),
        ),
        (
            "A.6",
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            Some(json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}})),
        ),
        (
            "A.7",
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            Some(json!({"foo": ["all", "cows", "eat", "grass"]})),
        ),
        (
            "A.8",
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
            json!([{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}]),
            Some(json!({"baz": "qux", "foo": ["a", 2, "c"]})),
        ),
        ("A.9", json!({"baz": "qux"}), json!([{"op": "test", "path": "/baz", "value": "bar"}]), None),
        (
            "A.10",
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/child", "value": {"grandchild": {}}}]),
            Some(json!({"foo": "bar", "child": {"grandchild": {}}})),
        ),
        (
            "A.11",
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}]),
            Some(json!({"foo": "bar", "baz": "qux"})),
        ),
        ("A.12", json!({"foo": "bar"}), json!([{"op": "add", "path": "/baz/bat", "value": "qux"}]), None),
        (
            "A.14",
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": 10}]),
            Some(json!({"/": 9, "~1": 10})),
        ),
        ("A.15", json!({"/": 9, "~1": 10}), json!([{"op": "test", "path": "/~01", "value": "10"}]), None),
        (
            "A.16",
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
            Some(json!({"foo": ["bar", ["abc", "def"]]})),
        ),
        (
            "numbers",
            json!({"n": 1, "o": {"n": [1.5]}}),
            json!([{"op": "test", "path": "/n", "value": 1.0}, {"op": "test", "path": "/o", "value": {"n": [1.5]}}]),
            Some(json!({"n": 1, "o": {"n": [1.5]}})),
        ),
        (
            "root",
            json!({"a": 1, "b": 2}),
            json!([{"op": "replace", "path": "", "value": {"b": 2, "c": 3}}]),
            Some(json!({"b": 2, "c": 3})),
        ),
        ("root test", json!({"a": 1}), json!([{"op": "test", "path": "", "value": {"a": 1}}]), Some(json!({"a": 1}))),
        (
            "root copy",
            json!({"a": 1}),
            json!([{"op": "copy", "from": "", "path": "/b"}]),
            Some(json!({"a": 1, "b": {"a": 1}})),
        ),
        (
            "root move",
            json!({"a": {"b": 1}, "c": 2}),
            json!([{"op": "move", "from": "/a", "path": ""}]),
            Some(json!({"b": 1})),
        ),
        ("root array", json!({"a": 1}), json!([{"op": "replace", "path": "", "value": [1]}]), None),
        ("root gone", json!({"a": 1}), json!([{"op": "remove", "path": ""}]), None),
        ("into itself", json!({"a": {"b": 1}}), json!([{"op": "move", "from": "/a", "path": "/a/b"}]), None),
        ("onto itself", json!({"a": 1}), json!([{"op": "move", "from": "/a", "path": "/a"}]), Some(json!({"a": 1}))),
        (
            "similar name",
            json!({"a": 1, "ab": {}}),
            json!([{"op": "move", "from": "/a", "path": "/ab/c"}]),
            Some(json!({"ab": {"c": 1}})),
        ),
        ("index", json!({"a": [1]}), json!([{"op": "add", "path": "/a/2", "value": 1}]), None),
        ("leading zero", json!({"a": [1]}), json!([{"op": "replace", "path": "/a/00", "value": 1}]), None),
        ("end", json!({"a": [1]}), json!([{"op": "remove", "path": "/a/-"}]), None),
        ("in text", json!({"a": "text"}), json!([{"op": "add", "path": "/a/b", "value": 1}]), None),
        ("missing", json!({}), json!([{"op": "replace", "path": "/a", "value": 1}]), None),
        ("unknown", json!({}), json!([{"op": "spam", "path": "/a", "value": 1}]), None),
        ("no value", json!({}), json!([{"op": "add", "path": "/a"}]), None),
        ("no slash", json!({}), json!([{"op": "add", "path": "a", "value": 1}]), None),
        ("no list", json!({}), json!({"op": "add", "path": "/a", "value": 1}), None),
        ("empty key", json!({}), json!([{"op": "add", "path": "/", "value": 1}]), None),
    ] {
        let mut draft = draft(&holding(&doc));
        let outcome = draft.json_patch(&patch);
        match result {
            Some(result) => {
                outcome.unwrap_or_else(|error| panic!("{section}: {error}"));
                assert_eq!(whole(&draft), result, "{section}");
            }
            None => {
                assert!(matches!(outcome, Err(DraftError::Patch(_) | DraftError::InvalidKey)), "{section}");
                assert_eq!(whole(&draft), doc, "{section}");
            }
        }
    }
}

#[test]
fn a_json_patch_that_fails_late_leaves_the_draft_as_it_was() {
    let mut draft = draft(&holding(&json!({"a": {"b": [1, 2]}, "c": 1})));
    draft.set("c", &2).unwrap();
    let before = whole(&draft);
    let patch = json!([
        {"op": "remove", "path": "/a/b/0"},
        {"op": "move", "from": "/c", "path": "/d"},
        {"op": "test", "path": "/d", "value": 3}
    ]);
    let Err(DraftError::Patch(why)) = draft.json_patch(&patch) else { panic!() };
    assert_eq!(why, "operation 2 at \"/d\": the value is not the one tested for");
    assert_eq!(whole(&draft), before);
}

#[test]
fn copies_of_copies_are_capped_in_bytes_and_depth() {
    let mut draft = draft(&holding(&json!({"a": {"text": "x".repeat(1_000)}, "d": {}})));
    let wide: Vec<Value> = (0..40).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")})).collect();
    let Err(DraftError::LimitExceeded(error)) = draft.json_patch(&Value::Array(wide)) else { panic!() };
    assert_eq!((error.limit, error.allowed), (Limit::SessionBytes, LIMITS.bytes));
    let mut path = String::from("/d");
    let deep: Vec<Value> = (0..12)
        .map(|_| {
            let from = "/d";
            let to = format!("{path}/x");
            path = to.clone() + &path[2..];
            json!({"op": "copy", "from": from, "path": to})
        })
        .collect();
    let Err(DraftError::LimitExceeded(error)) = draft.json_patch(&Value::Array(deep)) else { panic!() };
    assert_eq!(error.limit, Limit::Depth);
    assert_eq!(draft.len(), 2);
    // Merging is bounded the same way.
    let deep = |levels| (0..levels).fold(json!(1), |value, _| json!({ "a": value }));
    let Err(DraftError::LimitExceeded(error)) = draft.merge_patch(&deep(102)) else { panic!() };
    assert_eq!((error.limit, error.allowed, error.attempted), (Limit::Depth, 100, 101));
    assert!(draft.merge_patch(&deep(101)).is_ok());
}

#[test]
fn what_is_too_deep_in_between_is_refused_too() {
    for (levels, fits) in [(97, true), (98, false)] {
        let mut draft = draft(&holding(&json!({"d": {"x": {"x": {}}}})));
        let deep = (0..levels).fold(json!(1), |value, _| json!([value]));
        for op in ["add", "replace"] {
            let first = json!({"op": "add", "path": "/d/x/x/y", "value": 1});
            let put = json!({"op": op, "path": "/d/x/x/y", "value": deep});
            let gone = json!({"op": "remove", "path": "/d/x/x/y"});
            match draft.json_patch(&json!([first, put, gone])) {
                Ok(_) => assert!(fits, "{op} {levels}"),
                Err(DraftError::LimitExceeded(error)) => {
                    assert!(!fits, "{op} {levels}");
                    assert_eq!((error.limit, error.allowed, error.attempted), (Limit::Depth, 100, 101));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_tested_value_is_equal_by_content_whatever_its_spelling() {
    let big = 9_007_199_254_740_993_i64;
    for (held, tested, equal) in [
        (json!(1), json!(1.0), true),
        (json!(1.5), json!(2.5), false),
        (json!(big), json!(big - 1), false),
        (json!([1, 2]), json!([1.0, 2.0]), true),
        (json!([1, 2]), json!([1, 3]), false),
        (json!([1, 2]), json!([1]), false),
        (json!([]), json!([1]), false),
        (json!({"a": [1], "b": {}}), json!({"b": {}, "a": [1.0]}), true),
        (json!({"a": 1}), json!({"a": 2}), false),
        (json!({"a": 1}), json!({"b": 1}), false),
        (json!({"a": 1}), json!({"a": 1, "b": 1}), false),
        (json!({"a": 1, "b": 1}), json!({"a": 1}), false),
        (json!("1"), json!(1), false),
    ] {
        let mut draft = draft(&holding(&json!({ "k": held })));
        let patch = json!([{"op": "test", "path": "/k", "value": tested}]);
        assert_eq!(draft.json_patch(&patch).is_ok(), equal, "{held} {tested}");
    }
}

#[test]
fn what_is_opened_measures_as_its_text_does() {
    let text = "{\"ab\":[1,22,[]],\"c\":\"x\",\"d\":{\"e\":{}}}";
    let mut node = Node::from(&Json::parse(text).unwrap());
    assert_eq!(node.measure(), (text.len() as u64, 3));
    node.open();
    // One comma more than there is, in each array or object that is open and not empty.
    assert_eq!((node.text(), node.measure()), (text.to_owned(), (text.len() as u64 + 1, 3)));
    let Node::Object(members) = &mut node else { panic!() };
    members.get_mut("ab").unwrap().open();
    members.get_mut("d").unwrap().open();
    assert_eq!((node.text(), node.measure()), (text.to_owned(), (text.len() as u64 + 3, 3)));
}
