//! Sealed generations: read under the right key alone, and safe from whoever lacks it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::fixture::*;
use crate::KeyRing;
use crate::config::{Format, Wrap};
use crate::snapshot::*;

fn keys(digits: &str) -> Wrap {
    let lines: Vec<_> = digits.chars().map(|digit| digit.to_string().repeat(64)).collect();
    Wrap { keys: Some(KeyRing::parse(&lines.join("\n")).unwrap()), ..Wrap::default() }
}

fn folder(path: &Path, wrap: &Wrap) -> Folder {
    Folder::open(path, Arc::new(StdLayer), CODEC).unwrap().wrapped(wrap.clone())
}

fn write(folder: &Folder, format: Format) -> PathBuf {
    let written = folder.write(format, NOW, |writer| fill(writer, &sessions(), &tombstones())).unwrap();
    assert_eq!(written.bytes, fs::metadata(&written.path).unwrap().len());
    written.path
}

fn newest(folder: &Folder) -> Result<Found<Summary>, RestoreError> {
    folder.newest(|file| folder.verify(file))
}

/// Every file with its bytes and its time.
fn contents(path: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let files = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| (path.clone(), (fs::read(&path).unwrap(), fs::metadata(path).unwrap().modified().unwrap())))
        .collect()
}

fn wraps() -> [Wrap; 4] {
    let compress = cfg!(feature = "zstd");
    [Wrap::default(), Wrap { compress, ..Wrap::default() }, keys("a"), Wrap { compress, ..keys("a") }]
}

#[test]
fn records_come_back_whatever_is_around_them() {
    let large = |digest| SessionRecord {
        entries: pack(vec![entry("k", &format!("\"{}\"", "x".repeat(700_000)))]),
        ..bare(digest)
    };
    let all: Vec<_> = sessions().into_iter().chain([large(7), large(8)]).collect();
    for format in FORMATS {
        for wrap in wraps() {
            let mut bytes = Vec::new();
            let header = FileHeader::new(format, NOW, 3);
            let written = wrapped(&mut bytes, &wrap, |output| write_all(output, header.clone(), &all, &tombstones()));
            assert_eq!(written.unwrap().bytes, bytes.len() as u64);
            let mut records = Records::default();
            let read_in_turn = read(&mut open(&*bytes, &wrap).unwrap(), &OPTIONS, &mut |item| {
                match item {
                    Item::Session(record) => records.0.push(record.owned()),
                    Item::Events(_) => {}
                    Item::Tombstone(record) => records.1.push(record.clone()),
                }
                Ok(())
            });
            let read_in_turn = read_in_turn.unwrap();
            assert!(records == (all.clone(), tombstones()), "{format:?} {wrap:?}");
            assert_eq!(read_in_turn.header, header);
            assert_eq!(super::super::header(&mut open(&*bytes, &wrap).unwrap()).unwrap(), header);
            let builders = vec![|_: Item<'_>| Ok(()); 3];
            let on_all = read_on_all_cores(&mut open(&*bytes, &wrap).unwrap(), &OPTIONS, builders, &mut |()| Ok(()));
            assert_eq!(on_all.unwrap(), read_in_turn);
        }
    }
}

#[test]
fn a_missing_key_refuses_though_older_files_could_be_read_and_nothing_is_touched() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    write(&folder(path, &Wrap::default()), Format::Bincode);
    write(&folder(path, &keys("b")), Format::Json);
    let sealed = write(&folder(path, &keys("a")), Format::Bincode);
    let before = contents(path);
    for wrap in [Wrap::default(), keys("b"), keys("bc")] {
        let folder = folder(path, &wrap);
        let Err(RestoreError::Sealed { path: refused, key }) = newest(&folder) else { panic!("it was passed over") };
        assert_eq!((refused, key), (sealed.clone(), keys("a").keys.unwrap().writing().to_string()));
    }
    assert!(contents(path) == before, "something was touched");
    // The right key below another one, as after a rotation.
    assert_eq!(newest(&folder(path, &keys("ca"))).unwrap().file.unwrap().0.path, sealed);
    assert_eq!(folder(path, &keys("ca")).generations().unwrap().len(), 3);
}

#[test]
fn retention_neither_counts_nor_removes_what_it_cannot_open() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let foreign: Vec<_> = (0..2).map(|_| write(&folder(path, &keys("b")), Format::Bincode)).collect();
    let own: Vec<_> = (0..4).map(|_| write(&folder(path, &keys("a")), Format::Bincode)).collect();
    let removed = folder(path, &keys("a")).retain(2, None).unwrap();
    assert_eq!(removed.iter().map(|file| &file.path).collect::<Vec<_>>(), [&own[0], &own[1]]);
    assert!(foreign.iter().all(|path| path.exists()));
    assert!(folder(path, &Wrap::default()).retain(1, None).unwrap().is_empty());
    assert_eq!(contents(path).len(), 4 + 1, "generations and lock");
}

#[test]
fn damage_in_a_sealed_file_falls_back() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path(), &keys("a"));
    let (whole, flipped, cut) =
        (write(&folder, Format::Json), write(&folder, Format::Json), write(&folder, Format::Json));
    let mut bytes = fs::read(&flipped).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&flipped, &bytes).unwrap();
    fs::write(&cut, &bytes[..middle]).unwrap();
    let Found { file, skipped } = newest(&folder).unwrap();
    assert_eq!(file.unwrap().0.path, whole);
    assert!(matches!(skipped[0].1, FileError::Truncated) && matches!(skipped[1].1, FileError::Damaged { .. }));
}

#[test]
fn an_unsealed_file_is_still_read_with_keys() {
    let root = tempfile::tempdir().unwrap();
    let path = write(&folder(root.path(), &Wrap::default()), Format::Json);
    let folder = folder(root.path(), &keys("a"));
    let (file, _) = newest(&folder).unwrap().file.unwrap();
    assert!(file.path == path && folder.open_file(&file).unwrap().is_behind(&keys("a")));
}

#[test]
fn two_seals_of_the_same_bytes_share_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path(), &keys("a"));
    let (one, two) = (write(&folder, Format::Json), write(&folder, Format::Json));
    let (one, two) = (fs::read(one).unwrap(), fs::read(two).unwrap());
    let windows: std::collections::HashSet<_> = one[52..].windows(8).collect();
    assert!(one.len() > 2_000 && !two[52..].windows(8).skip(8).any(|window| windows.contains(window)));
}
