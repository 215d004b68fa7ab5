//! Encryption at rest: what keys are for, how they change, and that nothing starts or is touched without them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::common::{alice, secs};
use sessile::files::{self, FileError, Options, Verified};
use sessile::{
    Builder, Durability, FileProblem, Format, ImportOptions, Json, KeyRing, NewSession, SessionService, StartError,
};

const FORMATS: [Format; 2] = [Format::Bincode, Format::Json];

/// A ring of keys, each by its only digit; the first one writes.
fn ring(digits: &str) -> KeyRing {
    let lines: Vec<_> = digits.chars().map(|digit| digit.to_string().repeat(64)).collect();
    KeyRing::parse(&lines.join("\n")).unwrap()
}

fn id(digit: &str) -> Option<String> {
    Some(ring(digit).writing().to_string())
}

fn builder(folder: &Path, keys: &str) -> Builder {
    let builder = SessionService::builder().snapshots(folder);
    if keys.is_empty() { builder } else { builder.keys(ring(keys)) }
}

async fn start(folder: &Path, keys: &str) -> SessionService {
    builder(folder, keys).start().await.unwrap()
}

async fn set(service: &SessionService, value: u64) {
    service.owner(&alice()).bucket().await.unwrap().set("n", &value).await.unwrap();
}

async fn value(service: &SessionService) -> Option<u64> {
    service.owner(&alice()).bucket().await.unwrap().get("n").unwrap()
}

/// Everything in a folder, with its bytes, its time and its mode.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime, u32)> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let told = |path: PathBuf| {
        let about = fs::metadata(&path).unwrap();
        (path.clone(), (fs::read(path).unwrap(), about.modified().unwrap(), about.permissions().mode()))
    };
    files.map(told).collect()
}

fn newest(folder: &Path) -> Verified {
    files::newest(folder, Options::default().keys(ring("abc"))).unwrap().file
}

#[tokio::test]
async fn a_wrong_or_missing_key_means_no_start_and_nothing_touched() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        // An older generation that anybody could read is no way out.
        let service = builder(folder.path(), "").format(format).start().await.unwrap();
        set(&service, 1).await;
        service.drain().await.unwrap();
        let service = builder(folder.path(), "a").format(format).start().await.unwrap();
        set(&service, 2).await;
        service.drain().await.unwrap();
        // As copies of an operator may be, and what a crash left.
        fs::write(folder.path().join("snapshot-00000000000000000009.bin.tmp"), "half").unwrap();
        for path in contents(folder.path()).into_keys() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mode = || fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777;
        let before = contents(folder.path());
        for keys in ["", "b", "bc"] {
            let refused = builder(folder.path(), keys).start().await.map(drop).unwrap_err();
            assert!(matches!(&refused, StartError::Sealed { key, .. } if Some(key) == id("a").as_ref()), "{refused}");
            assert!(refused.to_string().contains("name a key file that holds it"), "{refused}");
            assert!(!refused.to_string().contains("aaaaaaaa") && !format!("{refused:?}").contains("aaaaaaaa"));
        }
        assert!(contents(folder.path()) == before && mode() == 0o755, "{format:?}: something was touched");
        assert_eq!(value(&start(folder.path(), "a").await).await, Some(2));
    }
}

#[tokio::test]
async fn a_journal_tells_nothing_without_its_key_and_comes_back_with_it() {
    const NEEDLES: [&str; 5] = ["needle-key", "needle-value", "needle-label", "needle-name", "needle-event"];
    for sealed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let keys = if sealed { "a" } else { "" };
        let service = builder(folder.path(), keys).durability(Durability::Commit).start().await.unwrap();
        let owner = service.owner(&alice());
        let new = NewSession::default().name("needle-name");
        let session = owner.create(new).await.unwrap();
        session.set("needle-key", "needle-value").await.unwrap();
        session.describe(|metadata| metadata.label = Some("needle-label".to_owned())).await.unwrap();
        session.events().append("stream", &Json::of("needle-event").unwrap()).await.unwrap();
        let id = session.id().as_str().to_owned();
        drop((session, service));
        let before = contents(folder.path());
        let journals = before.keys().filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        assert_eq!((journals.count(), before.len()), (1, 2), "a journal and the lock");
        for needle in NEEDLES.iter().copied().chain(["alice", &id]) {
            let held = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            let found = before.values().any(|(bytes, ..)| held(bytes));
            assert_eq!(found, !sealed, "{needle}");
        }
        if sealed {
            for keys in ["", "b"] {
                let refused = builder(folder.path(), keys).start().await.map(drop).unwrap_err();
                assert!(
                    matches!(&refused, StartError::Sealed { key, .. } if Some(key) == self::id("a").as_ref()),
                    "{refused}"
                );
            }
            assert!(contents(folder.path()) == before, "something was touched");
        }
        // Under a new first key, and at another level: the old one reads.
        let service = start(folder.path(), if sealed { "ba" } else { "" }).await;
        let session = service.owner(&alice()).open(&id).await.unwrap();
        assert_eq!(session.get::<String>("needle-key").unwrap().as_deref(), Some("needle-value"));
        assert_eq!(session.events().recent("stream", 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn told_to_start_empty_it_leaves_what_it_cannot_open() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), "a").await;
    set(&service, 1).await;
    service.drain().await.unwrap();
    let before = contents(folder.path());
    let service = builder(folder.path(), "b").start_empty(true).generations(1_usize).start().await.unwrap();
    assert!(service.restored().started_empty && value(&service).await.is_none());
    for number in 0..4 {
        set(&service, number).await;
        service.snapshot().await.unwrap();
    }
    service.drain().await.unwrap();
    let after = contents(folder.path());
    assert!(before.iter().all(|(path, held)| after.get(path) == Some(held)));
    assert_eq!(after.len(), before.len() + 1, "of its own one generation is kept");
}

#[tokio::test]
async fn told_to_start_empty_it_leaves_journals_that_it_cannot_open() {
    // With a snapshot that they go on from, and alone.
    for snapshots in [1, 0] {
        let folder = tempfile::tempdir().unwrap();
        let own = |keys| builder(folder.path(), keys).durability(Durability::Commit).generations(1);
        let service = own("a").start().await.unwrap();
        for number in 1..=snapshots {
            set(&service, number).await;
            service.snapshot().await.unwrap();
        }
        set(&service, 7).await;
        drop(service);
        let before = contents(folder.path());
        assert!(before.keys().any(|path| path.extension().is_some_and(|extension| extension == "log")));
        let service = own("b").start_empty(true).start().await.unwrap();
        assert!(service.restored().started_empty && value(&service).await.is_none());
        for number in 0..4 {
            set(&service, number).await;
            service.snapshot().await.unwrap();
        }
        service.drain().await.unwrap();
        drop(service);
        // Nor does a later start, which finds them behind it.
        let service = own("b").start().await.unwrap();
        for number in 0..4 {
            set(&service, number).await;
            service.snapshot().await.unwrap();
        }
        service.drain().await.unwrap();
        let after = contents(folder.path());
        let gone: Vec<_> = before.iter().filter(|(path, held)| after.get(*path) != Some(held)).collect();
        assert!(gone.is_empty(), "{:?}", gone.iter().map(|(path, _)| path).collect::<Vec<_>>());
        assert_eq!(after.len(), before.len() + 2, "of its own one generation is kept, with its journal");
        after.keys().filter(|path| !before.contains_key(*path)).for_each(|path| fs::remove_file(path).unwrap());
        assert_eq!(value(&own("a").start().await.unwrap()).await, Some(7));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_first_key_seals_the_next_snapshot_which_follows_soon() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), "a").await;
    set(&service, 7).await;
    service.drain().await.unwrap();
    assert_eq!(newest(folder.path()).sealed_under, id("a"));
    let service = start(folder.path(), "ba").await;
    assert!(value(&service).await == Some(7) && service.restored().unsealed.is_none());
    // Nothing has changed but the key.
    for _ in 0..100 {
        tokio::time::sleep(secs(1)).await;
        if newest(folder.path()).sealed_under == id("b") {
            break;
        }
    }
    assert_eq!(newest(folder.path()).sealed_under, id("b"));
    drop(service);
    // The old key may go.
    assert_eq!(value(&start(folder.path(), "b").await).await, Some(7));
}

#[tokio::test]
async fn an_unsealed_file_is_taken_over_told_and_sealed() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let service = builder(folder.path(), "").format(format).start().await.unwrap();
        set(&service, 7).await;
        service.drain().await.unwrap();
        assert_eq!(service.restored().unsealed, None);
        let service = builder(folder.path(), "a").format(format).start().await.unwrap();
        let report = service.restored();
        assert!(report.unsealed.is_some() && report.unsealed == report.file && value(&service).await == Some(7));
        service.drain().await.unwrap();
        assert_eq!(newest(folder.path()).sealed_under, id("a"));
        let service = start(folder.path(), "a").await;
        assert!(service.restored().unsealed.is_none() && value(&service).await == Some(7));
    }
}

#[tokio::test]
async fn journals_that_are_not_sealed_as_asked_are_told_by_name_and_sealed_soon() {
    let journal = |folder: &Path, generation: u64| folder.join(format!("journal-{generation:020}-000000.log"));
    // With the keys of the snapshot if there is one, and of the journal; then with "ba".
    for (snapshot, keys, unsealed) in
        [(None, "", true), (None, "a", false), (Some("b"), "", true), (Some("b"), "a", false), (Some("b"), "b", false)]
    {
        let folder = tempfile::tempdir().unwrap();
        if let Some(keys) = snapshot {
            let service = start(folder.path(), keys).await;
            set(&service, 1).await;
            service.drain().await.unwrap();
        }
        // A journal of the other sort goes on from it, as if it had been put there.
        let donor = tempfile::tempdir().unwrap();
        if snapshot.is_some() {
            let mut first = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let first = first.find(|path| path.extension().is_some_and(|end| end == "bin")).unwrap();
            let digits = if keys == "b" { keys.to_owned() } else { format!("{keys}b") };
            let options = Options::default().keys(ring(&digits)).seal(!keys.is_empty());
            files::convert(&first, donor.path().join(first.file_name().unwrap()), Format::Bincode, options).unwrap();
        }
        let service = builder(donor.path(), keys).durability(Durability::Commit).start().await.unwrap();
        set(&service, 7).await;
        drop(service);
        let generation = u64::from(snapshot.is_some());
        fs::copy(journal(donor.path(), generation), journal(folder.path(), generation)).unwrap();

        let own = builder(folder.path(), "ba").durability(Durability::Commit).snapshot_every(secs(86_400));
        let service = own.start().await.unwrap();
        let report = service.restored();
        assert_eq!(value(&service).await, Some(7), "{snapshot:?} {keys:?} {report:?}");
        let told = service.restored().unsealed.clone();
        assert_eq!(told, unsealed.then(|| journal(folder.path(), generation)), "{snapshot:?} {keys:?}");
        let written = || {
            let paths = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            paths.filter(|path| path.extension().is_some_and(|end| end == "bin")).count() as u64
        };
        // Nothing has changed but the key.
        let follows = keys != "b";
        // The journal's thread lives by the clock of the machine.
        for _ in 0..if follows { 1_000 } else { 20 } {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            if written() > generation {
                break;
            }
        }
        assert_eq!(written(), generation + u64::from(follows), "{snapshot:?} {keys:?}");
        if follows {
            assert_eq!(newest(folder.path()).sealed_under, id("b"));
        }
    }
}

#[tokio::test]
async fn exports_are_sealed_unless_asked_otherwise_and_imports_open_them() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let (sealed, plain) = (folder.path().join("sealed"), folder.path().join("plain"));
        let service = SessionService::builder().keys(ring("a")).start().await.unwrap();
        set(&service, 7).await;
        let report = service.export(&sealed, format).await.unwrap();
        assert_eq!(report.bytes, fs::metadata(&sealed).unwrap().len());
        service.export_unsealed(&plain, format).await.unwrap();
        assert_eq!(files::verify(&plain, Options::default()).unwrap().sealed_under, None);

        let stranger = SessionService::builder().keys(ring("b")).start().await.unwrap();
        let refused = stranger.import(&sealed, ImportOptions::default()).await.unwrap_err();
        let told = refused.to_string();
        assert!(matches!(refused, FileProblem::Refused { .. }) && told.contains(&id("a").unwrap()), "{told}");
        let friend = SessionService::builder().keys(ring("ba")).start().await.unwrap();
        friend.import(&sealed, ImportOptions::default()).await.unwrap();
        assert_eq!(value(&friend).await, Some(7));
    }
}

#[tokio::test]
async fn files_are_looked_into_checked_and_converted_with_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (sealed, json, again) =
        (folder.path().join("sealed"), folder.path().join("state.json"), folder.path().join("again"));
    let service = SessionService::builder().keys(ring("a")).start().await.unwrap();
    set(&service, 7).await;
    service.export(&sealed, Format::Bincode).await.unwrap();
    let keys = |digits| Options::default().keys(ring(digits));
    for options in [Options::default(), keys("b")] {
        let refused = files::inspect(&sealed, options).unwrap_err();
        assert!(matches!(refused, FileError::Sealed { .. }) && refused.is_refusal());
        assert!(refused.hint().contains("--key-file"), "{}", refused.hint());
    }
    let held = files::inspect(&sealed, keys("ba")).unwrap();
    assert_eq!((held.file.sealed_under, held.file.compressed, held.sessions.entries), (id("a"), false, 1));
    assert_eq!(held.file.bytes, fs::metadata(&sealed).unwrap().len());
    files::convert(&sealed, &json, Format::Json, keys("a")).unwrap();
    assert!(fs::read_to_string(&json).unwrap().contains("\"value\":7"));
    let unsealed = files::convert(&json, &again, Format::Bincode, Options::default().seal(true)).unwrap_err();
    assert!(matches!(unsealed, FileError::Write { .. }) && !again.exists(), "without a key it fails closed");
    let written = files::convert(&json, &again, Format::Bincode, keys("b").seal(true)).unwrap();
    assert_eq!(written.bytes, fs::metadata(&again).unwrap().len());
    assert_eq!(files::verify(&again, keys("b")).unwrap().sealed_under, id("b"));
}

#[cfg(feature = "zstd")]
#[tokio::test]
async fn compressed_files_are_smaller_and_read_by_anybody() {
    for keys in ["", "a"] {
        let folder = tempfile::tempdir().unwrap();
        let mut sizes = Vec::new();
        for compress in [false, true] {
            let service = builder(folder.path(), keys).compress(compress).start().await.unwrap();
            let bucket = service.owner(&alice()).bucket().await.unwrap();
            bucket.set("text", &"what repeats itself ".repeat(5_000)).await.unwrap();
            sizes.push(service.snapshot().await.unwrap().bytes);
            service.drain().await.unwrap();
            assert_eq!(newest(folder.path()).compressed, compress);
        }
        assert!(sizes[1] * 20 < sizes[0], "{sizes:?}");
        // Whether it compresses itself or not.
        let service = start(folder.path(), keys).await;
        let bucket = service.owner(&alice()).bucket().await.unwrap();
        assert_eq!(bucket.get::<String>("text").unwrap().unwrap().len(), 100_000);
    }
}
