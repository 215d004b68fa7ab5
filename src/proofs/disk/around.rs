//! A layer around another one: what it does otherwise is its habit. Habits nest.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::snapshot::{FileLayer, LayerFile, Listed, Lock};

/// What comes of a step.
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// Nothing of it is done.
    Fails(io::Error),
    /// Half of a write gets there before it fails.
    FailsHalfWay(io::Error),
    /// Half of a write gets there, and the answer says so.
    Short,
}

/// Where a layer does not do as it is told.
pub(super) trait Habit: Send + Sync + 'static {
    /// Asked before each step.
    fn step(&self, _step: &'static str) -> Outcome {
        Outcome::Done
    }

    fn sync(&self, file: &mut dyn LayerFile) -> io::Result<()> {
        file.sync()
    }

    fn sync_folder(&self, inner: &dyn FileLayer, folder: &Path) -> io::Result<()> {
        inner.sync_folder(folder)
    }

    fn create(&self, inner: &dyn FileLayer, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        inner.create(path)
    }

    fn open(&self, inner: &dyn FileLayer, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        inner.open(path)
    }

    fn rename(&self, inner: &dyn FileLayer, from: &Path, to: &Path) -> io::Result<()> {
        inner.rename(from, to)
    }
}

/// A layer with a habit.
pub(super) struct Around<H> {
    inner: Arc<dyn FileLayer>,
    habit: Arc<H>,
}

impl<H: Habit> Around<H> {
    pub(super) fn layer(inner: Arc<dyn FileLayer>, habit: &Arc<H>) -> Arc<dyn FileLayer> {
        Arc::new(Self { inner, habit: Arc::clone(habit) })
    }

    fn step(&self, step: &'static str) -> io::Result<()> {
        whole(self.habit.step(step))
    }
}

/// Of a step that is done or not, and has no half.
fn whole(outcome: Outcome) -> io::Result<()> {
    match outcome {
        Outcome::Done | Outcome::Short => Ok(()),
        Outcome::Fails(error) | Outcome::FailsHalfWay(error) => Err(error),
    }
}

impl<H: Habit> FileLayer for Around<H> {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step("create folder")?;
        self.inner.create_folder(folder)
    }

    fn make_private(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()> {
        self.step("make private")?;
        self.inner.make_private(folder, files)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.step("lock")?;
        self.inner.lock(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Listed>> {
        self.step("list")?;
        self.inner.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        self.step("create")?;
        Ok(Box::new(AroundFile { inner: self.habit.create(&*self.inner, path)?, habit: Arc::clone(&self.habit) }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.step("open")?;
        self.habit.open(&*self.inner, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename")?;
        self.habit.rename(&*self.inner, from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove")?;
        self.inner.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step("sync folder")?;
        self.habit.sync_folder(&*self.inner, folder)
    }
}

struct AroundFile<H> {
    inner: Box<dyn LayerFile>,
    habit: Arc<H>,
}

impl<H: Habit> Write for AroundFile<H> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let half = bytes.get(..bytes.len().div_ceil(2)).unwrap_or_default();
        match self.habit.step("write") {
            Outcome::Done => self.inner.write(bytes),
            Outcome::Short => self.inner.write(half),
            Outcome::Fails(error) => Err(error),
            Outcome::FailsHalfWay(error) => self.inner.write_all(half).and(Err(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<H: Habit> LayerFile for AroundFile<H> {
    fn sync(&mut self) -> io::Result<()> {
        whole(self.habit.step("sync"))?;
        self.habit.sync(&mut *self.inner)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        match self.habit.step("write at") {
            // The system's own call is made again for the rest; a layer's file writes all of it.
            Outcome::Done | Outcome::Short => self.inner.write_at(offset, bytes),
            Outcome::Fails(error) => Err(error),
            Outcome::FailsHalfWay(error) => self.inner.write_at(offset, half).and(Err(error)),
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        whole(self.habit.step("sync data"))?;
        self.inner.sync_data()
    }
}
