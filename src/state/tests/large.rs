//! Sizes at the edges between the forms, and what is not copied.

use super::*;
use crate::state::packed::encode;

fn text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

fn with(base: &Arc<Committed>, key: &str, bytes: usize) -> Arc<Committed> {
    commit(base, |draft| draft.set_json(key, Json::parse(&text(bytes)).unwrap()).unwrap())
}

/// Both forms give the bytes that files hold, and read back to one that holds the same.
fn same_in_files(committed: &Committed) {
    let packed = committed.entries.to_packed();
    assert_eq!(packed, encode(|| committed.entries.iter()));
    let back = Entries::from_packed(packed.clone()).unwrap();
    assert!(back.iter().eq(committed.entries.iter()));
    assert_eq!((back.to_packed(), back.payload_bytes()), (packed, committed.entries.payload_bytes()));
}

#[test]
fn a_value_above_4_kib_is_held_on_its_own() {
    let small = with(&empty(), "v", 4 << 10);
    assert!(small.entries.is_packed());
    let large = with(&empty(), "v", (4 << 10) + 1);
    assert!(!large.entries.is_packed());
    assert!(!with(&large, "w", 10).entries.is_packed(), "light as it is");
    let gone = with(&large, "v", 100);
    assert!(gone.entries.is_packed());
    let many = with(&with(&with(&small, "w", 5_000), "x", 5_000), "w", 10);
    assert!(!many.entries.is_packed());
    let none = commit(&many, |draft| assert!(draft.remove("x")));
    assert!(none.entries.is_packed());
    for committed in [small, large, gone, many, none] {
        same_in_files(&committed);
        assert_eq!(
            Entries::from_packed(committed.entries.to_packed()).unwrap().is_packed(),
            committed.entries.is_packed()
        );
    }
}

#[test]
fn a_large_value_is_not_copied_when_another_key_is_set() {
    let mut base = commit(&holding(&serde_json::json!({"a": 1, "b": [2]})), |draft| {
        draft.set_json("large", Json::parse(&text(200 << 10)).unwrap()).unwrap();
    });
    let held = |committed: &Arc<Committed>| committed.entries.get("large").unwrap().value.as_ptr();
    let first = held(&base);
    for _ in 0..10 {
        base = commit(&base, |draft| assert!(draft.increment("a", 1).unwrap() > 1));
        base = commit(&base, |draft| assert!(draft.remove("b")));
        base = commit(&base, |draft| draft.set("b", &1).unwrap());
        assert_eq!(held(&base), first);
    }
    same_in_files(&base);
}

#[test]
fn the_forms_change_at_16_kib_and_back_below_8() {
    // Each entry weighs its key, its value and 12 bytes.
    let fill = |weight: usize| {
        let mut base = empty();
        for n in 0..4 {
            base = with(&base, &format!("{n}"), 4_000);
        }
        with(&base, "z", weight - 4 * (4_000 + 13) - 13)
    };
    let (at_edge, above) = (fill(16 << 10), fill((16 << 10) + 1));
    assert!(at_edge.entries.is_packed() && !above.entries.is_packed());
    // A value that grows where it stands counts as one that comes in, and what files hold is in the form that it was.
    let grown = with(&at_edge, "z", (16 << 10) + 1 - 4 * (4_000 + 13) - 13);
    assert!(!grown.entries.is_packed());
    // The same for the entry of the lowest revision, and for two at once.
    assert!(with(&at_edge, "0", 4_000 - 1).entries.is_packed());
    assert!(!with(&at_edge, "0", 4_000 + 1).entries.is_packed());
    let two = |bytes: usize| {
        commit(&at_edge, |draft| {
            draft.set_json("1", Json::parse(&text(2_000)).unwrap()).unwrap();
            draft.set_json("2", Json::parse(&text(bytes)).unwrap()).unwrap();
            draft.set_json("3", Json::parse(&text(3_000)).unwrap()).unwrap();
            draft.set_json("4", Json::parse(&text(3_000 - 13)).unwrap()).unwrap();
        })
    };
    assert!(two(4_000).entries.is_packed() && !two(4_001).entries.is_packed());
    assert!(Entries::from_packed(at_edge.entries.to_packed()).unwrap().is_packed());
    assert!(!Entries::from_packed(above.entries.to_packed()).unwrap().is_packed());
    let shrunk = |bytes: usize| {
        let fewer = commit(&above, |draft| ["1", "2"].iter().for_each(|key| assert!(draft.remove(key))));
        with(&fewer, "z", bytes - 2 * (4_000 + 13) - 13)
    };
    let (at_edge_again, below) = (shrunk(8 << 10), shrunk((8 << 10) - 1));
    assert!(!at_edge_again.entries.is_packed() && below.entries.is_packed());
    for committed in [at_edge, above, at_edge_again, below] {
        same_in_files(&committed);
    }
}

#[test]
fn random_changes_give_the_bytes_of_a_buffer_written_anew() {
    let mut random = Random::new();
    for _ in 0..40 {
        let mut entries = Entries::empty();
        let mut revision = 1 + random.below(3) as u64;
        for _ in 0..60 {
            let changes = (0..1 + random.below(4)).map(|_| {
                let expiry = match random.below(5) {
                    0 => Expiry::At(Timestamp::from_micros(random.next())),
                    1 => Expiry::Sliding(seconds(1 + random.below(9) as u64)),
                    _ => Expiry::Never,
                };
                let value = Json::parse(&text(2 + random.below(30))).unwrap();
                let new = NewEntry { value, revision: Revision::new(revision), expiry };
                (format!("{}", random.below(15)).into(), (random.below(3) > 0).then_some(new))
            });
            let changes: Vec<(Box<str>, _)> = changes.collect();
            let mut expected: std::collections::BTreeMap<_, _> =
                entries.iter().map(|entry| (entry.key.to_owned(), entry_of(&entry))).collect();
            for (key, new) in &changes {
                match new {
                    Some(new) => drop(expected.insert(key.to_string(), new.clone())),
                    None => drop(expected.remove(&**key)),
                }
            }
            entries = entries.apply(changes.into_iter().collect());
            assert_eq!(entries.to_packed(), encode(|| expected.iter().map(|(key, new)| new.at(key))));
            // Now and then beyond what a narrow row spells, or back in time.
            revision = match random.below(40) {
                0 => revision + (1 << 32),
                1 => 1 + random.below(3) as u64,
                _ => revision + random.below(3) as u64,
            };
        }
    }
}

fn entry_of(entry: &crate::state::entries::EntryRef<'_>) -> NewEntry {
    NewEntry { value: Json::parse(entry.value).unwrap(), revision: entry.revision, expiry: entry.expiry }
}
