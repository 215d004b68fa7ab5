//! Mechanisms taken out: each a disk, or a folder, as it would be without one.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::around::Habit;
use super::simulated::Disk;
use crate::snapshot::{FileLayer, LayerFile};

/// No file is ever synced.
pub(super) struct NoFileSync;

impl Habit for NoFileSync {
    fn sync(&self, _: &mut dyn LayerFile) -> io::Result<()> {
        Ok(())
    }
}

/// No folder is ever synced.
pub(super) struct NoFolderSync;

impl Habit for NoFolderSync {
    fn sync_folder(&self, _: &dyn FileLayer, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A file gets its name first and is synced then.
pub(super) struct SyncAfterRename(pub(super) Disk);

impl Habit for SyncAfterRename {
    fn sync(&self, _: &mut dyn LayerFile) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, inner: &dyn FileLayer, from: &Path, to: &Path) -> io::Result<()> {
        inner.rename(from, to)?;
        self.0.sync_files();
        Ok(())
    }
}

/// Older generations go before the next one is written.
pub(super) struct RemovesFirst;

impl Habit for RemovesFirst {
    fn create(&self, inner: &dyn FileLayer, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        for old in generations(inner, path.parent().unwrap()) {
            inner.remove(&old)?;
        }
        inner.create(path)
    }
}

/// What is damaged is put aside before the next one is written.
pub(super) struct PutsAsideFirst;

impl Habit for PutsAsideFirst {
    fn create(&self, inner: &dyn FileLayer, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        let (newest, aside) =
            (generations(inner, path.parent().unwrap()).into_iter().max(), path.with_file_name("quarantine"));
        if let Some(newest) = newest.filter(|_| inner.list(&aside).is_err()) {
            inner.create_folder(&aside)?;
            inner.rename(&newest, &aside.join(newest.file_name().unwrap()))?;
        }
        inner.create(path)
    }
}

/// Checksums are right, whatever was read.
pub(super) struct NoChecksum(pub(super) fn(&mut Vec<u8>));

impl Habit for NoChecksum {
    fn open(&self, inner: &dyn FileLayer, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut bytes = Vec::new();
        inner.open(path)?.read_to_end(&mut bytes)?;
        (self.0)(&mut bytes);
        Ok(Box::new(io::Cursor::new(bytes)))
    }
}

/// The next generation is written over the newest one.
pub(super) struct WritesOver(pub(super) Disk);

impl Habit for WritesOver {
    fn rename(&self, inner: &dyn FileLayer, from: &Path, to: &Path) -> io::Result<()> {
        let Some(over) = generations(inner, to.parent().unwrap()).into_iter().max() else {
            return inner.rename(from, to);
        };
        let (mut bytes, mut old) = (Vec::new(), Vec::new());
        inner.open(from)?.read_to_end(&mut bytes)?;
        inner.open(&over)?.read_to_end(&mut old)?;
        if bytes.len() < old.len() {
            return inner.rename(from, to);
        }
        self.0.reopen(&over)?.write_all(&bytes)?;
        self.0.sync_files();
        inner.rename(&over, to)?;
        inner.remove(from)
    }
}

fn generations(layer: &dyn FileLayer, folder: &Path) -> Vec<PathBuf> {
    let listed = layer.list(folder).unwrap().into_iter();
    let paths = listed.map(|listed| folder.join(listed.name));
    paths.filter(|path| matches!(path.extension().and_then(|end| end.to_str()), Some("bin" | "json"))).collect()
}
