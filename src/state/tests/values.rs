use serde_json::{Value, json};

use super::*;
use crate::error::{DraftError, Limit};

#[test]
fn text_is_kept_as_spelled_and_made_compact() {
    for (text, compact) in [
        (" { \"a\" : [ 1 , 2.0e0 ] , \"b c\" : \" x \\\" y \" } ", "{\"a\":[1,2.0e0],\"b c\":\" x \\\" y \"}"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("\t-0\n", "-0"),
        ("\"\\u00e4\\\\ \"", "\"\\u00e4\\\\ \""),
        ("[1E5,0.10]", "[1E5,0.10]"),
        ("[ ]", "[]"),
        ("{\n}", "{}"),
        ("\"\u{1F600} \\ud83d\\ude00\"", "\"\u{1F600} \\ud83d\\ude00\""),
    ] {
        assert_eq!(Json::parse(text).unwrap().as_str(), compact);
    }
    assert_eq!(Json::of(&u128::MAX).unwrap().as_str(), u128::MAX.to_string());
    assert_eq!(Json::parse("1.0").unwrap().to::<f64>().unwrap(), 1.0);
    assert!(matches!(Json::parse("1.0").unwrap().to::<String>(), Err(DraftError::Decode(_))));
}

#[test]
fn what_is_not_one_json_value_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "nul",
        "truefalse",
        "1 2",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "\"",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "1e999",
        "NaN",
        "[1}",
        "{\"a\":1]",
        "]",
        "\u{feff}1",
        "\u{a0}1",
        "'a'",
        "[1 2]",
    ] {
        assert!(matches!(Json::parse(text), Err(DraftError::NotJson(_))), "{text}");
    }
}

#[test]
fn a_number_beyond_the_range_of_a_double_is_refused_however_it_is_spelled() {
    let power = |exponent| format!("1{}", "0".repeat(exponent));
    for text in [power(308), format!("-{}.5", power(308)), "1e308".to_owned(), format!("0.{}", power(400))] {
        assert!(Json::parse(&text).is_ok(), "{text}");
        assert!(Json::parse(&format!("[{text}]")).is_ok(), "{text}");
    }
    for text in [power(309), format!("-{}.5", power(309)), "1e309".to_owned()] {
        assert!(matches!(Json::parse(&text), Err(DraftError::NotJson(_))), "{text}");
    }
}

#[test]
fn a_member_named_twice_is_refused_at_any_depth_and_in_any_spelling() {
    for (text, name) in [
        ("{\"a\":1,\"b\":2,\"a\":3}", "a"),
        ("[{\"x\":{\"y\":1,\"y\":1}}]", "y"),
        ("{\"a\":1,\"\\u0061\":2}", "a"),
        ("{\"\":1,\"\":2}", ""),
    ] {
        assert!(matches!(Json::parse(text), Err(DraftError::DuplicateMember(found)) if found == name), "{text}");
    }
    assert!(Json::parse("[{\"a\":{\"a\":1}},{\"a\":{\"b\":1}}]").is_ok());
}

#[test]
fn depth_is_capped_on_both_ways_in() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(Json::parse(&nested(100)).is_ok());
    for levels in [101, 1_000_000] {
        let Err(DraftError::LimitExceeded(error)) = Json::parse(&nested(levels)) else { panic!() };
        assert_eq!((error.limit, error.allowed, error.attempted), (Limit::Depth, 100, 101));
    }
    let deep = |levels| (0..levels).fold(Value::Null, |value, _| json!({ "a": value }));
    assert!(Json::of(&deep(100)).is_ok());
    let Err(DraftError::LimitExceeded(error)) = Json::of(&deep(101)) else { panic!() };
    assert_eq!((error.limit, error.allowed, error.attempted), (Limit::Depth, 100, 101));
    // Side by side is not deep.
    assert!(Json::of(&vec![vec![0; 2]; 200]).is_ok());
    assert!(Json::of(&vec![json!({"a": {}}); 200]).is_ok());
}

#[test]
fn what_serialize_writes_is_checked_too() {
    struct Twice;
    impl serde::Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([("a", 1), ("a", 2)])
        }
    }
    assert!(matches!(Json::of(&Twice), Err(DraftError::DuplicateMember(_))));
    let raw = serde_json::value::RawValue::from_string("{ \"a\" : 1.00 }".to_owned()).unwrap();
    assert_eq!(Json::of(&raw).unwrap().as_str(), "{\"a\":1.00}");
    let unkeyed = std::collections::BTreeMap::from([(vec![1], 1)]);
    assert!(matches!(Json::of(&unkeyed), Err(DraftError::Encode(_))));
}

#[test]
fn a_value_serializes_as_itself() {
    let value = Json::parse("{\"n\":123456789012345678901234567890}").unwrap();
    assert_eq!(Json::of(&[&value]).unwrap().as_str(), format!("[{value}]"));
}

/// The oracle is serde_json: it accepts what we accept, but for duplicates and depth.
#[test]
fn the_scan_agrees_with_serde_json_on_mutated_text() {
    let seeds = [
        "{\"a\":[1,-2.5e+3,true,false,null],\"b\":{\"c\":\"x\\u00e4\\ud83d\\ude00\\n\"},\"\":[]}",
        "[[],{},\"\",0,1e5,{\"k\":[{}]}]",
        " [ 1 , \"\\\\\" ] ",
    ];
    let alphabet: Vec<char> = "{}[]\",:\\ 0123456789-+.eEutfnrbd\n\u{e4}x".chars().collect();
    let mut random = Random::new();
    let mut accepted = 0;
    for _ in 0..100_000 {
        let mut text: Vec<char> = seeds[random.below(seeds.len())].chars().collect();
        for _ in 0..=random.below(3) {
            let place = random.below(text.len());
            let char = alphabet[random.below(alphabet.len())];
            match random.below(3) {
                0 => text[place] = char,
                1 => text.insert(place, char),
                _ => drop(text.remove(place)),
            }
        }
        let text: String = text.into_iter().collect();
        let oracle = serde_json::from_str::<Value>(&text);
        match Json::parse(&text) {
            Ok(json) => {
                accepted += 1;
                assert_eq!(oracle.unwrap(), json.to::<Value>().unwrap(), "{text}");
                assert_eq!(Json::parse(json.as_str()).unwrap(), json);
            }
            Err(DraftError::NotJson(_)) => assert!(oracle.is_err(), "{text}"),
            // Found before the end, so what follows is anybody's guess.
            Err(DraftError::DuplicateMember(_)) => {}
            Err(error) => panic!("{text}: {error}"),
        }
    }
    assert!(accepted > 1_000);
}
