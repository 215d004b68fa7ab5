//! Guarantees 8 and 9: what snapshots hold, when they are written, and what becomes of damaged ones.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{Random, alice, bob, secs, seed};
use sessile::{Builder, Durability, Format, NewSession, Session, SessionService, SnapshotError, StartError, Ttl};

const FORMATS: [Format; 2] = [Format::Bincode, Format::Json];

fn builder(folder: &Path, format: Format) -> Builder {
    SessionService::builder().snapshots(folder).format(format)
}

async fn start(folder: &Path, format: Format) -> SessionService {
    builder(folder, format).start().await.unwrap()
}

async fn bucket(service: &SessionService) -> Session {
    service.owner(&alice()).bucket().await.unwrap()
}

async fn value(service: &SessionService) -> Option<u64> {
    bucket(service).await.get("n").unwrap()
}

/// The generations in a folder, the oldest first.
fn generations(folder: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snapshot-")).collect();
    files.sort();
    files
}

/// Writes generations that hold 1, 2, 3 and so on.
async fn written(folder: &Path, format: Format, count: u64) -> Vec<PathBuf> {
    let service = start(folder, format).await;
    for number in 1..=count {
        bucket(&service).await.set("n", &number).await.unwrap();
        service.snapshot().await.unwrap();
    }
    drop(service);
    generations(folder)
}

#[tokio::test]
async fn everything_comes_back_in_both_formats() {
    for (format, next) in [(Format::Bincode, Format::Json), (Format::Json, Format::Bincode)] {
        let folder = tempfile::tempdir().unwrap();
        let service = start(folder.path(), format).await;
        let owner = service.owner(&alice().with_client("not bound"));
        let new = NewSession::of_kind("cart").unwrap().name("groceries \"quoted\" \u{fc}").idle_timeout(secs(600));
        let session = owner.create(new).await.unwrap();
        session
            .update(|draft| {
                draft.set("text", "line\nbreak \u{1f600}")?;
                draft.set("number", &u64::MAX)?;
                draft.set("null", &())?;
                draft.set_with("ttl", &1, Ttl::Absolute(secs(60)))?;
                draft.set_with("sliding", &1, Ttl::Sliding(secs(60)))?;
                let metadata = draft.metadata_mut();
                metadata.label = Some("label".to_owned());
                metadata.user_agent = Some("agent".to_owned());
                metadata.origin = Some("origin".to_owned());
                metadata.tags = ["b".to_owned(), "a".to_owned()].into();
                metadata.custom = Some(sessile::Json::parse(r#"{"deep":[1,{"x":null}]}"#)?);
                Ok::<_, sessile::DraftError>(())
            })
            .await
            .unwrap();
        session.set("number", &u64::MAX.wrapping_sub(1)).await.unwrap();
        let large = owner.create_with_id("large", NewSession::default()).await.unwrap();
        large
            .update(|draft| (0..900).try_for_each(|key| draft.set(&format!("key-{key:03}"), &"x".repeat(1_000))))
            .await
            .unwrap();
        let secret = service.anonymous().create(NewSession::default()).await.unwrap();
        secret.set("a", &1).await.unwrap();
        service.global().await.unwrap().set("g", &1).await.unwrap();
        let (before, shown) =
            (session.info().unwrap(), format!("{:?}", session.read().unwrap().entries().collect::<Vec<_>>()));
        service.drain().await.unwrap();

        // A credential is in no file; the id of an owned session is.
        let text = fs::read(&generations(folder.path())[0]).unwrap();
        let holds = |needle: &str| text.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!holds(secret.id().as_str()) && holds(session.id().as_str()));

        let service = start(folder.path(), next).await;
        assert_eq!((service.restored().sessions, service.restored().degraded()), (4, false));
        let owner = service.owner(&alice());
        let back = owner.open(session.id().as_str()).await.unwrap();
        let info = back.info().unwrap();
        assert_eq!(format!("{:?}", back.read().unwrap().entries().collect::<Vec<_>>()), shown);
        assert_eq!(info.metadata, before.metadata);
        assert_eq!(
            (&info.id, &info.kind, &info.name, info.created_at, info.entries, info.bytes, info.revision),
            (&before.id, &before.kind, &before.name, before.created_at, before.entries, before.bytes, before.revision)
        );
        assert_eq!(info.revision.get(), 2);
        assert_eq!(back.set("more", &1).await.unwrap().revision.get(), 3);
        assert_eq!(owner.get_or_create("groceries \"quoted\" \u{fc}").await.unwrap().0.id(), session.id());
        assert_eq!(owner.open("large").await.unwrap().read().unwrap().len(), 900);
        assert_eq!(owner.list(&Default::default()).await.unwrap().sessions.len(), 2);
        assert_eq!(service.anonymous().open(secret.id().as_str()).await.unwrap().get::<u32>("a").unwrap(), Some(1));
        assert_eq!(service.global().await.unwrap().get::<u32>("g").unwrap(), Some(1));
        assert_eq!(service.operator().stats().sessions, 4);
        // Caps know what came back: its bytes are given back at its end.
        owner.close_all().await.unwrap();
        service.anonymous().open(secret.id().as_str()).await.unwrap().close().await.unwrap();
        service.global().await.unwrap().close().await.unwrap();
        let stats = service.operator().stats();
        assert_eq!((stats.sessions, stats.bytes), (0, 0));
    }
}

#[tokio::test]
async fn without_a_drain_the_last_snapshot_counts() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let service = start(folder.path(), format).await;
        bucket(&service).await.set("n", &1).await.unwrap();
        service.snapshot().await.unwrap();
        bucket(&service).await.set("n", &2).await.unwrap();
        // As a kill would leave it, half a file included.
        drop(service);
        let half = folder.path().join("snapshot-00000000000000000002.bin.tmp");
        fs::write(&half, b"\x89SESSILE").unwrap();
        let service = start(folder.path(), format).await;
        assert!(!half.exists());
        assert_eq!((value(&service).await, service.restored().degraded()), (Some(1), false));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_nothing_changes_and_soon_after_something_did() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Format::Bincode).await;
    // Time is paused: it passes while everybody waits, and only then.
    tokio::time::sleep(secs(200)).await;
    assert!(generations(folder.path()).is_empty());
    for round in 1..=3 {
        bucket(&service).await.set("n", &round).await.unwrap();
        tokio::time::sleep(Duration::from_millis(990)).await;
        assert_eq!(generations(folder.path()).len(), round - 1, "not before a second has passed");
        bucket(&service).await.set("m", &round).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(generations(folder.path()).len(), round, "a second after the first change, whatever came after it");
        // Opening the bucket counts as use, which the next interval writes down.
        tokio::time::sleep(secs(4)).await;
        assert_eq!(generations(folder.path()).len(), round);
    }
    drop(service);
    let service = start(folder.path(), Format::Bincode).await;
    assert_eq!(value(&service).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_interval_is_armed_again_after_each_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let service = builder(folder.path(), Format::Json).generations(10).start().await.unwrap();
    let session = bucket(&service).await;
    service.snapshot().await.unwrap();
    // The creation had asked for one soon; that has passed, too.
    tokio::time::sleep(secs(2)).await;
    for round in 2..6 {
        // A use alone is no reason for a file at once.
        session.read().unwrap();
        tokio::time::sleep(secs(5)).await;
        assert_eq!(generations(folder.path()).len(), round - 1);
        tokio::time::sleep(secs(56)).await;
        assert_eq!(generations(folder.path()).len(), round);
    }
    tokio::time::sleep(secs(600)).await;
    assert_eq!(generations(folder.path()).len(), 5);
}

#[tokio::test]
async fn three_generations_are_kept_and_more_where_told() {
    for (keep, left) in [(None, 3), (Some(1), 1), (Some(5), 5)] {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = builder(folder.path(), Format::Bincode);
        if let Some(keep) = keep {
            builder = builder.generations(keep);
        }
        let service = builder.start().await.unwrap();
        for number in 1..=7_u64 {
            bucket(&service).await.set("n", &number).await.unwrap();
            let report = service.snapshot().await.unwrap();
            assert_eq!(report.path, *generations(folder.path()).last().unwrap());
            assert_eq!(report.bytes, fs::metadata(&report.path).unwrap().len());
        }
        assert_eq!(generations(folder.path()).len(), left);
        drop(service);
        assert_eq!(value(&start(folder.path(), Format::Bincode).await).await, Some(7));
    }
}

#[tokio::test(start_paused = true)]
async fn on_request_alone_nothing_is_written_by_the_clock_and_nothing_removed() {
    let folder = tempfile::tempdir().unwrap();
    let service = builder(folder.path(), Format::Bincode).generations(6).start().await.unwrap();
    service.owner(&alice()).create(NewSession::default().idle_timeout(Duration::from_millis(1))).await.unwrap();
    for number in 1..=6_u64 {
        bucket(&service).await.set("n", &number).await.unwrap();
        service.snapshot().await.unwrap();
    }
    drop(service);
    std::thread::sleep(Duration::from_millis(5));
    fs::write(folder.path().join("snapshot-00000000000000000009.bin.tmp"), "half").unwrap();
    let before = contents(folder.path());
    let on_request = builder(folder.path(), Format::Bincode).snapshots_on_request(true).generations(1);
    let service = on_request.start().await.unwrap();
    assert_eq!(service.restored().expired, 1, "which is a change");
    bucket(&service).await.set("n", &7).await.unwrap();
    tokio::time::sleep(secs(600)).await;
    assert!(contents(folder.path()) == before);
    service.snapshot().await.unwrap();
    bucket(&service).await.set("n", &8).await.unwrap();
    service.drain().await.unwrap();
    assert_eq!(contents(folder.path()).len(), before.len() + 2);
    assert!(before.into_iter().all(|(path, held)| fs::read(path).unwrap() == held));
}

#[tokio::test]
async fn of_files_that_are_kept_for_their_age_none_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let own = || builder(folder.path(), Format::Bincode).generations(1).keep_for(secs(86_400));
    let service = own().start().await.unwrap();
    for number in 1..=5_u64 {
        bucket(&service).await.set("n", &number).await.unwrap();
        service.snapshot().await.unwrap();
    }
    drop(service);
    // Damage behind its header is nobody's business while a file is kept; it is found when its turn comes, and stays.
    let third = generations(folder.path())[2].clone();
    let mut damaged = fs::read(&third).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(&third, &damaged).unwrap();
    let service = own().start().await.unwrap();
    service.drain().await.unwrap();
    assert_eq!(generations(folder.path()).len(), 6);
    let service = builder(folder.path(), Format::Bincode).generations(1).start().await.unwrap();
    service.drain().await.unwrap();
    let left = generations(folder.path());
    assert_eq!((left.len(), &left[0]), (2, &third));
    assert_eq!(fs::read(&third).unwrap(), damaged);
}

fn damages(whole: &[u8], random: &mut Random) -> Vec<(String, Vec<u8>)> {
    let mut damages = vec![("empty".to_owned(), Vec::new()), ("foreign".to_owned(), b"hello".to_vec())];
    for _ in 0..8 {
        let length = random.below(whole.len() as u64) as usize;
        damages.push((format!("cut off at {length}"), whole[..length].to_vec()));
        let (byte, bit) = (random.below(whole.len() as u64) as usize, random.below(8));
        let mut flipped = whole.to_vec();
        flipped[byte] ^= 1 << bit;
        damages.push((format!("bit {bit} of byte {byte} flipped"), flipped));
    }
    damages.push(("longer".to_owned(), [whole, b"\n{}"].concat()));
    damages
}

#[tokio::test]
async fn damage_in_the_newest_falls_back_and_damage_in_all_refuses() {
    let mut random = Random(seed());
    for format in FORMATS {
        let origin = tempfile::tempdir().unwrap();
        let files = written(origin.path(), format, 2).await;
        let (old, new) = (fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
        for (what, damaged) in damages(&new, &mut random) {
            let folder = tempfile::tempdir().unwrap();
            let path = |file: &Path| folder.path().join(file.file_name().unwrap());
            let (first, second) = (path(&files[0]), path(&files[1]));
            fs::write(&first, &old).unwrap();
            fs::write(&second, &damaged).unwrap();
            let service = start(folder.path(), format).await;
            let report = service.restored();
            assert!(report.degraded(), "{format:?} {what}");
            assert_eq!(report.file.as_deref(), Some(first.as_path()));
            assert_eq!(report.skipped.iter().map(|(path, _)| path).collect::<Vec<_>>(), [&second]);
            assert_eq!(value(&service).await, Some(1), "{format:?} {what}");
            assert_eq!(fs::read(&second).unwrap(), damaged, "before anything later is durable it stays where it is");
            // Then it is put aside: neither overwritten, nor counted, nor removed.
            for number in 10..14_u64 {
                bucket(&service).await.set("n", &number).await.unwrap();
                service.snapshot().await.unwrap();
            }
            drop(service);
            let aside = folder.path().join("quarantine").join(second.file_name().unwrap());
            assert_eq!(fs::read(&aside).unwrap(), damaged, "{format:?} {what}");
            assert_eq!(generations(folder.path()).len(), 3);
            let service = start(folder.path(), format).await;
            assert_eq!((value(&service).await, service.restored().degraded()), (Some(13), false));
            drop(service);

            for file in generations(folder.path()) {
                fs::write(&file, &damaged).unwrap();
            }
            let all = generations(folder.path());
            match builder(folder.path(), format).start().await {
                Err(StartError::NoneValid(problems)) => assert_eq!(problems.len(), all.len()),
                other => panic!("{format:?} {what}: {other:?}"),
            }
            assert_eq!(generations(folder.path()), all, "a refusal changes nothing");
            let service = builder(folder.path(), format).start_empty(true).start().await.unwrap();
            assert!(service.restored().started_empty);
            assert_eq!(value(&service).await, None);
            for number in 0..5 {
                bucket(&service).await.set("n", &number).await.unwrap();
                service.snapshot().await.unwrap();
            }
            for file in all {
                assert_eq!(fs::read(&file).unwrap(), damaged);
            }
        }
    }
}

/// The file as a release from the future would begin it.
fn from_the_future(whole: &[u8], format: Format) -> Vec<u8> {
    match format {
        Format::Bincode => {
            let mut bytes = whole.to_vec();
            bytes[8..12].copy_from_slice(&7_u32.to_le_bytes());
            let sum = crc32c::crc32c(&bytes[..12]);
            bytes[12..16].copy_from_slice(&sum.to_le_bytes());
            bytes
        }
        Format::Json => {
            let text = String::from_utf8(whole.to_vec()).unwrap();
            text.replacen("json-v2\",\"version\":2", "json-v7\",\"version\":7", 1).into_bytes()
        }
    }
}

#[tokio::test]
async fn a_newer_file_refuses_to_start_though_older_ones_are_there() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let files = written(folder.path(), format, 2).await;
        let newer = from_the_future(&fs::read(&files[1]).unwrap(), format);
        fs::write(&files[1], &newer).unwrap();
        match builder(folder.path(), format).start().await {
            Err(StartError::Newer { file, found: 7, supported: 2 }) => assert_eq!(file, files[1]),
            other => panic!("{format:?}: {other:?}"),
        }
        assert_eq!(generations(folder.path()), files);
        let service = builder(folder.path(), format).start_empty(true).start().await.unwrap();
        assert!(service.restored().started_empty && service.restored().sessions == 0);
        for _ in 0..4 {
            service.snapshot().await.unwrap();
        }
        assert_eq!(fs::read(&files[1]).unwrap(), newer);
    }
}

/// Everything in a folder but its lock, and the folder of what was put aside.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file() && !path.ends_with("lock"));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn journal(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("journal-{generation:020}-000000.log"))
}

fn commits(folder: &Path) -> Builder {
    builder(folder, Format::Bincode).durability(Durability::Commit).generations(1)
}

/// Journals with two generations, the second going on to `n` = 9.
async fn journaled(folder: &Path) {
    let service = commits(folder).generations(2).start().await.unwrap();
    for number in 1..=2_u64 {
        bucket(&service).await.set("n", &number).await.unwrap();
        service.snapshot().await.unwrap();
    }
    for number in 3..=9_u64 {
        bucket(&service).await.set("n", &number).await.unwrap();
    }
}

/// Some more snapshots, of this life and of another one.
async fn go_on(service: SessionService, folder: &Path) {
    let mut living = Some(service);
    for _ in 0..2 {
        let service = match living.take() {
            Some(service) => service,
            None => commits(folder).start().await.unwrap(),
        };
        for number in 0..3 {
            bucket(&service).await.set("n", &number).await.unwrap();
            service.snapshot().await.unwrap();
        }
        service.drain().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_newer_release_wrote_stays_with_all_that_it_goes_on_with() {
    for newer in ["snapshot", "journal"] {
        let folder = tempfile::tempdir().unwrap();
        journaled(folder.path()).await;
        let path = match newer {
            "snapshot" => generations(folder.path())[1].clone(),
            _ => journal(folder.path(), 2),
        };
        fs::write(&path, from_the_future(&fs::read(&path).unwrap(), Format::Bincode)).unwrap();
        let before = contents(folder.path());
        match commits(folder.path()).start().await {
            Err(StartError::Newer { file, found: 7, .. }) => assert_eq!(file, path),
            other => panic!("{newer}: {other:?}"),
        }
        assert!(contents(folder.path()) == before, "{newer}: a refusal changes nothing");
        let service = commits(folder.path()).start_empty(true).start().await.unwrap();
        assert!(service.restored().started_empty && value(&service).await.is_none());
        go_on(service, folder.path()).await;
        let after = contents(folder.path());
        // What the older generation is good for is good for without them, and it is removed in its turn.
        for stays in [generations(folder.path())[0].clone(), path.clone(), journal(folder.path(), 2)] {
            assert_eq!(after.get(&stays), before.get(&stays), "{newer}: {}", stays.display());
        }
        assert!(before.contains_key(&generations(folder.path())[0]));
        assert!(!journal(folder.path(), 1).exists(), "{newer}");
        assert_eq!(after.len(), 4, "{newer}: one generation and its journal beside them: {:?}", after.keys());
    }
}

#[tokio::test]
async fn damage_in_a_journal_is_put_aside_and_never_removed() {
    for damage in ["middle", "header"] {
        let folder = tempfile::tempdir().unwrap();
        journaled(folder.path()).await;
        let path = journal(folder.path(), 2);
        let mut bytes = fs::read(&path).unwrap();
        // Each frame takes a sector or two, and so does the header.
        bytes[if damage == "middle" { 512 * 4 + 40 } else { 20 }] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let service = commits(folder.path()).start().await.unwrap();
        assert!(service.restored().degraded(), "{damage}");
        let found = value(&service).await;
        assert!(found.is_some_and(|found| found < 9), "{damage}: {found:?}");
        go_on(service, folder.path()).await;
        let aside = folder.path().join("quarantine").join(path.file_name().unwrap());
        let held = if path.exists() { fs::read(&path) } else { fs::read(&aside) };
        assert!(held.is_ok_and(|held| held == bytes), "{damage}: it was removed");
        assert!(aside.exists(), "{damage}: it was not put aside");
        assert_eq!(contents(folder.path()).len(), 2, "{damage}: one generation and its journal");
    }
}

#[tokio::test]
async fn damage_in_the_newest_snapshot_costs_nothing_that_journals_hold() {
    let folder = tempfile::tempdir().unwrap();
    journaled(folder.path()).await;
    let newest = generations(folder.path())[1].clone();
    let mut damaged = fs::read(&newest).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&newest, &damaged).unwrap();
    let service = commits(folder.path()).start().await.unwrap();
    assert_eq!((service.restored().degraded(), value(&service).await), (true, Some(9)));
    go_on(service, folder.path()).await;
    let aside = folder.path().join("quarantine").join(newest.file_name().unwrap());
    assert_eq!(fs::read(aside).unwrap(), damaged);
    assert_eq!(contents(folder.path()).len(), 2, "what was restored from is gone");
}

#[tokio::test]
async fn one_service_at_a_time_has_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path(), Format::Bincode).await;
    assert!(
        matches!(builder(folder.path(), Format::Bincode).start().await, Err(StartError::Locked(path)) if path == folder.path())
    );
    bucket(&first).await.set("n", &1).await.unwrap();
    first.drain().await.unwrap();
    // A lock file that nobody holds is harmless.
    assert!(folder.path().join("lock").exists());
    assert_eq!(value(&start(folder.path(), Format::Bincode).await).await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_folder_is_free_at_once_after_a_drain_and_after_a_drop() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..100 {
        let service = start(folder.path(), Format::Bincode).await;
        let session = bucket(&service).await;
        if round % 2 == 0 {
            service.drain().await.unwrap();
            // The service is still held here, and so is a session.
            drop(start(folder.path(), Format::Bincode).await);
        } else {
            drop(service);
        }
        drop(session);
    }
}

#[tokio::test]
async fn a_folder_with_foreign_files_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    match builder(folder.path(), Format::Bincode).start().await {
        Err(StartError::Foreign { folder: found, name }) => {
            assert_eq!((found.as_path(), name.as_str()), (folder.path(), "thesis.txt"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o755);
    // What belongs to version control, and folders, are no strangers.
    fs::remove_file(folder.path().join("thesis.txt")).unwrap();
    fs::write(folder.path().join(".gitignore"), "*").unwrap();
    fs::create_dir(folder.path().join("golden")).unwrap();
    start(folder.path(), Format::Bincode).await;
}

#[tokio::test]
async fn folder_and_files_are_for_their_owner_alone() {
    for format in FORMATS {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("made").join("here");
        let service = start(&folder, format).await;
        bucket(&service).await.set("n", &1).await.unwrap();
        service.snapshot().await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        let export = outer.path().join("export");
        service.export(&export, format).await.unwrap();
        assert_eq!(mode(&export), 0o600);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_is_never_torn_in_a_file() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let service = start(folder.path(), format).await;
        let session = bucket(&service).await;
        session.update(|draft| (0..16).try_for_each(|key| draft.set(&key.to_string(), &100))).await.unwrap();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                let (session, done) = (session.clone(), done.clone());
                tokio::spawn(async move {
                    let mut rounds = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let (from, to) = ((writer + rounds) % 16, (writer * 7 + rounds * 3 + 1) % 16);
                        rounds += 1;
                        let moved = session.update(move |draft| {
                            draft.increment(&from.to_string(), -1)?;
                            draft.increment(&to.to_string(), 1)
                        });
                        moved.await.unwrap();
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let mut revisions = Vec::new();
        for _ in 0..25 {
            let report = service.snapshot().await.unwrap();
            let copy = tempfile::tempdir().unwrap();
            fs::copy(&report.path, copy.path().join(report.path.file_name().unwrap())).unwrap();
            let restored = start(copy.path(), format).await;
            let view = bucket(&restored).await.read().unwrap();
            assert_eq!(view.entries().map(|entry| entry.value.parse::<i64>().unwrap()).sum::<i64>(), 1_600);
            revisions.push(view.revision().get());
        }
        assert!(revisions.is_sorted() && revisions.first() < revisions.last(), "updates went on: {revisions:?}");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
    }
}

/// Something stands in the folder's place: nobody can write into it, whoever they are.
struct Blocked {
    folder: PathBuf,
    aside: PathBuf,
}

impl Blocked {
    fn new(folder: &Path) -> Self {
        let aside = folder.with_extension("aside");
        fs::rename(folder, &aside).unwrap();
        fs::write(folder, "in the way").unwrap();
        Self { folder: folder.to_owned(), aside }
    }

    fn clear(self) {
        fs::remove_file(&self.folder).unwrap();
        fs::rename(&self.aside, &self.folder).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_is_told_and_what_it_was_to_hold_is_written_later() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("snapshots");
    let service = start(&folder, Format::Bincode).await;
    bucket(&service).await.set("n", &1).await.unwrap();
    service.snapshot().await.unwrap();
    bucket(&service).await.set("n", &2).await.unwrap();
    let blocked = Blocked::new(&folder);
    match service.snapshot().await {
        Err(SnapshotError::Write(source)) => assert!(source.to_string().contains("list the folder"), "{source}"),
        other => panic!("{other:?}"),
    }
    // The loop does not end on its first error, nor on its tenth.
    tokio::time::sleep(secs(600)).await;
    // Work goes on meanwhile.
    bucket(&service).await.set("m", &3).await.unwrap();
    tokio::time::sleep(secs(61)).await;
    blocked.clear();
    assert_eq!(generations(&folder).len(), 1);
    tokio::time::sleep(secs(61)).await;
    assert_eq!(generations(&folder).len(), 2, "nothing changed since, and it is written all the same");
    drop(service);
    let service = start(&folder, Format::Bincode).await;
    assert_eq!(value(&service).await, Some(2));
}

#[tokio::test]
async fn options_that_cannot_be_used_are_told_together_and_touch_nothing() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("never");
    let wrong = builder(&folder, Format::Json)
        .generations(0)
        .snapshot_every(Duration::ZERO)
        .max_sessions(0_u64)
        .kinds(["Not a kind"]);
    match wrong.start().await {
        Err(StartError::Options(problems)) => assert_eq!(problems.len(), 4, "{problems:?}"),
        other => panic!("{other:?}"),
    }
    assert!(!folder.exists());
    let none = SessionService::builder().start().await.unwrap();
    assert!(matches!(none.snapshot().await, Err(SnapshotError::NoFolder)));
    drop(bob());
}
