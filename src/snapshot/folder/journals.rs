//! The journals in the folder.

use std::io;
use std::path::{Path, PathBuf};

use super::names::Name;
use super::{Folder, JournalFile};
use crate::snapshot::journal::{Chain, JournalHeader, JournalWriter, chain};
use crate::snapshot::layer::ListedKind;
use crate::snapshot::{FileError, FileLayer, WriteError};

/// Why a journal was not begun.
#[derive(Debug)]
pub(crate) struct BeginError {
    pub(crate) error: WriteError,
    /// Whether it may be in the folder all the same, and say that the one before it has ended.
    pub(crate) may_be_there: bool,
}

impl Folder {
    /// The journals in it, oldest first.
    ///
    /// # Errors
    /// [`io::Error`] when the folder cannot be listed.
    pub(crate) fn journals(&self) -> io::Result<Vec<JournalFile>> {
        journals(&*self.layer, &self.path)
    }

    /// Reads the journals that go on from a generation; zero for the beginning of all.
    ///
    /// # Errors
    /// [`FileError`] as [`chain`] has it, and of which file.
    pub(crate) fn chain(&self, generation: u64) -> Result<Chain, (PathBuf, FileError)> {
        let files = self.journals().map_err(|error| (self.path.clone(), error.into()))?;
        chain(&*self.layer, &self.wrap, &files, generation)
    }

    /// The number of the next generation: greater than that of any file here.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the folder cannot be listed, [`WriteError::Exhausted`] when there is none.
    pub(crate) fn next_generation(&self) -> Result<u64, WriteError> {
        let listed = self.layer.list(&self.path).map_err(WriteError::io("list the folder"))?;
        let numbers = listed.iter().filter_map(|listed| match Name::of(&listed.name) {
            Some(Name::Generation(number, _) | Name::Journal(number, _)) => Some(number),
            _ => None,
        });
        let highest = numbers.max().unwrap_or_default();
        highest.checked_add(1).ok_or(WriteError::Exhausted { highest })
    }

    /// Begins a journal and makes its name durable: what goes on from a generation, with this frame.
    ///
    /// # Errors
    /// [`BeginError`].
    pub(crate) fn begin_journal(
        &self,
        generation: u64,
        first_frame: u64,
        created_at: u64,
    ) -> Result<JournalWriter, BeginError> {
        let not_there = |error| BeginError { error, may_be_there: false };
        let of = self
            .journals()
            .map_err(WriteError::io("list the folder"))
            .map_err(not_there)?
            .into_iter()
            .rfind(|file| file.generation == generation);
        let segment = of.map_or(0, |last| last.segment + 1);
        let mut salt = [0; 4];
        let random = getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()));
        random.map_err(WriteError::io("get random bytes")).map_err(not_there)?;
        let salt = u32::from_le_bytes(salt);
        let service = env!("CARGO_PKG_VERSION").to_owned();
        let header = JournalHeader { generation, segment, first_frame, created_at, service, salt, seal: None };
        let file = JournalFile::new(&self.path, generation, segment);
        let created = self.layer.create(&file.path).map_err(WriteError::io("create the journal")).map_err(not_there)?;
        let begun = JournalWriter::begin(created, header, &self.wrap).and_then(|writer| {
            self.layer.sync_folder(&self.path).map_err(WriteError::io("sync the folder"))?;
            self.carried.lock().insert(file.path.clone());
            Ok(writer)
        });
        begun.map_err(|error| {
            // The first error is the one to tell. What may have a whole header must be gone for good: it says that an earlier
            // file ends where it begins.
            let removed = self.layer.remove(&file.path).and_then(|()| self.layer.sync_folder(&self.path));
            BeginError { error, may_be_there: removed.is_err() }
        })
    }
}

/// The journals in a folder, oldest first, whoever has its lock.
///
/// # Errors
/// [`io::Error`] when the folder cannot be listed.
pub(crate) fn journals(layer: &dyn FileLayer, folder: &Path) -> io::Result<Vec<JournalFile>> {
    let ours = layer.list(folder)?.into_iter().filter(|listed| listed.kind == ListedKind::File);
    let mut files: Vec<_> = ours
        .filter_map(|listed| match Name::of(&listed.name) {
            Some(Name::Journal(generation, segment)) => Some(JournalFile::new(folder, generation, segment)),
            _ => None,
        })
        .collect();
    files.sort_by_key(|file| (file.generation, file.segment));
    Ok(files)
}
