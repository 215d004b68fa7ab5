//! Journals without a service: looked into, checked, and laid over the snapshot that they go on from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sessile::files::{self, FileError, JournalRest, Newest, Options};
use sessile::{Durability, EventId, Format, Json, KeyRing, NewSession, Principal, Session, SessionService, StartError};

/// So short that a test can wait for it.
const FLUSHED: Duration = Duration::from_millis(5);

fn ring(digits: &str) -> KeyRing {
    let lines: Vec<_> = digits.chars().map(|digit| digit.to_string().repeat(64)).collect();
    KeyRing::parse(&lines.join("\n")).unwrap()
}

fn reading<'a>(keys: &str) -> Options<'a> {
    if keys.is_empty() { Options::default() } else { Options::default().keys(ring(keys)) }
}

async fn start(folder: &Path, keys: &str) -> SessionService {
    let builder = SessionService::builder()
        .snapshots(folder)
        .snapshot_every(Duration::from_secs(100_000))
        .durability(Durability::Journal { flush_every: FLUSHED });
    let builder = if keys.is_empty() { builder } else { builder.keys(ring(keys)) };
    builder.start().await.unwrap()
}

fn alice() -> Principal {
    Principal::new("https://id.example", "alice")
}

async fn append(session: &Session, stream: &str, number: u64) -> EventId {
    session.events().append(stream, &Json::of(&number).unwrap()).await.unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_that_is_open_to_others_and_cannot_be_written_is_read_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    lived_in(folder.path(), "", true).await;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let about = || -> Vec<_> {
        let paths = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = paths.chain([folder.path().to_owned()]).collect();
        all.sort();
        all.into_iter().map(|path| (fs::metadata(&path).unwrap().permissions().mode() & 0o777, path)).collect()
    };
    about().iter().filter(|(_, path)| path.is_file()).for_each(|(_, path)| set(path, 0o444));
    set(folder.path(), 0o555);
    let before = about();
    let found = files::newest(folder.path(), Options::default());
    let converted = found.as_ref().ok().map(|found| {
        let mut json = Vec::new();
        found.write_to(&mut json, Format::Json, Options::default()).map(|_| json.len())
    });
    let journals = found.as_ref().map(|found| found.journals.clone()).unwrap_or_default();
    let looked: Vec<_> = journals.iter().map(|path| files::journal(path, Options::default())).collect();
    let after = about();
    set(folder.path(), 0o755);
    assert!(found.is_ok_and(|found| found.journal_cut.is_none()) && matches!(converted, Some(Ok(1..))));
    assert!(!looked.is_empty() && looked.iter().all(Result::is_ok));
    assert_eq!(after, before, "modes were changed");
}

/// Sessions of every sort and size; with `snapshot` in between, what came after stands in the journal alone.
async fn lived_in(folder: &Path, keys: &str, snapshot: bool) {
    let service = start(folder, keys).await;
    let owner = service.owner(&alice());
    let bucket = owner.bucket().await.unwrap();
    bucket.set("theme", "dark").await.unwrap();
    let bob = service.owner(&Principal::new("https://id.example", "bob"));
    bob.bucket().await.unwrap().set("old", "life").await.unwrap();
    let large = owner.create(NewSession::of_kind("cart").unwrap().name("large")).await.unwrap();
    for number in 0..60 {
        large.set(&format!("entry{number}"), &"x".repeat(500)).await.unwrap();
    }
    let read = owner.create(NewSession::default().name("read")).await.unwrap();
    let closed = owner.create(NewSession::default().name("closed")).await.unwrap();
    append(&closed, "stream", 1).await;
    append(&read, "stream", 2).await;
    append(&bucket, "stream", 3).await;
    if snapshot {
        service.snapshot().await.unwrap();
    }
    tokio::time::sleep(10 * FLUSHED).await;
    bucket.set("theme", "light").await.unwrap();
    large.set("entry7", "changed").await.unwrap();
    large.remove("entry8").await.unwrap();
    append(&closed, "stream", 4).await;
    append(&read, "other", 5).await;
    let last = append(&read, "stream", 6).await;
    assert_eq!(read.events().trim_before("stream", &last).await.unwrap(), 1);
    append(&large, "stream", 7).await;
    closed.close().await.unwrap();
    bob.bucket().await.unwrap().close().await.unwrap();
    bob.bucket().await.unwrap().set("fresh", "life").await.unwrap();
    let later = owner.create(NewSession::default().name("later")).await.unwrap();
    later.set("n", &1).await.unwrap();
    append(&later, "stream", 8).await;
    let brief = owner.create(NewSession::default()).await.unwrap();
    brief.close().await.unwrap();
    read.touch().unwrap();
    tokio::time::sleep(20 * FLUSHED).await;
}

fn journals(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("journal-"));
    found.sort();
    found
}

/// The lines of a JSON document that stand for sessions, for what is in event logs, and for ends.
fn lines(text: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(text).unwrap();
    let of = |name: &str| document[name].as_array().into_iter().flatten().map(Value::to_string).collect::<Vec<_>>();
    ["sessions", "events", "tombstones"].into_iter().flat_map(of).collect()
}

fn written(newest: &Newest, keys: &str) -> String {
    let mut text = Vec::new();
    newest.write_to(&mut text, Format::Json, reading(keys)).unwrap();
    String::from_utf8(text).unwrap()
}

/// What a service that starts there holds.
async fn restored(folder: &Path, keys: &str) -> String {
    let service = start(folder, keys).await;
    let to = tempfile::tempdir().unwrap();
    let path = to.path().join("state.json");
    service.export_unsealed(&path, Format::Json).await.unwrap();
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn of_a_folder_that_is_found_what_a_start_restores() {
    for (keys, snapshot) in [("", true), ("", false), ("a", true)] {
        let folder = tempfile::tempdir().unwrap();
        lived_in(folder.path(), keys, snapshot).await;
        let newest = files::newest(folder.path(), reading(keys)).unwrap();
        assert_eq!((newest.path.is_some(), newest.journal_cut.as_ref()), (snapshot, None));
        assert!(!newest.journals.is_empty() && newest.skipped.is_empty() && newest.file.is_restorable());
        let text = written(&newest, keys);
        assert!(text.contains("\"light\"") && text.contains("\"fresh\"") && !text.contains("\"old\""));
        let to = folder.path().join("quarantine");
        fs::create_dir(&to).unwrap();
        let converted = newest.convert(to.join("out.bin"), Format::Bincode, reading(keys)).unwrap();
        assert_eq!((converted.read.sessions, converted.read.tombstones), (5, 3), "{keys} {snapshot}");
        let copy = files::verify(to.join("out.bin"), Options::default()).unwrap();
        assert_eq!((copy.sessions, copy.tombstones, copy.ended, copy.refused), (5, 3, 0, 0));
        assert_eq!(copy.events, 5, "neither those of what has ended nor those that were trimmed are in it");
        assert!(text.contains("\"payload\":7") && !text.contains("\"payload\":4"));
        assert!(copy.header.written_at >= files::journal(&newest.journals[0], reading(keys)).unwrap().written_at);
        let started = restored(folder.path(), keys).await;
        assert_eq!(lines(&text), lines(&started), "{keys} {snapshot}");
    }
}

#[tokio::test]
async fn a_journal_tells_what_it_holds() {
    for keys in ["", "a"] {
        let folder = tempfile::tempdir().unwrap();
        lived_in(folder.path(), keys, true).await;
        let path = journals(folder.path()).pop().unwrap();
        assert!(files::is_journal(&path).unwrap());
        let held = files::journal(&path, reading(keys)).unwrap();
        assert_eq!((held.generation, held.rest, held.is_whole()), (1, JournalRest::Clean, true));
        assert_eq!(held.next_frame, held.first_frame + held.frames);
        assert_eq!(held.sealed_under.is_some(), !keys.is_empty());
        assert!(held.records.sessions > 0 && held.records.changes > 0 && held.records.last_uses > 0);
        assert!(held.records.events > 0);
        assert_eq!((held.records.ends, held.release.as_str()), (3, env!("CARGO_PKG_VERSION")));
        assert_eq!(held.bytes, fs::metadata(&path).unwrap().len());
        assert!(held.used < held.bytes && held.written_at >= held.begun_at);
        for error in [files::verify(&path, reading(keys)).unwrap_err(), {
            files::convert(&path, folder.path().join("to"), Format::Json, reading(keys)).unwrap_err()
        }] {
            assert!(matches!(error, FileError::Journal { .. }) && error.hint().contains("folder"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_torn_tail_is_no_damage_and_a_flipped_byte_in_the_middle_is() {
    for keys in ["", "a"] {
        let folder = tempfile::tempdir().unwrap();
        lived_in(folder.path(), keys, true).await;
        let path = journals(folder.path()).pop().unwrap();
        let whole = fs::read(&path).unwrap();
        let held = files::journal(&path, reading(keys)).unwrap();
        let used = usize::try_from(held.used).unwrap();
        // The last frame loses its last sector but for a byte, as a power cut may leave it.
        let mut torn = whole.clone();
        torn[used - 511..].fill(0);
        torn[used - 512] ^= 1;
        fs::write(&path, &torn).unwrap();
        let cut = files::journal(&path, reading(keys)).unwrap();
        assert_eq!((cut.rest, cut.frames, cut.is_whole()), (JournalRest::CutShort, held.frames - 1, true));
        let newest = files::newest(folder.path(), reading(keys)).unwrap();
        assert!(newest.journal_cut.is_some_and(|cut| !cut.lost && cut.path == path));
        // The first frame is damaged, and others follow.
        let mut flipped = whole.clone();
        flipped[512 + 40] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let damaged = files::journal(&path, reading(keys)).unwrap();
        assert_eq!((damaged.rest, damaged.frames, damaged.used), (JournalRest::Damaged, 0, 512));
        let newest = files::newest(folder.path(), reading(keys)).unwrap();
        assert!(newest.journal_cut.as_ref().is_some_and(|cut| cut.lost && cut.path == path));
        let text = written(&newest, keys);
        assert!(text.contains("\"dark\"") && !text.contains("\"light\""), "the snapshot alone");
        // A header that is damaged, with frames after it; and one that was never written.
        let mut headless = whole.clone();
        headless[30] ^= 1;
        fs::write(&path, &headless).unwrap();
        assert!(matches!(files::journal(&path, reading(keys)), Err(FileError::Damaged { .. })));
        for blank in [Vec::new(), vec![0; 4_096]] {
            fs::write(&path, blank).unwrap();
            let error = files::journal(&path, reading(keys)).unwrap_err();
            assert!(matches!(error, FileError::Unbegun { .. }) && files::is_journal(&path).unwrap(), "{error}");
        }
    }
}

#[tokio::test]
async fn a_sealed_journal_wants_its_key() {
    let folder = tempfile::tempdir().unwrap();
    lived_in(folder.path(), "a", true).await;
    let path = journals(folder.path()).pop().unwrap();
    for keys in ["", "b"] {
        let error = files::journal(&path, reading(keys)).unwrap_err();
        assert!(matches!(error, FileError::Sealed { .. }) && error.is_refusal(), "{error}");
        assert!(matches!(files::newest(folder.path(), reading(keys)), Err(FileError::Sealed { .. })));
    }
    assert!(files::journal(&path, reading("ba")).unwrap().is_whole());
}

#[tokio::test]
async fn journals_without_their_snapshot_are_no_state() {
    let folder = tempfile::tempdir().unwrap();
    lived_in(folder.path(), "", true).await;
    let newest = files::newest(folder.path(), Options::default()).unwrap();
    let (path, first) = (newest.path.unwrap(), journals(folder.path()).remove(0));
    fs::write(&path, "").unwrap();
    // Since the beginning of all: they make up for the snapshot.
    let alone = files::newest(folder.path(), Options::default()).unwrap();
    assert_eq!((alone.path.as_ref(), alone.skipped.len(), alone.journals.len()), (None, 1, 2));
    assert_eq!(alone.file.sessions, newest.file.sessions);
    fs::remove_file(&first).unwrap();
    assert!(matches!(files::newest(folder.path(), Options::default()), Err(FileError::NoneValid { .. })));
    fs::remove_file(&path).unwrap();
    let error = files::newest(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(error, FileError::JournalAlone { .. }) && error.is_refusal(), "{error}");
}

#[tokio::test]
async fn a_journal_of_version_1_is_looked_into_and_a_newer_one_is_refused_everywhere_and_left_as_it_is() {
    let golden = format!("{}/snapshots/golden/journal-v1.log", env!("CARGO_MANIFEST_DIR"));
    let held = files::journal(&golden, Options::default()).unwrap();
    assert_eq!((held.version, held.frames, held.first_frame, held.rest), (1, 3, 7, JournalRest::Clean));
    let records = held.records;
    let sorts = [records.sessions, records.changes, records.events, records.last_uses, records.ends];
    assert_eq!(sorts, [2, 1, 3, 2, 5]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal-00000000000000000000-000000.log");
    let mut newer = fs::read(golden).unwrap();
    newer[8] = 2;
    let sum = super::crc32c(&newer[..12]);
    newer[12..16].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, &newer).unwrap();
    for refused in [
        files::journal(&path, Options::default()).unwrap_err(),
        files::newest(folder.path(), Options::default()).unwrap_err(),
    ] {
        assert!(matches!(refused, FileError::Newer { found: 2, supported: 1, .. }), "{refused}");
    }
    for durability in [Durability::Snapshot, Durability::JOURNAL, Durability::Commit] {
        let started = SessionService::builder().snapshots(folder.path()).durability(durability).start().await;
        assert!(matches!(started, Err(StartError::Newer { found: 2, supported: 1, .. })), "{durability:?}");
        assert_eq!(fs::read(&path).unwrap(), newer, "{durability:?}");
    }
    assert_eq!(journals(folder.path()), [path]);
}

/// What was acknowledged before a look is found, and a write under way is never taken for damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_service_that_writes_nothing_is_missed_and_nothing_looks_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let service = SessionService::builder()
        .snapshots(folder.path())
        .snapshot_every(Duration::from_secs(100_000))
        .generations(1_usize)
        .durability(Durability::Commit)
        .start()
        .await
        .unwrap();
    let bucket = service.owner(&alice()).bucket().await.unwrap();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writer = {
        let (acknowledged, bucket) = (Arc::clone(&acknowledged), bucket.clone());
        tokio::spawn(async move {
            for number in 1_u64.. {
                bucket.set("n", &number).await.unwrap();
                acknowledged.store(number, Ordering::Release);
            }
        })
    };
    let (mut looks, mut laid_over) = (0, 0);
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let before = acknowledged.load(Ordering::Acquire);
        let place = folder.path().to_owned();
        let newest = tokio::task::spawn_blocking(move || {
            for path in journals(&place) {
                match files::journal(&path, Options::default()) {
                    Ok(held) => assert!(held.is_whole(), "{held:?}"),
                    // Removed, or begun, meanwhile.
                    Err(FileError::Read { .. } | FileError::Unbegun { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            files::newest(&place, Options::default())
        });
        let newest = newest.await.unwrap().unwrap();
        assert!(newest.skipped.is_empty() && newest.journal_cut.as_ref().is_none_or(|cut| !cut.lost), "{newest:?}");
        let mut text = Vec::new();
        match newest.write_to(&mut text, Format::Json, Options::default()) {
            Ok(_) => {
                let text = String::from_utf8(text).unwrap();
                let value = text.split("\"key\":\"n\",\"value\":").nth(1).and_then(|rest| rest.split(',').next());
                let found: u64 = value.map_or(0, |digits| digits.parse().unwrap());
                assert!(found >= before, "{found} is older than {before}: {text}");
            }
            // A snapshot took its place.
            Err(FileError::Read { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        (looks, laid_over) = (looks + 1, laid_over + u64::from(!newest.journals.is_empty()));
        if looks % 4 == 0 {
            service.snapshot().await.unwrap();
        }
    }
    writer.abort();
    assert!(looks > 4 && laid_over > 0, "{looks} looks, {laid_over} with journals");
}
