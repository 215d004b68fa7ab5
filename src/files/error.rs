//! Why a file was not read or not written.

use std::io;
use std::path::{Path, PathBuf};

use crate::snapshot;

/// Why a file was not read or not written: the message tells what is wrong, [`FileError::hint`] what to do.
///
/// Nothing that was there before has been changed, modes included, and no half-written file is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file has no bytes.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no snapshot or export of this service", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file is a journal: it holds changes, and says nothing without the snapshot that it goes on from.
    #[error("{} is a journal", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
    },
    /// The file is a journal by its name, and holds nothing: its creation was cut short, or is under way. A start passes
    /// it over.
    #[error("{} is a journal that holds nothing: its creation was cut short", path.display())]
    Unbegun {
        /// The file.
        path: PathBuf,
    },
    /// The file ends too early.
    #[error("{} is cut off: it ends before its trailer", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not those that were written.
    #[error("{} is damaged at byte {offset}: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it was noticed, in bytes from the start.
        offset: u64,
        /// What was noticed.
        detail: String,
    },
    /// A newer release wrote the file.
    #[error("{} has version {found}, this release reads up to {supported}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is read here.
        supported: u32,
    },
    /// The file is sealed under a key that was not given: whether it is whole is not known.
    #[error("{} is sealed under key {key}, which is not among the keys given", path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// The name of the key.
        key: String,
    },
    /// This build cannot read files of this kind.
    #[error("{} needs the feature `{feature}`, which this build lacks", path.display())]
    Unbuilt {
        /// The file.
        path: PathBuf,
        /// The feature.
        feature: &'static str,
    },
    /// The file is as it was written, but one of its records cannot be taken.
    #[error("record {index} of {} cannot be taken: {detail}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Which record, counted from 1 over sessions and tombstones.
        index: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// The file or folder could not be read, so whether it is valid is not known.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a file of that name already.
    #[error("{} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The new file could not be written.
    #[error("{} was not written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder holds no snapshot.
    #[error("{} holds no snapshot", path.display())]
    NoFile {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds journals, and nothing that the first of them goes on from.
    #[error("{} goes on from a snapshot that is not there", path.display())]
    JournalAlone {
        /// The journal.
        path: PathBuf,
    },
    /// The folder holds snapshots, and none of them is valid.
    #[error("none of the {} snapshots in {} is valid", older.len() + 1, path.display())]
    NoneValid {
        /// The folder.
        path: PathBuf,
        /// What is wrong with the newest.
        source: Box<FileError>,
        /// What is wrong with the others, newest first.
        older: Vec<FileError>,
    },
}

impl FileError {
    /// What to do about it, in a sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "take an older file, or copy it again",
            Self::NotOurs { .. } => "give a file that the service wrote into its snapshots folder or exported",
            Self::Journal { .. } => {
                "inspect or verify it by itself, or export its folder, which lays it over its snapshot"
            }
            Self::Unbegun { .. } => "leave it where it is, nothing is missing",
            Self::Truncated { .. } => "take an older file, or copy it again",
            Self::Damaged { .. } => {
                "take an older file, or copy it again; a json file that was edited by hand is imported as edited"
            }
            Self::Newer { .. } => "use the release that wrote it, or a newer one",
            Self::Sealed { .. } => "give a key file that holds that key, with --key-file or `Options::keys`",
            Self::Unbuilt { .. } => "use a build that has the feature",
            Self::Record { .. } => "mend the record in a json export and import that as edited, or take an older file",
            Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "check the path",
                io::ErrorKind::PermissionDenied => "run as the user that the service runs as: files are for it alone",
                io::ErrorKind::IsADirectory => "give one file of the folder",
                _ => "mend what the system complains about and try again",
            },
            Self::Exists { .. } => "choose another name, or move that file away",
            Self::Write { .. } => "choose a folder that exists, can be written to and has room",
            Self::NoFile { .. } => "give the folder that the service keeps its snapshots in, or a file",
            Self::JournalAlone { .. } => "bring back that snapshot from a backup",
            Self::NoneValid { .. } => "bring back a file from a backup",
        }
    }

    /// Whether the file was read and refused, as opposed to a read or a write that failed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Exists { .. } | Self::Write { .. })
    }

    /// The error of the layer below, about the file at `path`.
    pub(super) fn of(path: &Path, error: snapshot::FileError) -> Self {
        let path = path.to_owned();
        match error {
            snapshot::FileError::Empty => Self::Empty { path },
            snapshot::FileError::NotOurs if super::is_journal(&path).unwrap_or(false) => Self::Journal { path },
            snapshot::FileError::NotOurs => Self::NotOurs { path },
            snapshot::FileError::Truncated => Self::Truncated { path },
            snapshot::FileError::Damaged { offset, detail } => Self::Damaged { path, offset, detail },
            snapshot::FileError::NewerVersion { found, supported } => Self::Newer { path, found, supported },
            snapshot::FileError::Sealed { key } => Self::Sealed { path, key },
            snapshot::FileError::Unbuilt { feature } => Self::Unbuilt { path, feature },
            snapshot::FileError::Record { index, detail } => Self::Record { path, index, detail },
            snapshot::FileError::Io { source } => Self::Read { path, source },
        }
    }

    /// A failed read of `path`, for `map_err`.
    pub(super) fn reading(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }
}
