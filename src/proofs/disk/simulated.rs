//! A file system in memory that can be cut at every step.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::super::random::Random;
use super::medium::{Image, Medium, Node, Step};
use crate::snapshot::{FileLayer, LayerFile, Listed, ListedKind, Lock};

/// The disk, cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// What it held at first.
    first: Medium,
    medium: Medium,
    log: Vec<Step>,
    /// When each step was done, counted from the first.
    times: Vec<Duration>,
    started: Option<Instant>,
    locked: BTreeSet<usize>,
}

impl Inner {
    fn step(&mut self, step: Step) {
        self.medium.apply(&step);
        self.log.push(step);
        let time = self.time();
        self.times.push(time);
    }

    fn time(&mut self) -> Duration {
        self.started.get_or_insert_with(Instant::now).elapsed()
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.parent(path)?;
        match self.medium.node(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn folder(&self, path: &Path) -> io::Result<()> {
        if path.parent().is_none() {
            return Ok(());
        }
        self.parent(path)?;
        match self.medium.node(path) {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn parent(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.folder(parent))
    }

    fn create(&mut self, path: &Path) -> io::Result<usize> {
        self.parent(path)?;
        if self.medium.node(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.step(Step::Put(path.to_owned(), self.medium.new_file()));
        self.file(path)
    }
}

impl Disk {
    /// A disk as a restart finds it.
    pub(super) fn of(image: &Image) -> Self {
        let medium = Medium::of(image);
        Self(Arc::new(Mutex::new(Inner { first: medium.clone(), medium, ..Inner::default() })))
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> usize {
        self.0.lock().log.len()
    }

    /// Tokio's time now, counted from the first step or question.
    pub(super) fn time(&self) -> Duration {
        self.0.lock().time()
    }

    /// When each step was done.
    pub(super) fn times(&self) -> Vec<Duration> {
        self.0.lock().times.clone()
    }

    /// Names given to files from step `since` on, each with the steps that were done once it was given.
    pub(super) fn renamed_since(&self, since: usize) -> Vec<(usize, std::path::PathBuf)> {
        let inner = self.0.lock();
        let renamed = inner.log.iter().enumerate().skip(since).filter_map(|(index, step)| match step {
            Step::Rename(_, to) => Some((index + 1, to.clone())),
            _ => None,
        });
        renamed.collect()
    }

    /// The disk as it was after so many steps, for every number of them that left it unlike the one before.
    pub(super) fn every_step(&self) -> Vec<(usize, Medium)> {
        let inner = self.0.lock();
        let mut medium = inner.first.clone();
        let mut all = vec![(0, medium.clone())];
        for (index, step) in inner.log.iter().enumerate() {
            medium.apply(step);
            if !matches!(step, Step::Look) {
                all.push((index + 1, medium.clone()));
            }
        }
        all
    }

    /// The disk as a restart finds it when the power is cut after `index` steps; the seed decides about what was not durable.
    pub(super) fn image_at(&self, index: usize, seed: u64) -> Image {
        let inner = self.0.lock();
        let mut medium = inner.first.clone();
        inner.log[..index].iter().for_each(|step| medium.apply(step));
        medium.cut(&mut Random(seed))
    }

    /// The power is cut now.
    pub(super) fn cut(&self, seed: u64) -> Image {
        self.0.lock().medium.cut(&mut Random(seed))
    }

    /// What a failed sync does to everything that was written and not synced.
    pub(super) fn forget_unsynced(&self) {
        self.0.lock().step(Step::SyncFailed);
    }

    /// Makes all files durable, and no name.
    pub(super) fn sync_files(&self) {
        let mut inner = self.0.lock();
        let Node::File(files) = inner.medium.new_file() else { return };
        (0..files).for_each(|file| inner.step(Step::Sync(file)));
    }

    /// Opens a file for writing that is there: what only a bug does.
    pub(super) fn reopen(&self, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        let file = self.0.lock().file(path)?;
        Ok(Box::new(Open { disk: self.clone(), file, at: 0 }))
    }

    /// The log as text, to compare runs by.
    pub(super) fn told(&self) -> Vec<String> {
        self.0.lock().log.iter().map(|step| format!("{step:?}")).collect()
    }
}

impl FileLayer for Disk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        let missing: Vec<_> = folder.ancestors().take_while(|path| inner.folder(path).is_err()).collect();
        if let Some(top) = missing.last()
            && inner.medium.node(top).is_some()
        {
            let kind = if missing.len() == 1 { ErrorKind::AlreadyExists } else { ErrorKind::NotADirectory };
            return Err(kind.into());
        }
        // As the machine's: the name of the lowest that is there, then each that is made.
        let there = folder.ancestors().nth(missing.len()).and_then(Path::parent);
        if let Some(parent) = there {
            inner.step(Step::SyncFolder(parent.to_owned()));
        }
        for path in missing.into_iter().rev() {
            inner.step(Step::Put(path.to_owned(), Node::Folder));
            inner.step(Step::SyncFolder(path.parent().unwrap().to_owned()));
        }
        Ok(())
    }

    fn make_private(&self, _: &Path, _: &[PathBuf]) -> io::Result<()> {
        self.0.lock().step(Step::Look);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let mut inner = self.0.lock();
        let file = match inner.file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => inner.create(path)?,
            other => other?,
        };
        inner.step(Step::Look);
        Ok(inner.locked.insert(file).then(|| Box::new(Held { disk: self.clone(), file }) as Lock))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Listed>> {
        let mut inner = self.0.lock();
        inner.step(Step::Look);
        inner.folder(folder)?;
        let listed = inner.medium.inside(folder).map(|(path, node)| Listed {
            name: path.file_name().unwrap().to_owned(),
            kind: if node == Node::Folder { ListedKind::Folder } else { ListedKind::File },
        });
        Ok(listed.collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        let file = self.0.lock().create(path)?;
        Ok(Box::new(Open { disk: self.clone(), file, at: 0 }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut inner = self.0.lock();
        inner.step(Step::Look);
        let file = inner.file(path)?;
        Ok(Box::new(Open { disk: self.clone(), file, at: 0 }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        match inner.parent(to) {
            Ok(()) if inner.medium.node(to).is_some() => return Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        inner.file(from)?;
        inner.parent(to)?;
        inner.step(Step::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.file(path)?;
        inner.step(Step::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.folder(folder)?;
        inner.step(Step::SyncFolder(folder.to_owned()));
        Ok(())
    }
}

struct Held {
    disk: Disk,
    file: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.0.lock().locked.remove(&self.file);
    }
}

/// A file that is open: it stays as it is though its name goes.
struct Open {
    disk: Disk,
    file: usize,
    at: usize,
}

impl Read for Open {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = Arc::clone(self.disk.0.lock().medium.bytes(self.file));
        let read = (&bytes[self.at.min(bytes.len())..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LayerFile::write_at(self, self.at as u64, bytes)?;
        self.at += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LayerFile for Open {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.0.lock().step(Step::Sync(self.file));
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // Nothing, written past the end, makes no file longer.
        if bytes.is_empty() {
            return Ok(());
        }
        let step = Step::Write { file: self.file, offset: offset as usize, bytes: bytes.into() };
        self.disk.0.lock().step(step);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }
}
