//! Why a file was not written, read or chosen.

use std::io;
use std::path::PathBuf;

use super::GenerationFile;

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FileError {
    /// The file has no bytes.
    #[error("the file is empty; take an older one")]
    Empty,
    /// The file is something else.
    #[error("not a snapshot of this service; give a file that it wrote or exported")]
    NotOurs,
    /// The file ends too early.
    #[error("the file is cut off: it ends before its trailer; take an older one or copy it again")]
    Truncated,
    /// The bytes are not those that were written.
    #[error("the file is damaged at byte {offset}: {detail}; take an older one or copy it again")]
    Damaged {
        /// Where it was noticed, in bytes from the start.
        offset: u64,
        /// What was noticed.
        detail: String,
    },
    /// A newer release wrote the file.
    #[error("the file has version {found}, this release reads up to {supported}; use a newer release")]
    NewerVersion {
        /// The file's version.
        found: u32,
        /// The newest version that is read here.
        supported: u32,
    },
    /// The file could not be read.
    #[error("the file cannot be read: {source}")]
    Io {
        /// What the system said.
        source: io::Error,
    },
    /// The file is sealed under a key that was not given: whether it is whole is not known.
    #[error("the file is sealed under key {key}, which is not among the keys given; name a key file that holds it")]
    #[cfg_attr(not(feature = "seal"), allow(dead_code, reason = "this build has no keys"))]
    Sealed {
        /// The name of the key.
        key: String,
    },
    /// The file is whole as far as is known, and this build cannot read its kind.
    #[error("the file needs the feature `{feature}`, which this build lacks; use a build that has it")]
    #[cfg_attr(all(feature = "seal", feature = "zstd"), allow(dead_code, reason = "this build has both"))]
    Unbuilt {
        /// The feature.
        feature: &'static str,
    },
    /// The file is as it was written, but one of its records cannot be taken.
    #[error("record {index} cannot be taken: {detail}")]
    Record {
        /// Which record, counted from 1 over sessions and tombstones.
        index: u64,
        /// What is wrong with it.
        detail: String,
    },
}

impl From<io::Error> for FileError {
    /// What was refused below a stream comes up through it as what it was.
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|source| Self::Io { source })
    }
}

/// Why one record was refused by whoever asked for it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RecordError(pub(crate) String);

/// Why a file was not written. Older files are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WriteError {
    /// The file system refused a step.
    #[error("the snapshot was not written, it failed to {step}: {source}")]
    Io {
        /// Which step.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A record that could not be read back.
    #[error("record {index} cannot be stored: {detail}")]
    Record {
        /// Which record, counted from 1 over sessions and tombstones.
        index: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// A record over the format's limit.
    #[error("record {index} has {bytes} bytes, at most {max} can be stored; lower the cap on a session's bytes")]
    TooLarge {
        /// Which record, counted from 1 over sessions and tombstones.
        index: u64,
        /// Its bytes as stored.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A session after a tombstone.
    #[error("sessions are written before tombstones")]
    Order,
    /// The folder holds the highest number there is.
    #[error("no generation number is left above {highest}; move that file away")]
    Exhausted {
        /// The highest number in the folder.
        highest: u64,
    },
}

impl WriteError {
    /// That a step failed.
    pub(crate) fn io(step: &'static str) -> impl FnOnce(io::Error) -> Self + Copy {
        move |source| Self::Io { step, source }
    }

    /// Whether there was no space: what an operator can mend, and what a later write finds mended.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_no_space(source))
    }
}

/// Whether the system had no space, or had no more for this user.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<io::Error> for WriteError {
    fn from(source: io::Error) -> Self {
        Self::Io { step: "write the file", source }
    }
}

/// Why a folder cannot be used for snapshots.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FolderError {
    /// Another process, or another service of this one, uses the folder.
    #[error("the folder {} is in use by another service; stop that one or choose another folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a file that this service did not write.
    #[error("the folder {} holds {name:?}, which is not a snapshot file; choose a folder of its own", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The file's name.
        name: String,
    },
    /// The file system refused a step.
    #[error("the folder {} cannot be used, it failed to {step}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Which step.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Why no file was chosen to restore from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RestoreError {
    /// A newer release wrote the newest file that is not damaged.
    #[error(
        "{} has version {found}, this release reads up to {supported}; use a newer release, move the file away, or start empty",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is read here.
        supported: u32,
    },
    /// The newest file that is not damaged is sealed under a key that was not given.
    #[error(
        "{} is sealed under key {key}, which is not among the keys given; name a key file that holds it, move the file away, \
         or start empty",
        path.display()
    )]
    Sealed {
        /// The file.
        path: PathBuf,
        /// The name of the key.
        key: String,
    },
    /// The newest file that is not damaged is of a kind that this build cannot read.
    #[error(
        "{} needs the feature `{feature}`, which this build lacks; use a build that has it, move the file away, or start empty",
        path.display()
    )]
    Unbuilt {
        /// The file.
        path: PathBuf,
        /// The feature.
        feature: &'static str,
    },
    /// Files are there, and none can be used.
    #[error(
        "none of the {} snapshot files is valid, the newest ({}): {newest}; move them away or start empty",
        skipped.len(),
        skipped.first().map(|(file, _)| file.path.display().to_string()).unwrap_or_default(),
        newest = skipped.first().map(|(_, error)| error.to_string()).unwrap_or_default()
    )]
    NoneValid {
        /// Every file with its error, newest first.
        skipped: Vec<(GenerationFile, FileError)>,
    },
    /// There is a journal, and not the snapshot that it goes on from.
    #[error("{} goes on from a snapshot that is not there; put that back, move the journal away, or start empty", path.display())]
    JournalAlone {
        /// The journal.
        path: PathBuf,
    },
    /// A file could not be read, so whether it is valid is not known.
    #[error("{} cannot be read: {source}; make it readable, move it away, or start empty", path.display())]
    Io {
        /// The file, or the folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
