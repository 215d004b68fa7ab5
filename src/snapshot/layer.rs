//! What is asked of a file system. Behind a trait, so that tests can fail and crash it.

mod guard;
mod make;

use std::any::Any;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Steps on a file system. Each is one system call or behaves like one.
pub(crate) trait FileLayer: Send + Sync {
    /// Makes sure that the folder exists, for its owner alone (0700) where it is made, and that its name and those it is
    /// made below outlive a power cut. A folder that is there is not changed.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes a folder and these files in it their owner's alone, where they are open to others.
    fn make_private(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()>;
    /// Takes the lock file at `path` for as long as the answer lives; `None` when somebody else has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;
    /// What is in the folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<Listed>>;
    /// Creates a file that does not exist yet, for its owner alone (0600).
    fn create(&self, path: &Path) -> io::Result<Box<dyn LayerFile>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// Gives a file another name, which must not be taken.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in the folder outlive a power cut.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub(crate) trait LayerFile: Write + Send {
    /// Makes what was written outlive a power cut.
    fn sync(&mut self) -> io::Result<()>;
    /// Writes at a place, over what is there or past the end; not to be mixed with [`Write`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// The same as [`LayerFile::sync`], without times and the like.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// A lock that is held; dropping it gives it back.
pub(crate) type Lock = Box<dyn Any + Send + Sync>;

/// One name in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// The name.
    pub(crate) name: OsString,
    /// What it names; a symbolic link is not followed.
    pub(crate) kind: ListedKind,
}

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListedKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a socket, a device.
    Other,
}

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StdLayer;

impl FileLayer for StdLayer {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        make::folder(&mut make::Machine, folder)?;
        guard::check_link(folder)
    }

    fn make_private(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()> {
        guard::make_folder_private(folder)?;
        files.iter().try_for_each(|file| guard::make_private(file))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = guard::open(OpenOptions::new().create(true).truncate(false).write(true), path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Listed>> {
        let listed = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            let kind = entry.file_type()?;
            let kind = match kind {
                _ if kind.is_file() => ListedKind::File,
                _ if kind.is_dir() => ListedKind::Folder,
                _ => ListedKind::Other,
            };
            Ok(Listed { name: entry.file_name(), kind })
        };
        fs::read_dir(folder)?.map(listed).collect()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LayerFile>> {
        Ok(Box::new(guard::open(OpenOptions::new().create_new(true).write(true), path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(guard::open(OpenOptions::new().read(true), path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // The folder's lock keeps others out between the two calls.
        match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Elsewhere a folder cannot be opened, and its changes are as durable as they get.
        if cfg!(unix) { guard::folder(folder)?.sync_all() } else { Ok(()) }
    }
}

impl LayerFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }
}
