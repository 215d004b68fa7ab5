//! Files of ours are opened and nothing else, and strangers get nowhere near them.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use super::fixture::*;
use crate::snapshot::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn kind<T>(result: io::Result<T>) -> Option<io::ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn no_link_is_followed() {
    let root = tempfile::tempdir().unwrap();
    let (target, link) = (root.path().join("target"), root.path().join("link"));
    fs::write(&target, "of somebody else").unwrap();
    symlink(&target, &link).unwrap();
    assert_eq!(kind(StdLayer.open(&link)), Some(io::ErrorKind::InvalidInput));
    assert_eq!(kind(StdLayer.lock(&link)), Some(io::ErrorKind::InvalidInput));
    assert_eq!(kind(StdLayer.create(&link)), Some(io::ErrorKind::AlreadyExists));
    let missing = root.path().join("missing");
    symlink(root.path().join("nothing"), &missing).unwrap();
    assert!(StdLayer.lock(&missing).is_err() && StdLayer.create(&missing).is_err());
    assert!(!root.path().join("nothing").exists(), "a file was made through a link");
    assert_eq!(fs::read_to_string(&target).unwrap(), "of somebody else");
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let (socket, folder) = (root.path().join("socket"), root.path().join("folder"));
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::create_dir(&folder).unwrap();
    assert!(StdLayer.open(&socket).is_err() && StdLayer.lock(&socket).is_err());
    assert_eq!(kind(StdLayer.open(&folder)), Some(io::ErrorKind::InvalidInput));
    let pipe = root.path().join("pipe");
    if std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|made| made.success()) {
        assert!(StdLayer.open(&pipe).is_err() && StdLayer.lock(&pipe).is_err());
    }
}

#[test]
fn a_file_that_is_open_to_others_is_made_its_owners_alone() {
    let root = tempfile::tempdir().unwrap();
    let names = [1, 2, 3].map(|number| root.path().join(format!("snapshot-{number:020}.bin")));
    let [file, strict, half] = names.map(|path| {
        if path.ends_with("snapshot-00000000000000000003.bin") { path.with_extension("bin.tmp") } else { path }
    });
    let lock = root.path().join("lock");
    for path in [&file, &strict, &half, &lock] {
        fs::write(path, "").unwrap();
        set_mode(path, 0o666);
    }
    // One that is stricter than ours stays so.
    set_mode(&strict, 0o400);
    set_mode(root.path(), 0o755);
    let folder = Folder::open(root.path(), Arc::new(StdLayer), CODEC).unwrap();
    StdLayer.open(&file).unwrap();
    let modes = || [root.path(), &file, &strict, &lock].map(mode);
    assert_eq!(modes(), [0o755, 0o666, 0o400, 0o666], "whoever may yet be refused changes nothing");
    assert!(half.exists());
    folder.claim().unwrap();
    assert_eq!(modes(), [0o700, 0o600, 0o400, 0o600]);
    assert!(!half.exists());
}

#[test]
fn the_folder_may_be_a_link_where_no_stranger_can_change_what_it_leads_through() {
    let root = tempfile::tempdir().unwrap();
    let (open, link) = (root.path().join("open"), root.path().join("link"));
    fs::create_dir_all(open.join("folder")).unwrap();
    symlink(open.join("folder"), &link).unwrap();
    let write = |path: &Path| -> Result<(), FolderError> {
        let folder = Folder::open(path, Arc::new(StdLayer), CODEC)?;
        folder.claim()?;
        folder.write(Default::default(), NOW, |writer| fill(writer, &sessions(), &[])).unwrap();
        Ok(())
    };
    write(&link).unwrap();
    assert_eq!(mode(&open.join("folder")), 0o700);
    set_mode(&open, 0o777);
    let refused = write(&link).unwrap_err().to_string();
    assert!(refused.contains("folder that others can change; give the folder itself"), "{refused}");
    // Named itself it is what its operator meant.
    write(&open.join("folder")).unwrap();
    set_mode(&open, 0o1777);
    write(&link).unwrap();
    set_mode(&open, 0o755);
    let dangling = root.path().join("dangling");
    symlink(open.join("nothing"), &dangling).unwrap();
    assert!(write(&dangling).is_err() && !open.join("nothing").exists());
}
