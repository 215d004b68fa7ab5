//! Readers of foreign bytes say what is wrong and nothing else: no panic, whatever lies behind a checksum.

use std::collections::BTreeMap;

use super::proving::{Verdict, caught, holds, quiet_panics, silently};
use super::random::Random;
use crate::fuzzing::{self, mutate};

/// A golden file.
fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/snapshots/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn binary() -> Vec<Vec<u8>> {
    ["v1.bin", "v2.bin"].map(golden).to_vec()
}

fn readable() -> Vec<Vec<u8>> {
    ["v1.json", "v2.json"].map(golden).to_vec()
}

/// A journal, one whose last write was cut short, and a chain of two.
fn journals() -> Vec<Vec<u8>> {
    let [whole, torn, next] = ["journal-v1.log", "journal-torn-v1.log", "journal-next-v1.log"].map(golden);
    let chain = [whole.clone(), next].concat();
    vec![whole, torn, chain.clone(), chain]
}

/// Texts that are right: ids of all kinds, kinds, a cursor, the id of an event, values.
const TEXTS: [&str; 9] = [
    "cart_0123456789abcdefghjkmnpqrstvwx",
    "cart_0123",
    "a-kind",
    "0000018bcfe5680000000000000000000000000000000001",
    "1f-0a0b0c0d-000102030405060708090a0b0c0d0e0f",
    "{\"a\":[1,-0.5e3,\"\\u00e9\\n\",{\"b\":null}],\"c\":true}",
    "[[[[[[[[[[[[1]]]]]]]]]]]]",
    "123456789012345678901234567890.5",
    "\"text\"",
];
const PATCHES: [&str; 4] = [
    "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":1},{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a/0\"},{\"op\":\"test\",\"path\":\"\",\"value\":{}}]\n{\"a\":[1,2],\"b\":{\"c\":1}}",
    "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/x\"},{\"op\":\"remove\",\"path\":\"/b/c~1d\"},{\"op\":\"replace\",\"path\":\"/a\",\"value\":[]}]\n{\"a\":{\"x\":1},\"b\":{\"c/d\":1}}",
    "{\"a\":{\"b\":null,\"c\":[1]},\"d\":null}\n{\"a\":{\"b\":1},\"d\":2}",
    "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/a\"},{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]\n{\"k\":\"text\"}",
];

type Door = fn(&[u8]) -> Result<(), String>;

/// Feeds a door with what is almost right; how much was taken, and how many ways of being wrong were told apart.
fn fed(seed: u64, door: Door, right: &[Vec<u8>], inputs: u64) -> Verdict {
    quiet_panics();
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    let (mut taken, mut random) = (0, Random(seed));
    for number in 0..inputs {
        let input = mutate(&right[(number % right.len() as u64) as usize], &mut random);
        match silently(|| door(&input)) {
            Err(_) => return Err(format!("input {number} panics: {input:?}")),
            Ok(Ok(())) => taken += 1,
            Ok(Err(error)) => {
                let kind: String = error.chars().filter(|letter| !letter.is_ascii_digit()).take(60).collect();
                *told.entry(kind).or_default() += 1;
            }
        }
    }
    if taken == 0 || taken == inputs {
        return Err(format!("{taken} of {inputs} were taken: this tells nothing"));
    }
    Ok(format!("{inputs} inputs, {taken} taken, {} kinds of refusal", told.len()))
}

fn text(bytes: &[u8]) -> Result<(), String> {
    fuzzing::text(&String::from_utf8_lossy(bytes))
}

fn patch(bytes: &[u8]) -> Result<(), String> {
    fuzzing::patch(&String::from_utf8_lossy(bytes))
}

/// The entries of the golden files' sessions, an empty buffer among them.
fn packed() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let options = crate::snapshot::ReadOptions { entries: crate::snapshot::entries_codec(), accept_edited: false };
    for file in binary() {
        crate::snapshot::read(&mut &*file, &options, &mut |item| {
            if let crate::snapshot::Item::Session(record) = item {
                all.push(record.entries.to_vec());
            }
            Ok(())
        })
        .unwrap();
    }
    all
}

fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn files_in_the_binary_format() {
    holds(|seed| fed(seed, |bytes| fuzzing::file(bytes, false), &binary(), 1_000_000));
}

#[test]
fn files_in_the_readable_format() {
    holds(|seed| fed(seed, |bytes| fuzzing::file(bytes, false), &readable(), 500_000));
}

#[test]
fn files_that_were_edited() {
    let right = [readable(), binary()].concat();
    holds(|seed| fed(seed, |bytes| fuzzing::file(bytes, true), &right, 500_000));
}

#[test]
fn journals_and_chains_of_them() {
    holds(|seed| fed(seed, |bytes| fuzzing::journals(bytes), &journals(), 1_000_000));
}

#[test]
fn packed_entries() {
    holds(|seed| fed(seed, fuzzing::packed, &packed(), 1_000_000));
}

#[test]
fn texts() {
    holds(|seed| fed(seed, text, &all(&TEXTS), 1_000_000));
}

#[test]
fn patches() {
    holds(|seed| fed(seed, patch, &all(&PATCHES), 1_000_000));
}

#[test]
fn a_reader_that_believes_a_length_is_caught() {
    // As a block would be read by somebody who trusts what has a checksum.
    let trusting: Door = |bytes| {
        let length = bytes.get(16..20).ok_or("short")?.try_into().map(u32::from_le_bytes).unwrap() as usize;
        let payload = bytes.get(28..28 + length).ok_or("short")?;
        let name = u64::from_le_bytes(payload[21..29].try_into().unwrap()) as usize;
        payload[29..29 + name].first().map(drop).ok_or_else(|| "empty".to_owned())
    };
    caught(3, |seed| fed(seed, trusting, &binary(), 100_000));
}

#[test]
fn a_reader_of_journals_that_believes_a_length_is_caught() {
    // The first record of the first frame, as it would be read by somebody who trusts what has a checksum.
    let trusting: Door = |bytes| {
        let sound = bytes
            .get(540..544)
            .is_some_and(|sum| sum == crc32c::crc32c_append(0x5e55_1e00, &bytes[512..540]).to_le_bytes());
        let length = bytes.get(545..549).filter(|_| sound).ok_or("short")?.try_into().map(u32::from_le_bytes).unwrap();
        bytes[549..549 + length as usize].first().map(drop).ok_or_else(|| "empty".to_owned())
    };
    caught(3, |seed| fed(seed, trusting, &journals(), 100_000));
}
