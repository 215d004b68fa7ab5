//! Many threads read a file as one would: the same records in the same order, and the same first flaw.

use std::cell::RefCell;

use super::fixture::*;
use crate::config::Format;
use crate::snapshot::*;

/// Digests and the error, if any, of one way to read.
type Told = (Vec<[u8; 32]>, Result<Summary, String>);

/// The seed of this run: `SESSILE_SEED`, else a new one. Printed, so that a failure can be repeated.
fn seed() -> u64 {
    let given = std::env::var("SESSILE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
    eprintln!("SESSILE_SEED={seed}");
    seed
}

fn digest(item: Item<'_>) -> [u8; 32] {
    match item {
        Item::Session(record) => record.digest,
        Item::Events(record) => record.digest,
        Item::Tombstone(record) => record.digest,
    }
}

fn number(digest: [u8; 32]) -> u64 {
    u64::from_le_bytes(digest[..8].try_into().unwrap())
}

fn refuse(digest: [u8; 32], refused: &[u64]) -> Result<(), RecordError> {
    let refused = refused.contains(&number(digest));
    if refused { Err(RecordError(format!("number {}", number(digest)))) } else { Ok(()) }
}

/// One thread: a record that `build` refuses is not handed on.
fn one_thread(bytes: &[u8], build: &[u64], each: &[u64]) -> Told {
    let mut met = Vec::new();
    let summary = read(&mut &*bytes, &OPTIONS, &mut |item| {
        refuse(digest(item), build)?;
        met.push(digest(item));
        refuse(digest(item), each)
    });
    (met, summary.map_err(|error| format!("{error:?}")))
}

fn many_threads(bytes: &[u8], build: &[u64], each: &[u64]) -> Told {
    let met = RefCell::new(Vec::new());
    let built = |item: Item<'_>| refuse(digest(item), build).map(|()| digest(item));
    let summary = read_on_all_cores(&mut &*bytes, &OPTIONS, vec![built; 3], &mut |digest| {
        met.borrow_mut().push(digest);
        refuse(digest, each)
    });
    (met.into_inner(), summary.map_err(|error| format!("{error:?}")))
}

/// A file of many blocks, some of them with one large record.
fn file(format: Format, sessions: u64, draw: &mut impl FnMut(u64) -> u64) -> Vec<u8> {
    let named = |number: u64| {
        let mut digest = [7; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    };
    let all: Vec<_> = (1..=sessions)
        .map(|number| {
            let bytes = if draw(40) == 0 { 400_000 } else { 1 + draw(9_000) as usize };
            let entries = pack(vec![entry("k", &format!("\"{}\"", "x".repeat(bytes)))]);
            SessionRecord { digest: named(number), entries, ..bare(1) }
        })
        .collect();
    let buried = |number| TombstoneRecord { digest: named(number), ..tombstones()[0].clone() };
    let ends: Vec<_> = (sessions + 1..=sessions + 50).map(buried).collect();
    let mut bytes = Vec::new();
    write_all(&mut bytes, FileHeader::new(format, NOW, 1), &all, &ends).unwrap();
    bytes
}

#[test]
fn many_threads_tell_what_one_would() {
    let mut state = seed();
    let mut draw = move |below: u64| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    };
    for format in FORMATS {
        let bytes = file(format, 600, &mut draw);
        let (met, summary) = many_threads(&bytes, &[], &[]);
        assert_eq!(met.iter().map(|digest| number(*digest)).collect::<Vec<_>>(), (1..=650).collect::<Vec<_>>());
        assert_eq!(summary.unwrap(), verified(&bytes).unwrap());
        for _ in 0..40 {
            let refused: Vec<_> = (0..draw(4)).map(|_| 1 + draw(650)).collect();
            let (build, each) = refused.split_at(draw(refused.len() as u64 + 1) as usize);
            let mut file = bytes.clone();
            match draw(4) {
                0 => file.truncate(draw(bytes.len() as u64) as usize),
                1 => file[draw(bytes.len() as u64) as usize] ^= 1 << draw(8),
                _ => {}
            }
            let (one, many) = (one_thread(&file, build, each), many_threads(&file, build, each));
            assert_eq!(one.1, many.1, "{format:?}, refused {build:?} and {each:?}");
            assert!(one.0 == many.0, "{format:?}: other records were handed on");
        }
    }
}

/// A file whose records come twice: blocks stand in a wrong order, each fitting its own checksum.
fn spliced(bytes: &[u8]) -> Vec<u8> {
    let trailer = 12 + 5 + 28;
    let records = &bytes[16..bytes.len() - trailer];
    let header = u32::from_le_bytes(records[..4].try_into().unwrap()) as usize + 12;
    [&bytes[..16], records, &records[header..]].concat()
}

/// What is told of such a file, by one thread as by many.
fn told(file: &[u8], build: &[u64]) -> String {
    let (one, many) = (one_thread(file, build, &[]), many_threads(file, build, &[]));
    assert_eq!(one, many);
    one.1.unwrap_err()
}

#[test]
fn a_flaw_in_the_order_comes_after_the_flaws_before_it() {
    let mut bytes = Vec::new();
    write_all(&mut bytes, FileHeader::new(Format::Bincode, NOW, 1), &[bare(1)], &tombstones()).unwrap();
    let spliced = spliced(&bytes);
    assert!(told(&spliced, &[]).contains("a session stands after the tombstones"));
    let first = number([1; 32]);
    assert!(told(&spliced, &[first]).contains(&format!("number {first}")));
}

#[test]
fn no_session_stands_after_the_events() {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, FileHeader::new(Format::Bincode, NOW, 2), CODEC).unwrap();
    fill(&mut writer, &[bare(1)], &[]).unwrap();
    events().iter().try_for_each(|record| writer.events(&record.borrowed())).unwrap();
    writer.finish().unwrap();
    assert!(told(&spliced(&bytes), &[]).contains("a session stands after the events"));
}
