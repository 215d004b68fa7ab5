//! Journals of every released version are read for ever, and this release writes version 1 to the byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fixture::*;
use crate::config::Wrap;
use crate::snapshot::journal::{JournalHeader, Rest, read};
use crate::snapshot::record::EntryRecord;
use crate::snapshot::*;

/// An item on its own.
#[derive(Debug, PartialEq)]
enum Held {
    Session(SessionRecord),
    Delta(DeltaRecord),
    Touch(TouchRecord),
    Tombstone(TombstoneRecord),
    Growth(GrowthRecord),
    Trim(TrimRecord),
}

fn used(times: &[SlidingRecord<&str>]) -> Vec<SlidingRecord> {
    times.iter().map(|used| SlidingRecord { key: used.key.to_owned(), last_used: used.last_used }).collect()
}

impl Held {
    fn of(item: JournalItem<'_>) -> Self {
        match item {
            JournalItem::Session(record) => Self::Session(record.owned()),
            JournalItem::Delta(DeltaRecord { base, session, removed }) => {
                let removed = removed.into_iter().map(str::to_owned).collect();
                Self::Delta(DeltaRecord { base, session: session.owned(), removed })
            }
            JournalItem::Touch(TouchRecord { digest, last_active_at, sliding }) => {
                Self::Touch(TouchRecord { digest, last_active_at, sliding: used(&sliding) })
            }
            JournalItem::Tombstone(record) => Self::Tombstone(record),
            JournalItem::Growth(GrowthRecord { oldest, part }) => {
                Self::Growth(GrowthRecord { oldest, part: part.owned() })
            }
            JournalItem::Trim(TrimRecord { digest, epoch, stream, before }) => {
                Self::Trim(TrimRecord { digest, epoch, stream: stream.to_owned(), before })
            }
        }
    }

    fn put(&self, frame: &mut Frame) {
        let item = match self {
            Self::Session(record) => JournalItem::Session(record.borrowed()),
            Self::Delta(DeltaRecord { base, session, removed }) => {
                let removed = removed.iter().map(String::as_str).collect();
                JournalItem::Delta(DeltaRecord { base: *base, session: session.borrowed(), removed })
            }
            Self::Touch(TouchRecord { digest, last_active_at, sliding }) => {
                let sliding = sliding.iter().map(|of| SlidingRecord { key: of.key.as_str(), last_used: of.last_used });
                let (digest, last_active_at) = (*digest, *last_active_at);
                JournalItem::Touch(TouchRecord { digest, last_active_at, sliding: sliding.collect() })
            }
            Self::Tombstone(record) => JournalItem::Tombstone(record.clone()),
            Self::Growth(GrowthRecord { oldest, part }) => {
                JournalItem::Growth(GrowthRecord { oldest: *oldest, part: part.borrowed() })
            }
            Self::Trim(TrimRecord { digest, epoch, stream, before }) => {
                JournalItem::Trim(TrimRecord { digest: *digest, epoch: *epoch, stream, before: *before })
            }
        };
        frame.put(&item).unwrap();
    }
}

/// The frames 7 to 9: every sort of record.
fn frames() -> Vec<Vec<Held>> {
    let changed = EntryRecord { revision: 9, ..entry("n", "1") };
    let session = SessionRecord { revision: 9, last_active_at: NOW + 3, entries: pack(vec![changed]), ..full() };
    let mut parts = events().into_iter();
    let (first, second) = (parts.next().unwrap(), parts.next().unwrap());
    let slid = vec![SlidingRecord { key: "a \"quoted\" key".to_owned(), last_used: NOW + 8 }];
    let stream = "größe".to_owned();
    let closed = TombstoneRecord { digest: [2; 32], owner: [9; 32], reason: EndRecord::Closed, at: NOW + 9 };
    vec![
        vec![
            Held::Session(full()),
            Held::Session(bare(2)),
            Held::Growth(GrowthRecord { oldest: 4, part: EventsRecord { next: 6, ..first } }),
            Held::Growth(GrowthRecord { oldest: 4, part: second }),
        ],
        vec![
            Held::Delta(DeltaRecord { base: 7, session, removed: vec![stream.clone()] }),
            Held::Touch(TouchRecord { digest: [1; 32], last_active_at: NOW + 8, sliding: slid }),
            Held::Touch(TouchRecord { digest: [2; 32], last_active_at: NOW + 8, sliding: Vec::new() }),
            Held::Trim(TrimRecord { digest: [1; 32], epoch: u128::MAX - 5, stream, before: 6 }),
        ],
        tombstones().into_iter().chain([closed]).map(Held::Tombstone).collect(),
    ]
}

/// The frames 10 and 11, in the file that follows: a session under a digest that had ended.
fn next_frames() -> Vec<Vec<Held>> {
    let touch = TouchRecord { digest: [0xa0; 32], last_active_at: NOW + 20, sliding: Vec::new() };
    vec![vec![Held::Session(bare(0xa0))], vec![Held::Touch(touch)]]
}

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "snapshots", "golden", name].iter().collect()
}

/// A journal of these frames, with one sector of the zeros that fill a file ahead.
fn written(segment: u64, first_frame: u64, frames: &[Vec<Held>], wrap: &Wrap) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let service = "0.1.0".to_owned();
    let header =
        JournalHeader { generation: 0, segment, first_frame, created_at: NOW, service, salt: 0x5e55_1e00, seal: None };
    let mut writer = JournalWriter::begin(StdLayer.create(&path).unwrap(), header, wrap).unwrap();
    for (number, items) in (first_frame..).zip(frames) {
        let mut frame = Frame::new();
        items.iter().for_each(|item| item.put(&mut frame));
        writer.write(&mut frame, NOW + number).unwrap();
        writer.sync().unwrap();
    }
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(writer.bytes() as usize + 512);
    bytes
}

/// Published files, each as the fixture makes it: `SESSILE_WRITE_GOLDEN=1` writes those of a version that is not released.
fn plain() -> BTreeMap<&'static str, Vec<u8>> {
    let whole = written(0, 7, &frames(), &Wrap::default());
    let ends = places(&whole).1;
    // In the middle of the last frame the power went.
    let torn = whole[..ends[2].start + 100].to_vec();
    let next = written(1, 10, &next_frames(), &Wrap::default());
    [("journal-v1.log", whole), ("journal-torn-v1.log", torn), ("journal-next-v1.log", next)].into()
}

/// Where the header ends, and where each frame lies.
fn places(bytes: &[u8]) -> (usize, Vec<std::ops::Range<usize>>) {
    let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut frames, mut at) = (Vec::new(), 512);
    while bytes.get(at..at + 4) == Some(b"\xf5JFR") {
        frames.push(at..at + 32 + length(at + 4));
        at = frames.last().map_or(at, |frame: &std::ops::Range<usize>| frame.end.next_multiple_of(512));
    }
    (24 + length(16), frames)
}

fn read_all(bytes: &[u8], wrap: &Wrap) -> Result<(Vec<Held>, JournalRead), FileError> {
    let mut held = Vec::new();
    let read = read(&mut &*bytes, wrap, u64::MAX, &mut |item| {
        held.push(Held::of(item));
        Ok(())
    })?;
    Ok((held, read))
}

#[test]
fn version_1_of_the_journal_is_read() {
    for (name, frames, first, rest) in [
        ("journal-v1.log", frames(), 7, Rest::Clean),
        ("journal-torn-v1.log", frames().drain(..2).collect(), 7, Rest::Torn),
        ("journal-next-v1.log", next_frames(), 10, Rest::Clean),
    ] {
        let (held, read) = read_all(&fs::read(golden(name)).unwrap(), &Wrap::default()).unwrap();
        let count = frames.len() as u64;
        assert_eq!(held, frames.into_iter().flatten().collect::<Vec<_>>(), "{name}");
        assert_eq!((read.frames, read.next_frame, read.rest), (count, first + count, rest), "{name}");
        assert_eq!((read.written_at, read.header.created_at), (NOW + first + count - 1, NOW), "{name}");
        assert_eq!((read.header.service.as_str(), read.header.seal), ("0.1.0", None), "{name}");
    }
}

/// A released version's files never change.
#[test]
fn version_1_of_the_journal_is_written_to_the_byte() {
    for (name, bytes) in plain() {
        if std::env::var_os("SESSILE_WRITE_GOLDEN").is_some() {
            fs::write(golden(name), &bytes).unwrap();
        }
        assert!(fs::read(golden(name)).unwrap() == bytes, "{name} is written otherwise");
    }
}

fn folder(path: &Path) -> Folder {
    Folder::open(path, Arc::new(StdLayer), CODEC).unwrap()
}

fn journal(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("journal-{:020}-{segment:06}.log", 0))
}

#[test]
fn a_chain_of_golden_journals_is_laid_over() {
    let root = tempfile::tempdir().unwrap();
    for (segment, name) in [(0, "journal-v1.log"), (1, "journal-next-v1.log")] {
        fs::copy(golden(name), journal(root.path(), segment)).unwrap();
    }
    let chain = folder(root.path()).chain(0).map_err(|(_, error)| error).unwrap();
    assert_eq!((chain.next_frame(), chain.cut.as_ref(), chain.written_at()), (Some(12), None, NOW + 11));
    let over = chain.replay.over(&full().borrowed()).unwrap().unwrap().unwrap().borrowed().owned();
    assert_eq!((over.revision, over.last_active_at, over.sliding[0].last_used), (9, NOW + 8, NOW + 8));
    let entries = (CODEC.unpack)(&over.entries).unwrap();
    let entries: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.value.get())).collect();
    assert_eq!(entries, [("a \"quoted\" key", "[1,null,\"\\n\"]"), ("n", "1")]);
    let others: Vec<_> = chain.replay.others().map(|laid| laid.unwrap().borrowed().owned()).collect();
    assert_eq!(others, [SessionRecord { last_active_at: NOW + 20, ..bare(0xa0) }]);
    let ends: Vec<_> = chain.replay.tombstones().map(|record| record.digest[0]).collect();
    assert_eq!(ends, [0xa1, 0xa2, 0xa3, 2]);
    assert_eq!(chain.replay.logs().filter(|(_, _, changes)| changes.len() == 3).count(), 1);
}

/// Flips every byte of a golden journal: what was written before it is read, and it is told.
fn flipped(name: &str, wrap: &Wrap) {
    let bytes = fs::read(golden(name)).unwrap();
    let (whole, _) = read_all(&bytes, wrap).unwrap();
    let (header, frames) = places(&bytes);
    let mut damaged = bytes.clone();
    for place in 0..bytes.len() - 512 {
        damaged[place] ^= 1 << (place % 8);
        let counts = place < header || frames.iter().any(|frame| frame.contains(&place));
        match read_all(&damaged, wrap) {
            Err(_) => assert!(place < header, "{name}: byte {place}"),
            // What fills a sector is not looked at.
            Ok((held, read)) if !counts => {
                assert!(held == whole && read.rest == Rest::Clean, "{name}: byte {place}");
            }
            Ok((held, read)) => {
                let before = frames.iter().filter(|frame| frame.end <= place).count() as u64;
                let last = before + 1 == frames.len() as u64;
                let expected = if last { Rest::Torn } else { Rest::Damaged };
                assert_eq!((read.frames, read.rest), (before, expected), "{name}: byte {place}");
                assert_eq!(held, whole[..held.len()], "{name}: byte {place}");
            }
        }
        damaged[place] = bytes[place];
    }
}

#[test]
fn every_damaged_byte_of_a_golden_journal_is_told() {
    flipped("journal-v1.log", &Wrap::default());
    flipped("journal-next-v1.log", &Wrap::default());
}

#[test]
fn a_newer_journal_is_refused_and_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let mut newer = fs::read(golden("journal-v1.log")).unwrap();
    newer[8] = 2;
    let sum = crc32c::crc32c(&newer[..12]);
    newer[12..16].copy_from_slice(&sum.to_le_bytes());
    fs::write(journal(root.path(), 0), &newer).unwrap();
    fs::copy(golden("journal-next-v1.log"), journal(root.path(), 1)).unwrap();
    let refused = folder(root.path()).chain(0).map(drop);
    let Err((path, FileError::NewerVersion { found: 2, supported: 1 })) = refused else { panic!("it was taken") };
    assert!(path == journal(root.path(), 0) && fs::read(path).unwrap() == newer);
}

/// A seal is another one each time, so this file is written once.
#[cfg(feature = "seal")]
#[test]
fn a_sealed_journal_of_version_1_is_read() {
    let wrap = Wrap { keys: crate::KeyRing::parse(super::golden::TEST_KEY).ok(), compress: false };
    let path = golden("journal-sealed-v1.log");
    if std::env::var_os("SESSILE_WRITE_GOLDEN").is_some() && !path.exists() {
        fs::write(&path, written(0, 7, &frames(), &wrap)).unwrap();
    }
    let bytes = fs::read(&path).unwrap();
    let (held, read) = read_all(&bytes, &wrap).unwrap();
    assert_eq!(held, frames().into_iter().flatten().collect::<Vec<_>>());
    let key = wrap.keys.as_ref().unwrap().writing().to_string();
    assert_eq!((read.rest, read.header.seal.map(|seal| seal.key())), (Rest::Clean, Some(key)));
    assert!(matches!(read_all(&bytes, &Wrap::default()), Err(FileError::Sealed { .. })));
    assert!(!bytes.windows(5).any(|window| window == b"alice"), "nothing of it is in the clear");
    flipped("journal-sealed-v1.log", &wrap);
}
