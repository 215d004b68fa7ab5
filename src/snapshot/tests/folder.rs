//! One process at a time, nothing overwritten, and the newest whole generation wins.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::fixture::*;
use crate::config::Format;
use crate::snapshot::folder::write::Written;
use crate::snapshot::*;

fn open(path: &Path) -> Result<Folder, FolderError> {
    Folder::open(path, Arc::new(StdLayer), CODEC)
}

/// Writes a generation that holds as many sessions as its number says.
fn write(folder: &Folder, format: Format, sessions: u8) -> Written {
    let sessions: Vec<_> = (0..sessions).map(bare).collect();
    folder.write(format, NOW, |writer| fill(writer, &sessions, &[])).unwrap()
}

fn newest(folder: &Folder) -> Found<Summary> {
    folder.newest(|file| folder.verify(file)).unwrap()
}

fn numbers(folder: &Folder) -> Vec<u64> {
    folder.generations().unwrap().iter().map(|file| file.number).collect()
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn newer(file: &Path) {
    let mut bytes = sample(Format::Bincode);
    bytes[8] = 3;
    let sum = crc32c::crc32c(&bytes[..12]).to_le_bytes();
    bytes[12..16].copy_from_slice(&sum);
    fs::write(file, bytes).unwrap();
}

#[test]
fn no_name_is_ever_given_to_a_second_file() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("from"), root.path().join("to"));
    StdLayer.create(&from).unwrap().write_all(b"new").unwrap();
    StdLayer.create(&to).unwrap().write_all(b"old").unwrap();
    assert!(StdLayer.create(&to).is_err());
    assert!(StdLayer.rename(&from, &to).is_err());
    assert_eq!(fs::read(&to).unwrap(), b"old");
}

#[test]
fn a_folder_is_shared_by_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let root = tempfile::tempdir().unwrap();
    shared(&open(root.path()).unwrap());
}

#[test]
fn generations_are_numbered_and_the_newest_is_found() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b");
    let folder = open(&path).unwrap();
    assert!(newest(&folder).file.is_none());
    for (count, format) in [(1, Format::Bincode), (2, Format::Json), (3, Format::Bincode)] {
        let written = write(&folder, format, count);
        assert_eq!((written.summary.header.generation, written.summary.sessions), (u64::from(count), u64::from(count)));
        assert_eq!(written.bytes, fs::metadata(&written.path).unwrap().len());
    }
    assert_eq!(numbers(&folder), [3, 2, 1]);
    let (file, summary) = newest(&folder).file.unwrap();
    assert_eq!((file.number, summary.sessions, summary.header.generation), (3, 3, 3));
    let read = read(&mut folder.open_file(&file).unwrap(), &OPTIONS, &mut |_| Ok(())).unwrap();
    assert_eq!(read, summary);
}

#[test]
fn damage_falls_back_and_is_never_removed_or_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let folder = open(root.path()).unwrap();
    let written: Vec<_> = (1..=5).map(|count| write(&folder, FORMATS[usize::from(count) % 2], count)).collect();
    damage(&written[4].path);
    fs::write(&written[3].path, "").unwrap();
    // Another process: nothing is known to be valid.
    drop(folder);
    let folder = open(root.path()).unwrap();
    let found = newest(&folder);
    assert_eq!(found.file.unwrap().0.number, 3);
    let skipped: Vec<_> = found.skipped.iter().map(|(file, _)| file.number).collect();
    assert_eq!(skipped, [5, 4]);
    assert!(matches!(found.skipped[1].1, FileError::Empty));

    let damaged = fs::read(&written[4].path).unwrap();
    let sixth = write(&folder, Format::Bincode, 6);
    assert_eq!(sixth.summary.header.generation, 6);
    let removed: Vec<_> = folder.retain(2, None).unwrap().iter().map(|file| file.number).collect();
    assert_eq!(removed, [1, 2]);
    assert_eq!(numbers(&folder), [6, 5, 4, 3]);
    assert_eq!(fs::read(&written[4].path).unwrap(), damaged);
    assert!(folder.retain(2, None).unwrap().is_empty());
    assert_eq!(folder.retain(0, None).unwrap().len(), 1, "one generation stays at least");
    assert_eq!(numbers(&folder), [6, 5, 4]);
}

#[test]
fn the_numbers_of_damaged_files_are_not_used_again() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("snapshot-00000000000000000040.json"), "x").unwrap();
    let folder = open(root.path()).unwrap();
    assert_eq!(write(&folder, Format::Json, 1).summary.header.generation, 41);
    fs::write(root.path().join(format!("snapshot-{}.bin", u64::MAX)), "x").unwrap();
    let result = folder.write(Format::Json, NOW, |_| Ok(()));
    assert!(matches!(result, Err(WriteError::Exhausted { highest: u64::MAX })));
}

#[test]
fn a_newer_version_stops_the_restore_unless_a_newer_file_is_valid() {
    let root = tempfile::tempdir().unwrap();
    let folder = open(root.path()).unwrap();
    write(&folder, Format::Bincode, 1);
    let second = write(&folder, Format::Bincode, 2);
    let third = write(&folder, Format::Json, 3);
    newer(&second.path);
    assert_eq!(newest(&folder).file.unwrap().0.number, 3);
    damage(&third.path);
    let result = folder.newest(|file| folder.verify(file));
    assert!(matches!(&result, Err(RestoreError::Newer { path, found: 3, .. }) if *path == second.path), "{result:?}");
    drop(folder);
    // It is not removed by retention either.
    let folder = open(root.path()).unwrap();
    write(&folder, Format::Json, 4);
    assert_eq!(folder.retain(1, None).unwrap().len(), 1);
    assert_eq!(numbers(&folder), [4, 3, 2]);
}

#[test]
fn files_of_which_none_is_valid_are_an_error() {
    let root = tempfile::tempdir().unwrap();
    let folder = open(root.path()).unwrap();
    for count in 1..=2 {
        damage(&write(&folder, Format::Bincode, count).path);
    }
    let Err(RestoreError::NoneValid { skipped }) = folder.newest(|file| folder.verify(file)) else {
        panic!("a damaged file was taken")
    };
    assert_eq!(skipped.len(), 2);
    let text = RestoreError::NoneValid { skipped }.to_string();
    assert!(text.contains("none of the 2 snapshot files") && text.contains("damaged at byte"), "{text}");
}

#[test]
fn a_second_service_is_told_that_the_folder_is_in_use() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path()).unwrap();
    let half = root.path().join("snapshot-00000000000000000001.bin.tmp");
    fs::write(&half, "the first one is writing this").unwrap();
    assert!(matches!(open(root.path()), Err(FolderError::Locked { .. })));
    assert!(half.exists(), "whoever is refused touches nothing");
    drop(first);
    let second = open(root.path()).unwrap();
    assert!(half.exists(), "whether this one goes on is not known");
    second.claim().unwrap();
    assert!(!half.exists(), "a stale one is removed");
}

#[test]
fn a_folder_with_foreign_files_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("golden")).unwrap();
    fs::write(root.path().join(".gitkeep"), "").unwrap();
    assert!(open(root.path()).is_ok());
    for name in ["thesis.doc", "snapshot-1.bin", "lock.bak"] {
        let file = root.path().join(name);
        fs::write(&file, "mine").unwrap();
        let result = open(root.path()).map(drop);
        assert!(matches!(&result, Err(FolderError::Foreign { name: found, .. }) if found == name), "{result:?}");
        fs::remove_file(file).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_refused_is_as_it_was() {
    let stranger = tempfile::tempdir().unwrap();
    fs::write(stranger.path().join("thesis.doc"), "mine").unwrap();
    set_permissions(stranger.path(), 0o755);
    assert!(matches!(open(stranger.path()), Err(FolderError::Foreign { .. })));
    assert_eq!(fs::read_dir(stranger.path()).unwrap().count(), 1, "no lock file is left behind");
    assert_eq!(permissions(stranger.path()), 0o755);
}

#[cfg(unix)]
#[test]
fn a_link_under_a_name_of_ours_is_foreign() {
    let root = tempfile::tempdir().unwrap();
    for name in ["snapshot-00000000000000000001.bin", "lock"] {
        let link = root.path().join(name);
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(matches!(open(root.path()), Err(FolderError::Foreign { .. })));
        fs::remove_file(link).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn folder_and_files_belong_to_their_owner_alone() {
    let root = tempfile::tempdir().unwrap();
    let (made, open_to_all) = (root.path().join("made"), root.path().join("open"));
    fs::create_dir(&open_to_all).unwrap();
    set_permissions(&open_to_all, 0o777);
    for path in [made, open_to_all] {
        let folder = open(&path).unwrap();
        folder.claim().unwrap();
        let written = write(&folder, Format::Json, 1);
        assert_eq!(permissions(&path), 0o700);
        assert_eq!(permissions(&written.path), 0o600);
        assert_eq!(permissions(&path.join("lock")), 0o600);
    }
}

#[cfg(unix)]
fn permissions(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_permissions(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn generations_are_kept_by_number_and_by_age() {
    let root = tempfile::tempdir().unwrap();
    let written = |folder: &Folder, times: &[u64]| {
        times.iter().for_each(|at| drop(folder.write(Format::Bincode, *at, |_| Ok(())).unwrap()));
    };
    let folder = open(root.path()).unwrap();
    written(&folder, &[10, 20, 30, 40, 50]);
    assert!(folder.retain(2, Some(10)).unwrap().is_empty(), "all are young enough");
    folder.retain(2, Some(25)).unwrap();
    assert_eq!(numbers(&folder), [5, 4, 3]);
    // The newest stay, however old they are.
    folder.retain(2, Some(1_000)).unwrap();
    assert_eq!(numbers(&folder), [5, 4]);
    // Another process asks the files themselves.
    drop(folder);
    let folder = open(root.path()).unwrap();
    newest(&folder);
    written(&folder, &[60]);
    folder.retain(1, Some(50)).unwrap();
    assert_eq!(numbers(&folder), [6, 5]);
    folder.retain(1, None).unwrap();
    assert_eq!(numbers(&folder), [6]);
}

#[test]
fn what_is_put_aside_takes_nobodys_name() {
    let root = tempfile::tempdir().unwrap();
    let names = || {
        let listed = fs::read_dir(root.path().join("quarantine")).unwrap();
        let mut names: Vec<_> = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let folder = open(root.path()).unwrap();
    write(&folder, Format::Json, 1);
    let second = write(&folder, Format::Json, 2).path;
    drop(folder);
    damage(&second);
    let damaged = fs::read(&second).unwrap();
    for round in 1..=2 {
        let folder = open(root.path()).unwrap();
        assert_eq!(newest(&folder).skipped.len(), 1);
        assert!(folder.quarantine().unwrap().is_empty(), "nothing later was written");
        write(&folder, Format::Json, 3);
        assert_eq!(folder.quarantine().unwrap().len(), 1);
        assert!(folder.quarantine().unwrap().is_empty() && !second.exists());
        assert_eq!(names().len(), round);
        // Its operator puts the same one back, and takes away what came after it.
        numbers(&folder).into_iter().filter(|number| *number > 2).for_each(|number| {
            fs::remove_file(root.path().join(format!("snapshot-{number:020}.json"))).unwrap();
        });
        fs::write(&second, &damaged).unwrap();
    }
    assert_eq!(names(), ["snapshot-00000000000000000002.json", "snapshot-00000000000000000002.json.1"]);
    for name in names() {
        assert_eq!(fs::read(root.path().join("quarantine").join(name)).unwrap(), damaged);
    }
}
