use super::*;
use crate::state::packed::PackedError;

fn entries(list: &[(&str, &str, u64, Expiry)]) -> Entries {
    let changes = list.iter().map(|&(key, value, revision, expiry)| {
        let value = Json::parse(value).unwrap();
        (key.into(), Some(NewEntry { value, revision: Revision::new(revision), expiry }))
    });
    Entries::empty().apply(changes.collect())
}

fn sample() -> Entries {
    entries(&[
        ("a", "1", 7, Expiry::Never),
        ("b", "\"x\"", 9, Expiry::At(Timestamp::from_micros(0x0102_0304_0506_0708))),
        ("\u{e4}", "[]", 7, Expiry::Sliding(Duration::from_micros(60_000_000))),
    ])
}

/// These bytes are in files: they never change. A new layout gets a new version.
#[test]
#[rustfmt::skip]
fn layout_v1_is_frozen() {
    let golden: &[u8] = &[
        1, 0, 0, 0,                      // version, flags
        3, 0, 0, 0,                      // entries
        2, 0, 0, 0,                      // entries with a ttl
        7, 0, 0, 0, 0, 0, 0, 0,          // base revision
        1, 0, 0, 0,  1, 0, 0, 0,  0, 0, 0, 0,
        2, 0, 0, 0,  4, 0, 0, 0,  2, 0, 0, 0,
        4, 0, 0, 0,  6, 0, 0, 0,  0, 0, 0, 0,
        1, 0, 0, 0,  1,  8, 7, 6, 5, 4, 3, 2, 1,
        2, 0, 0, 0,  2,  0, 0x87, 0x93, 3, 0, 0, 0, 0,
        b'a', b'b', 0xc3, 0xa4,
        b'1', b'"', b'x', b'"', b'[', b']',
    ];
    assert_eq!(sample().to_packed(), golden);
    assert!(Entries::from_packed(golden).unwrap().iter().eq(sample().iter()));

    let wide: &[u8] = &[
        1, 1, 0, 0,  2, 0, 0, 0,  0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0,  1, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 0, 0, 0, 0, 0, 0,  2, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 1, 0, 0, 0,
        b'k', b'l', b'1', b'2',
    ];
    let far = entries(&[("k", "1", 1, Expiry::Never), ("l", "2", (1 << 32) + 1, Expiry::Never)]);
    assert_eq!(far.to_packed(), wide);
    assert!(Entries::from_packed(wide).unwrap().iter().eq(far.iter()));

    let empty: &[u8] = &[1, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Entries::empty().to_packed(), empty);
    assert_eq!(Entries::from_packed(empty).unwrap().len(), 0);
}

/// A difference of revisions that just fits a narrow row is in one, in both directions.
#[test]
fn rows_are_wide_from_the_first_figure_on_that_needs_it() {
    let of = |far: u64| entries(&[("k", "1", 1, Expiry::Never), ("l", "2", 1 + far, Expiry::Never)]);
    for (far, flags) in [(u64::from(u32::MAX), 0), (u64::from(u32::MAX) + 1, 1)] {
        let packed = of(far).to_packed();
        assert_eq!(packed[1], flags);
        let entries = of(far);
        assert_eq!(crate::state::packed::encode(|| entries.iter()), packed, "written anew");
        assert!(Entries::from_packed(packed).unwrap().iter().eq(of(far).iter()));
    }
}

#[test]
fn keys_are_found_whatever_the_width_and_the_count() {
    for (count, far) in [(1, 0), (2, 0), (16, 0), (17, 0), (40, 0), (1, 1 << 32), (2, 1 << 32), (17, 1 << 32)] {
        let keys: Vec<_> = (0..count).map(|n| format!("{:02}", 2 * n + 1)).collect();
        let revision = |n: usize| if n == 0 { 1 } else { 1 + far };
        let list: Vec<_> =
            keys.iter().enumerate().map(|(n, key)| (key.as_str(), "1", revision(n), Expiry::Never)).collect();
        let entries = entries(&list);
        for place in 0..=2 * count {
            let key = format!("{place:02}");
            let held = place % 2 == 1;
            assert_eq!(entries.get(&key).map(|entry| entry.key), held.then_some(&*key));
            assert_eq!(entries.find(&key).is_some(), held);
            let left = |start| entries.iter_from(start).count();
            assert_eq!(left(std::ops::Bound::Included(&*key)), count - place / 2, "{place} of {count}");
            assert_eq!(left(std::ops::Bound::Excluded(&*key)), count - place.div_ceil(2), "{place} of {count}");
        }
    }
}

#[test]
fn every_single_damage_that_matters_is_named() {
    let good = sample().to_packed();
    let bad = |change: Step<'_, Vec<u8>>| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Entries::from_packed(bytes).err().unwrap_or_else(|| panic!("damage was not seen"))
    };
    assert_eq!(bad(&|bytes| bytes[0] = 2), PackedError::Version { found: 2 });
    let layouts: [Step<'_, Vec<u8>>; 15] = [
        &|bytes| bytes.clear(),
        &|bytes| bytes[0] = 0,
        &|bytes| bytes.truncate(19),
        &|bytes| bytes[1] = 1,
        &|bytes| bytes[1] = 2,
        &|bytes| bytes[2] = 1,
        &|bytes| bytes[4] = 4,
        &|bytes| bytes[4..8].fill(0xff),
        &|bytes| bytes[8] = 4,
        &|bytes| bytes.push(0),
        &|bytes| bytes.truncate(bytes.len() - 1),
        &|bytes| (bytes[28], bytes[52]) = (1, 1),
        &|bytes| bytes[56] = 2,
        &|bytes| bytes[60] = 3,
        &|bytes| bytes[74..82].fill(0),
    ];
    for change in layouts {
        assert!(matches!(bad(change), PackedError::Layout { .. } | PackedError::Entry { .. }));
    }
    assert!(matches!(bad(&|bytes| bytes[82] = b'b'), PackedError::Entry { index: 1, what } if what.contains("order")));
    assert!(matches!(bad(&|bytes| bytes[85] = b'x'), PackedError::Entry { index: 2, what } if what.contains("utf-8")));
    assert!(matches!(bad(&|bytes| bytes[86] = b' '), PackedError::Entry { index: 0, what } if what.contains("json")));
    assert!(matches!(bad(&|bytes| bytes[20] = 0), PackedError::Entry { index: 0, what } if what.contains("empty")));
    assert!(matches!(bad(&|bytes| bytes[12..20].fill(0xff)), PackedError::Entry { .. }));
}

/// Values lie one after the other: where one ends is for its row to say, and only a number may be cut anywhere.
#[test]
fn a_value_ends_where_its_row_says() {
    for (first, second, right) in [
        ("[1,2]", "34", &[5_usize][..]),
        ("{\"a\":\"b\"}", "\"c\"", &[9]),
        ("\"ab\"", "\"cd\"", &[4]),
        ("true", "null", &[4]),
        ("[1]", "[2,3]", &[3]),
        ("12", "345", &[1, 2, 3, 4]),
        ("-1", "2", &[2]),
        ("1", "[2]", &[1]),
    ] {
        let good = entries(&[("a", first, 1, Expiry::Never), ("b", second, 1, Expiry::Never)]).to_packed();
        let values = [first, second].concat();
        let ends: Vec<_> = (1..values.len())
            .filter(|&end| {
                let mut bytes = good.clone();
                bytes[24] = end as u8;
                let read = Entries::from_packed(bytes);
                read.is_ok_and(|read| {
                    [("a", &values[..end]), ("b", &values[end..])]
                        .iter()
                        .all(|(key, value)| read.get(key).is_some_and(|entry| entry.value == *value))
                })
            })
            .collect();
        assert_eq!(ends, right, "{first} {second}");
    }
}

/// Whatever comes in, validation ends without a panic, and what it lets through reads back as it is.
#[test]
fn no_input_makes_validation_panic() {
    let mut random = Random::new();
    let seeds = [
        sample().to_packed(),
        Entries::empty().to_packed(),
        entries(&[("k", "1", 1, Expiry::Never), ("l", "{\"a\":[2]}", 1 << 40, Expiry::At(at(5)))]).to_packed(),
    ];
    let mut valid = 0;
    for round in 0..40_000 {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        if round % 10 == 0 {
            bytes = (0..random.below(200)).map(|_| random.next() as u8).collect();
            bytes.splice(0..bytes.len().min(4), [1, (random.next() & 1) as u8, 0, 0]);
        }
        for _ in 0..random.below(4) {
            if bytes.is_empty() {
                break;
            }
            let place = random.below(bytes.len());
            match random.below(6) {
                0 => bytes[place] = random.next() as u8,
                1 => bytes[place] ^= 1 << random.below(8),
                2 => bytes[place] = [0, 1, 0x7f, 0xff][random.below(4)],
                3 => bytes.truncate(place),
                4 => bytes.insert(place, random.next() as u8),
                _ => bytes[place] = bytes[place].wrapping_add(1),
            }
        }
        if let Ok(read) = Entries::from_packed(bytes.clone()) {
            valid += 1;
            assert_eq!(read.iter().count(), read.len());
            for entry in read.iter() {
                assert_eq!(read.get(entry.key), Some(entry));
                assert_eq!(Json::parse(entry.value).unwrap().as_str(), entry.value);
            }
            // One form for one content: what is let through is what would be written.
            assert_eq!(read.to_packed(), bytes);
        }
    }
    assert!(valid > 1_000, "{valid}");
}

#[test]
fn an_entry_without_ttl_costs_twelve_bytes() {
    let one = entries(&[("key", "12345", 1, Expiry::Never)]).to_packed();
    let two = entries(&[("key", "12345", 1, Expiry::Never), ("kez", "12345", 2, Expiry::Never)]).to_packed();
    assert_eq!(two.len() - one.len(), 8 + 12);
    assert_eq!(entries(&[("key", "12345", 1, Expiry::Never)]).payload_bytes(), 8);
}

#[test]
fn large_entries_are_mapped_and_become_packed_again_only_far_below() {
    let value = Json::of(&"x".repeat(1_000)).unwrap();
    let put = |entries: &Entries, range: std::ops::Range<usize>, some: bool| {
        let new = NewEntry { value: value.clone(), revision: Revision::new(1), expiry: Expiry::Never };
        entries.apply(range.map(|n| (format!("key{n:03}").into(), some.then(|| new.clone()))).collect())
    };
    let small = put(&Entries::empty(), 0..15, true);
    assert!(small.is_packed());
    let large = put(&small, 15..17, true);
    assert!(!large.is_packed());
    let below = put(&large, 9..17, false);
    assert!(!below.is_packed() && below.len() == 9);
    let again = put(&below, 7..9, false);
    assert!(again.is_packed());
    assert_eq!(again.payload_bytes(), 7 * (6 + 1_002));
    assert!(again.iter().eq(put(&Entries::empty(), 0..7, true).iter()));
    // The file form of both is the same layout, and reading it back chooses by size.
    assert!(!Entries::from_packed(large.to_packed()).unwrap().is_packed());
    assert!(Entries::from_packed(large.to_packed()).unwrap().iter().eq(large.iter()));
    assert_eq!(Entries::from_packed(large.to_packed()).unwrap().payload_bytes(), large.payload_bytes());
}
