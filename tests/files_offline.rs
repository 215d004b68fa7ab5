//! Files of state without a service: looked into, checked, converted; every kind of damage told apart.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "files_offline/journals.rs"]
mod journals;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use sessile::files::{self, FileError, Options, Role};
use sessile::{Format, ImportOptions, ImportOutcome, NewSession, Principal, SessionService};

const FORMATS: [Format; 2] = [Format::Bincode, Format::Json];

/// A file with a bucket, two owned carts, an anonymous note, the shared session and the end of a fourth cart.
async fn export(folder: &Path, format: Format) -> PathBuf {
    let service = SessionService::builder().start().await.unwrap();
    let alice = service.owner(&Principal::new("https://id.example", "alice"));
    alice.bucket().await.unwrap().set("theme", "dark").await.unwrap();
    for (name, size) in [("groceries", 3_000), ("books", 10)] {
        let cart = alice.create(NewSession::of_kind("cart").unwrap().name(name)).await.unwrap();
        cart.set("note", &"x".repeat(size)).await.unwrap();
        cart.increment("apples", 2).await.unwrap();
    }
    alice.create(NewSession::of_kind("cart").unwrap()).await.unwrap().close().await.unwrap();
    let bob = service.owner(&Principal::new("https://id.example", "bob"));
    bob.create(NewSession::default()).await.unwrap().set("secret", "swordfish").await.unwrap();
    service.anonymous().create(NewSession::of_kind("note").unwrap()).await.unwrap();
    service.global().await.unwrap().set("motd", "hello").await.unwrap();
    let path = folder.join(match format {
        Format::Bincode => "state.bin",
        Format::Json => "state.json",
    });
    service.export(&path, format).await.unwrap();
    service.drain().await.unwrap();
    path
}

fn verify(path: &Path) -> Result<files::Verified, FileError> {
    files::verify(path, Options::default())
}

/// crc32c bit by bit, so that the preamble of a newer version can be made here.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 })
    })
}

/// The same file as a release with version 3 would write it.
fn newer(path: &Path) -> PathBuf {
    let mut bytes = fs::read(path).unwrap();
    if bytes[0] == b'{' {
        let text = String::from_utf8(bytes).unwrap();
        bytes = text.replacen("json-v2\",\"version\":2", "json-v3\",\"version\":3", 1).into_bytes();
    } else {
        bytes[8] = 3;
        let sum = crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    }
    let newer = path.with_extension("newer");
    fs::write(&newer, bytes).unwrap();
    newer
}

#[tokio::test]
async fn inspect_tells_figures_and_no_names() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = export(folder.path(), format).await;
        let held = files::inspect(&path, Options::default()).unwrap();
        let header = &held.file.header;
        assert_eq!((header.format, header.version, header.generation), (format, 2, 0));
        assert_eq!(header.release, env!("CARGO_PKG_VERSION"));
        assert_eq!(held.file.bytes, fs::metadata(&path).unwrap().len());
        assert_eq!((held.file.sessions, held.file.tombstones, held.file.ended, held.file.refused), (6, 1, 0, 0));
        assert_eq!((held.sessions.sessions, held.sessions.entries, held.buckets), (6, 7, 1));
        assert_eq!((held.ends.closed, held.ends.idle, held.ends.lifetime, held.ends.evicted), (1, 0, 0, 0));
        let carts = held.kinds.iter().find(|row| row.kind == "cart").unwrap();
        assert_eq!((carts.figures.sessions, carts.figures.entries), (2, 4));
        assert_eq!(held.kinds.iter().map(|row| row.figures.sessions).sum::<u64>(), 6);
        assert_eq!(held.owner_count, 4);
        assert!(["anonymous", "global"].iter().all(|tag| held.owners.iter().any(|row| row.tag == *tag)));
        assert!(held.owners[0].figures.sessions == 3 && held.owners[0].principal.is_none());
        let largest = &held.largest[0];
        assert_eq!((largest.kind.as_str(), largest.role, largest.entries), ("cart", Role::Session, 2));
        assert!(largest.bytes > 3_000 && largest.owner == held.owners[0].tag);
        assert!(held.largest.is_sorted_by(|one, next| one.bytes >= next.bytes));
        let told = format!("{held:?}");
        for name in ["alice", "groceries", "cart_", "swordfish", "xxx"] {
            assert!(!told.contains(name), "{name}");
        }
    }
}

#[tokio::test]
async fn inspect_tells_names_when_asked_and_as_many_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = export(folder.path(), Format::Bincode).await;
    let held = files::inspect(&path, Options::default().names(true).largest(2)).unwrap();
    assert_eq!((held.largest.len(), held.owners.len(), held.owner_count), (2, 2, 4));
    assert_eq!(held.largest[0].name.as_deref(), Some("groceries"));
    assert!(held.largest[0].id.as_deref().unwrap().starts_with("cart_"));
    assert_eq!(held.owners[0].principal.as_ref().unwrap().subject(), "alice");
    let listed: u64 = held.owners.iter().map(|row| row.figures.bytes).sum();
    assert_eq!(listed + held.other_owners.bytes, held.sessions.bytes);
    let none = files::inspect(&path, Options::default().largest(0)).unwrap();
    assert!(none.largest.is_empty() && none.owners.is_empty() && none.other_owners == none.sessions);
}

#[tokio::test]
async fn progress_ends_at_the_whole_file() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = export(folder.path(), format).await;
        let size = fs::metadata(&path).unwrap().len();
        let (read, calls) = (Cell::new(0), Cell::new(0));
        let watch = |at: files::Progress| {
            assert!(at.total == size && at.read >= read.get() && at.read <= size);
            read.set(at.read);
            calls.set(calls.get() + 1);
        };
        files::verify(&path, Options::default().progress(watch)).unwrap();
        assert!(read.get() == size && calls.get() > 0);
    }
}

#[tokio::test]
async fn cuts_and_flipped_bits_all_over_are_refused() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = export(folder.path(), format).await;
        let whole = fs::read(&path).unwrap();
        let broken = folder.path().join("broken");
        for length in (1..whole.len()).step_by(13).chain([whole.len() - 1]) {
            fs::write(&broken, &whole[..length]).unwrap();
            let error = verify(&broken).unwrap_err();
            // The line break that ends the JSON format is a byte like any other.
            assert!(matches!(error, FileError::Truncated { .. }), "{format:?} cut at {length}: {error}");
        }
        for at in (0..whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&broken, &bytes).unwrap();
            let error = verify(&broken).unwrap_err();
            assert!(error.is_refusal(), "{format:?} flipped at {at}: {error}");
            assert!(!error.hint().is_empty());
        }
    }
}

#[tokio::test]
async fn empty_foreign_newer_and_missing_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert!(matches!(verify(&at("empty", b"")), Err(FileError::Empty { .. })));
    for foreign in [&b"hello\n"[..], b"{\"name\":\"package\"}\n", b"\x89PNG\r\n\x1a\n0000000000000000"] {
        assert!(matches!(verify(&at("foreign", foreign)), Err(FileError::NotOurs { .. })));
    }
    for format in FORMATS {
        let newer = newer(&export(folder.path(), format).await);
        let Err(error) = files::inspect(&newer, Options::default()) else { panic!("a newer file was read") };
        assert!(matches!(error, FileError::Newer { found: 3, supported: 2, .. }), "{error}");
        assert!(error.is_refusal() && error.hint().contains("newer"));
    }
    for (path, hint) in [(folder.path().join("missing"), "path"), (folder.path().to_owned(), "one file")] {
        let error = verify(&path).unwrap_err();
        assert!(matches!(error, FileError::Read { .. }) && !error.is_refusal(), "{error}");
        assert!(std::error::Error::source(&error).is_some() && error.hint().contains(hint), "{}", error.hint());
    }
}

#[tokio::test]
async fn convert_there_and_back_gives_the_same_bytes() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = export(folder.path(), format).await;
        let (there, back) = (folder.path().join("there"), folder.path().join("back"));
        let other = if format == Format::Json { Format::Bincode } else { Format::Json };
        let converted = files::convert(&path, &there, other, Options::default()).unwrap();
        assert_eq!(converted.bytes, fs::metadata(&there).unwrap().len());
        let (one, other) = (verify(&path).unwrap(), verify(&there).unwrap());
        assert_eq!((one.sessions, one.tombstones), (other.sessions, other.tombstones));
        assert_eq!(one.header.written_at, other.header.written_at);
        files::convert(&there, &back, format, Options::default()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), fs::read(&back).unwrap());
        let mut copied = Vec::new();
        files::write_to(&there, &mut copied, format, Options::default()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), copied);
    }
}

#[tokio::test]
async fn convert_overwrites_nothing_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = export(folder.path(), Format::Bincode).await;
    let taken = folder.path().join("taken");
    fs::write(&taken, "mine").unwrap();
    let error = files::convert(&path, &taken, Format::Json, Options::default()).unwrap_err();
    assert!(matches!(error, FileError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    assert!(matches!(files::convert(&path, &path, Format::Bincode, Options::default()), Err(FileError::Exists { .. })));
    let whole = fs::read(&path).unwrap();
    fs::write(&taken, &whole[..whole.len() - 1]).unwrap();
    let to = folder.path().join("to");
    let error = files::convert(&taken, &to, Format::Json, Options::default()).unwrap_err();
    assert!(matches!(&error, FileError::Truncated { path } if *path == taken), "{error}");
    assert!(!to.exists());
    let missing = files::convert(folder.path().join("missing"), &to, Format::Json, Options::default());
    assert!(matches!(missing, Err(FileError::Read { .. })) && !to.exists());
    let nowhere = files::convert(&path, folder.path().join("no/where"), Format::Json, Options::default());
    assert!(matches!(nowhere, Err(FileError::Write { .. })));
}

#[tokio::test]
async fn an_edited_file_is_sealed_only_when_asked_and_restorable() {
    let folder = tempfile::tempdir().unwrap();
    let path = export(folder.path(), Format::Json).await;
    let text = fs::read_to_string(&path).unwrap();
    let (edited, to) = (folder.path().join("edited"), folder.path().join("to"));
    fs::write(&edited, text.replace("\"dark\"", "\"light\"")).unwrap();
    let sealed = |accept| files::convert(&edited, &to, Format::Bincode, Options::default().accept_edited(accept));
    assert!(matches!(sealed(false), Err(FileError::Damaged { .. })) && !to.exists());
    sealed(true).unwrap();
    let restored = files::verify(&to, Options::default()).unwrap();
    assert!(restored.is_restorable());
    fs::remove_file(&to).unwrap();
    // A session under another digest would be opened by somebody else's id. One without an id has nothing to compare,
    // and any may come first.
    let start = text.find("\",\"digest\":\"").unwrap() + 12;
    let flipped = if text[start..].starts_with('0') { "1" } else { "0" };
    let mut moved = text.clone();
    moved.replace_range(start..=start, flipped);
    fs::write(&edited, &moved).unwrap();
    let looked = files::verify(&edited, Options::default().accept_edited(true)).unwrap();
    assert_eq!((looked.refused, looked.findings.len()), (1, 1));
    assert!(looked.findings[0].detail.contains("digest") && !looked.is_restorable());
    assert!(matches!(sealed(true), Err(FileError::Record { .. })) && !to.exists());
}

#[tokio::test]
async fn a_session_twice_is_found_and_its_end_takes_it_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = export(folder.path(), Format::Json).await;
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().nth(1).unwrap();
    fs::write(&path, text.replacen(line, &format!("{line}\n{line}"), 1)).unwrap();
    let twice = files::verify(&path, Options::default().accept_edited(true)).unwrap();
    assert_eq!((twice.sessions, twice.refused, twice.findings[0].index), (7, 1, 2));
    let digest = line.split("\"digest\":\"").nth(1).unwrap().split('"').next().unwrap();
    let stone = text.lines().find(|line| line.contains("\"reason\"")).unwrap();
    let (old, _) = stone.split_once("\",\"owner\"").unwrap();
    fs::write(&path, text.replacen(old, &format!("{{\"digest\":\"{digest}"), 1)).unwrap();
    let ended = files::verify(&path, Options::default().accept_edited(true)).unwrap();
    assert_eq!((ended.sessions, ended.tombstones, ended.ended), (6, 1, 1));
}

#[tokio::test]
async fn the_newest_valid_file_of_a_folder_is_found_beside_a_running_service() {
    let folder = tempfile::tempdir().unwrap();
    let service = SessionService::builder().snapshots(folder.path()).start().await.unwrap();
    assert!(matches!(files::newest(folder.path(), Options::default()), Err(FileError::NoFile { .. })));
    let bucket = service.global().await.unwrap();
    let mut paths = Vec::new();
    for number in 0..3 {
        bucket.set("number", &number).await.unwrap();
        paths.push(service.snapshot().await.unwrap().path);
    }
    let newest = files::newest(folder.path(), Options::default()).unwrap();
    assert_eq!((newest.path.as_ref(), newest.file.header.generation), (Some(&paths[2]), 3));
    assert!(newest.skipped.is_empty());
    fs::write(&paths[2], b"").unwrap();
    let older = files::newest(folder.path(), Options::default()).unwrap();
    assert_eq!(older.path.as_ref(), Some(&paths[1]));
    assert!(matches!(older.skipped.as_slice(), [FileError::Empty { path }] if *path == paths[2]));
    fs::write(&paths[1], b"\x89SESSILE").unwrap();
    fs::write(&paths[0], b"hello").unwrap();
    let Err(FileError::NoneValid { older, source, .. }) = files::newest(folder.path(), Options::default()) else {
        panic!("none is valid")
    };
    assert!(matches!((*source, older.len()), (FileError::Empty { .. }, 2)));
    service.drain().await.unwrap();
    assert!(matches!(files::newest(folder.path().join("none"), Options::default()), Err(FileError::Read { .. })));
}

#[tokio::test]
async fn what_was_converted_is_imported_by_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let path = export(folder.path(), Format::Bincode).await;
    let json = folder.path().join("there.json");
    files::convert(&path, &json, Format::Json, Options::default()).unwrap();
    let service = SessionService::builder().start().await.unwrap();
    let report = service.import(&json, ImportOptions::default()).await.unwrap();
    assert_eq!(report.items.iter().filter(|item| item.outcome == ImportOutcome::Created).count(), 6);
    let bucket = service.owner(&Principal::new("https://id.example", "alice")).bucket().await.unwrap();
    assert_eq!(bucket.get::<String>("theme").unwrap().as_deref(), Some("dark"));
    service.drain().await.unwrap();
}
