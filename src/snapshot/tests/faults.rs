//! A file system that fails at any step loses nothing that was written before.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::fixture::*;
use crate::config::Format;
use crate::snapshot::layer::LayerFile;
use crate::snapshot::layer::{Listed, Lock};
use crate::snapshot::*;

/// The machine's file system, but from the n-th step on every step fails, or only the n-th one does.
struct Failing {
    steps: Arc<Steps>,
}

#[derive(Default)]
struct Steps {
    made: Mutex<Vec<&'static str>>,
    fail_at: usize,
    for_ever: bool,
}

impl Steps {
    fn step(&self, name: &'static str) -> io::Result<()> {
        let mut made = self.made.lock();
        let number = made.len();
        made.push(name);
        let fails = number == self.fail_at || self.for_ever && number > self.fail_at;
        if fails { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
    }
}

struct FailingFile {
    steps: Arc<Steps>,
    file: Box<dyn LayerFile>,
}

impl Write for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A torn write: some of it gets there.
        if let Err(error) = self.steps.step("write") {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl LayerFile for FailingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.steps.step("sync")?;
        self.file.sync()
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.steps.step("write at") {
            self.file.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.steps.step("sync data")?;
        self.file.sync_data()
    }
}

impl FileLayer for Failing {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.steps.step("create folder")?;
        StdLayer.create_folder(folder)
    }

    fn make_private(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()> {
        self.steps.step("make private")?;
        StdLayer.make_private(folder, files)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.steps.step("lock")?;
        StdLayer.lock(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Listed>> {
        self.steps.step("list")?;
        StdLayer.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        self.steps.step("create")?;
        Ok(Box::new(FailingFile { steps: self.steps.clone(), file: StdLayer.create(path)? }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.steps.step("open")?;
        StdLayer.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.steps.step("rename")?;
        StdLayer.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.steps.step("remove")?;
        StdLayer.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.steps.step("sync folder")?;
        StdLayer.sync_folder(folder)
    }
}

/// One life of a process: open, restore, write twice, retain. Gives the newest generation it was promised, and whether
/// everything went well.
fn life(path: &Path, layer: Arc<dyn FileLayer>, format: Format) -> (u64, bool) {
    let mut promised = 0;
    let mut all_well = || -> Option<()> {
        let folder = Folder::open(path, layer.clone(), CODEC).ok()?;
        promised = folder.newest(|file| folder.verify(file)).ok()?.file?.0.number;
        let mut well = true;
        for _ in 0..2 {
            match folder.write(format, NOW, |writer| fill(writer, &sessions(), &tombstones())) {
                Ok(written) => promised = written.summary.header.generation,
                Err(error) => {
                    assert!(matches!(error, WriteError::Io { .. }), "{error}");
                    well = false;
                }
            }
            well &= folder.retain(1, None).is_ok();
        }
        well.then_some(())
    };
    let well = all_well().is_some();
    (promised, well)
}

#[test]
fn what_was_promised_is_readable_whatever_step_fails() {
    for format in FORMATS {
        for for_ever in [false, true] {
            let mut fail_at = 0;
            loop {
                let root = tempfile::tempdir().unwrap();
                let first = Folder::open(root.path(), Arc::new(StdLayer), CODEC).unwrap();
                first.write(format, NOW, |writer| fill(writer, &sessions(), &[])).unwrap();
                drop(first);
                let steps = Arc::new(Steps { fail_at, for_ever, ..Steps::default() });
                let (promised, well) = life(root.path(), Arc::new(Failing { steps: steps.clone() }), format);

                // The disk is back.
                let folder = Folder::open(root.path(), Arc::new(StdLayer), CODEC).unwrap();
                let found = folder.newest(|file| folder.verify(file)).unwrap();
                folder.claim().unwrap();
                assert!(found.skipped.is_empty(), "nothing half-written has a name, step {fail_at}");
                let (file, summary) = found.file.unwrap();
                assert!(file.number >= promised.max(1), "step {fail_at}: {} before {promised}", file.number);
                assert_eq!(summary.sessions, 4);
                let left = std::fs::read_dir(root.path()).unwrap().count();
                assert_eq!(left, 1 + folder.generations().unwrap().len(), "only the lock stands beside generations");

                if steps.made.lock().len() <= fail_at {
                    assert!(well);
                    break;
                }
                assert!(!well, "step {fail_at} failed and nobody was told");
                fail_at += 1;
            }
            assert!(fail_at > 20, "the life has {fail_at} steps only");
        }
    }
}

#[test]
fn a_failed_write_removes_what_it_began() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(root.path(), Arc::new(StdLayer), CODEC).unwrap();
    for format in FORMATS {
        let result = folder.write(format, NOW, |writer| {
            writer.session(&bare(1).borrowed())?;
            writer.session(&SessionRecord { revision: u64::MAX, ..bare(2) }.borrowed())
        });
        assert!(matches!(result, Err(WriteError::Record { index: 2, .. })));
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    assert!(folder.newest(|file| folder.verify(file)).unwrap().file.is_none());
}

#[test]
fn a_disk_that_fails_in_the_middle_of_a_large_file_is_told() {
    let large = |digest| SessionRecord {
        entries: pack(vec![entry("k", &format!("\"{}\"", "x".repeat(400_000)))]),
        ..bare(digest)
    };
    let all: Vec<_> = (1..=4).map(large).collect();
    for format in FORMATS {
        // Two looks, folder, lock; then the list and the file.
        for fail_at in 6.. {
            let root = tempfile::tempdir().unwrap();
            let steps = Arc::new(Steps { fail_at, ..Steps::default() });
            let folder = Folder::open(root.path(), Arc::new(Failing { steps: steps.clone() }), CODEC).unwrap();
            let written = folder.write(format, NOW, |writer| fill(writer, &all, &tombstones()));
            let writes = steps.made.lock().iter().filter(|step| **step == "write").count();
            if steps.made.lock().get(fail_at) == Some(&"rename") {
                assert!(writes >= 6, "the file was written in {writes} pieces only");
                break;
            }
            assert!(matches!(written, Err(WriteError::Io { .. })), "{format:?}, step {fail_at}: {written:?}");
            assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "something half-written stays");
        }
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path(), Arc::new(StdLayer), CODEC).unwrap();
        let written = folder.write(format, NOW, |writer| fill(writer, &all, &tombstones())).unwrap();
        let (_, (sessions, ends)) = read_all(&std::fs::read(written.path).unwrap(), &OPTIONS).unwrap();
        assert!(sessions == all && ends == tombstones());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_called_damaged() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let folder = Folder::open(path, Arc::new(StdLayer), CODEC).unwrap();
    folder.write(Format::Bincode, NOW, |writer| fill(writer, &sessions(), &[])).unwrap();
    drop(folder);
    // Two looks, folder, lock, the list; then the file.
    let steps = Arc::new(Steps { fail_at: 5, ..Steps::default() });
    let folder = Folder::open(path, Arc::new(Failing { steps }), CODEC).unwrap();
    assert!(matches!(folder.newest(|file| folder.verify(file)), Err(RestoreError::Io { .. })));
    assert!(folder.newest(|file| folder.verify(file)).unwrap().file.is_some());
}

#[test]
fn each_step_is_durable_before_the_next_one_depends_on_it() {
    let root = tempfile::tempdir().unwrap();
    let steps = Arc::new(Steps { fail_at: usize::MAX, ..Steps::default() });
    let folder = Folder::open(root.path(), Arc::new(Failing { steps: steps.clone() }), CODEC).unwrap();
    for format in FORMATS {
        steps.made.lock().clear();
        folder.write(format, NOW, |writer| fill(writer, &sessions(), &tombstones())).unwrap();
        assert_eq!(*steps.made.lock(), ["list", "create", "write", "sync", "rename", "sync folder"]);
    }
    steps.made.lock().clear();
    folder.retain(1, None).unwrap();
    assert_eq!(*steps.made.lock(), ["list", "list", "remove", "sync folder"]);
}
