//! The folder that keeps generations of files: one process at a time, written whole or not at all.

mod journals;
mod names;
mod quarantine;
mod restore;
mod retain;
mod superseded;
pub(super) mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::layer::{Listed, ListedKind, Lock};
use super::reader::ReadOptions;
use super::record::EntriesCodec;
use super::{FileError, FileLayer, FolderError, Opened, open};
use crate::config::Wrap;
pub(crate) use journals::{BeginError, journals};
use names::Name;
pub(crate) use names::{GenerationFile, JournalFile, is_journal_name};
pub(crate) use restore::Found;

/// What is known of generations, by their paths.
type Known = BTreeMap<PathBuf, About>;

/// What is known of one generation.
#[derive(Clone, Copy, Default)]
struct About {
    /// Whether it is whole: this process wrote it or read it to its end.
    is_whole: Option<bool>,
    /// When it was begun, as it says itself.
    begun: Option<u64>,
}

/// A folder of snapshots, locked for as long as this lives.
pub(crate) struct Folder {
    path: PathBuf,
    layer: Arc<dyn FileLayer>,
    options: ReadOptions,
    wrap: Wrap,
    /// The lock makes writing and retention take turns.
    known: Mutex<Known>,
    /// Files that the restore or the retention passed over, until they are put aside. Taken before `known`.
    damaged: Mutex<Vec<PathBuf>>,
    /// Journals whose every change is in memory: this process restored them, or writes them.
    carried: Mutex<BTreeSet<PathBuf>>,
    _lock: Lock,
}

impl Folder {
    /// Creates the folder where it is missing, and takes its lock. What was there is not changed before [`Folder::claim`].
    ///
    /// A folder with foreign files is refused before anything in it is touched.
    ///
    /// # Errors
    /// [`FolderError::Locked`], [`FolderError::Foreign`], [`FolderError::Io`].
    pub(crate) fn open(
        path: impl Into<PathBuf>,
        layer: Arc<dyn FileLayer>,
        entries: EntriesCodec,
    ) -> Result<Self, FolderError> {
        let path = path.into();
        let io = |step| {
            let path = path.clone();
            move |source| FolderError::Io { path, step, source }
        };
        match layer.list(&path) {
            Ok(listed) => drop(Ours::of(&path, listed)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io("list it")(error)),
        }
        layer.create_folder(&path).map_err(io("create it for its owner alone"))?;
        let lock = layer.lock(&path.join(names::LOCK)).map_err(io("lock it"))?;
        let lock = lock.ok_or_else(|| FolderError::Locked { path: path.clone() })?;
        // Another process may have written between the first look and the lock.
        drop(Ours::of(&path, layer.list(&path).map_err(io("list it"))?)?);
        let options = ReadOptions { entries, accept_edited: false };
        Ok(Self {
            path,
            layer,
            options,
            wrap: Wrap::default(),
            known: Mutex::default(),
            damaged: Mutex::default(),
            carried: Mutex::default(),
            _lock: lock,
        })
    }

    /// The same, with what its files are wrapped in and opened with.
    pub(crate) fn wrapped(self, wrap: Wrap) -> Self {
        Self { wrap, ..self }
    }

    /// Makes the folder and what is in it its owner's alone, and removes what a crash left half-written.
    ///
    /// For a service that goes on: one that is refused, because a key is missing or a file is damaged, has changed nothing.
    ///
    /// # Errors
    /// [`FolderError::Io`], [`FolderError::Foreign`].
    pub(crate) fn claim(&self) -> Result<(), FolderError> {
        let io = |step| move |source| FolderError::Io { path: self.path.clone(), step, source };
        let ours = Ours::of(&self.path, self.layer.list(&self.path).map_err(io("list it"))?)?;
        self.layer.make_private(&self.path, &ours.whole).map_err(io("make it its owner's alone"))?;
        let remove = |stale: &PathBuf| self.layer.remove(stale).map_err(io("remove a file left half-written"));
        ours.half_written.iter().try_for_each(remove)
    }

    /// The generations in it, newest first.
    ///
    /// # Errors
    /// [`io::Error`] when the folder cannot be listed.
    pub(crate) fn generations(&self) -> io::Result<Vec<GenerationFile>> {
        generations(&*self.layer, &self.path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens one of its files for [`read`](super::read).
    ///
    /// # Errors
    /// [`FileError`]: it cannot be opened, or its wrapping cannot be taken off.
    pub(crate) fn open_file(&self, file: &GenerationFile) -> Result<Opened<Box<dyn io::Read + Send>>, FileError> {
        open(self.layer.open(&file.path)?, &self.wrap)
    }
}

/// The generations in a folder, newest first, whoever has its lock.
///
/// # Errors
/// [`io::Error`] when the folder cannot be listed.
pub(crate) fn generations(layer: &dyn FileLayer, folder: &Path) -> io::Result<Vec<GenerationFile>> {
    let ours = layer.list(folder)?.into_iter().filter(|listed| listed.kind == ListedKind::File);
    let mut files: Vec<_> = ours
        .filter_map(|listed| match Name::of(&listed.name) {
            Some(Name::Generation(number, format)) => Some(GenerationFile::new(folder, number, format)),
            _ => None,
        })
        .collect();
    files.sort_by(|one, other| other.number.cmp(&one.number).then_with(|| one.path.cmp(&other.path)));
    Ok(files)
}

/// What in a folder is ours.
#[derive(Default)]
struct Ours {
    whole: Vec<PathBuf>,
    /// What a crash left.
    half_written: Vec<PathBuf>,
}

impl Ours {
    /// Refuses foreign files.
    fn of(path: &Path, listed: Vec<Listed>) -> Result<Self, FolderError> {
        let mut ours = Self::default();
        for Listed { name, kind } in listed {
            let hidden = name.as_encoded_bytes().starts_with(b".");
            match (kind, Name::of(&name)) {
                (ListedKind::File, Some(Name::HalfWritten)) => ours.half_written.push(path.join(&name)),
                (ListedKind::File, Some(Name::Lock | Name::Generation(..) | Name::Journal(..))) => {
                    ours.whole.push(path.join(&name));
                }
                (ListedKind::Folder, _) => {}
                _ if hidden => {}
                _ => {
                    let name = name.to_string_lossy().into_owned();
                    return Err(FolderError::Foreign { path: path.to_owned(), name });
                }
            }
        }
        Ok(ours)
    }
}
