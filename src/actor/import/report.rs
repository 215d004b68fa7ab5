//! How to import, and what is told of it.

use std::path::PathBuf;

/// What an import does with a session that is here already: by its id, by its name, or as the owner's bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// The one that is here stays.
    #[default]
    Skip,
    /// The imported state takes the place of the one that is here, as one update with the next revision. The event log that
    /// is here stays.
    Replace,
    /// As `Replace`, if the imported session was used later than the one that is here.
    Newer,
}

/// How to import. The default skips what is here already.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct ImportOptions {
    pub(super) on_conflict: OnConflict,
    pub(super) dry_run: bool,
    pub(super) accept_edited: bool,
}

impl ImportOptions {
    /// What to do with sessions that are here already.
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// Checks and reports everything, changes nothing.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Takes a JSON file that was edited by hand: counts and checksum are not looked at, each session still is.
    pub fn accept_edited(mut self, accept_edited: bool) -> Self {
        self.accept_edited = accept_edited;
        self
    }
}

/// What became of one item of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportOutcome {
    /// It is a session here now.
    Created,
    /// Its state took the place of the one that was here.
    Replaced,
    /// One is here already and stays.
    Kept,
    /// It ended here, or its deadline has passed: it stays ended.
    Ended,
    /// It cannot be taken; what is wrong with it.
    Refused(String),
}

/// One item of an import: the tag that names it in logs, its kind, its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedItem {
    /// The short tag of the session.
    pub tag: String,
    /// What it is for.
    pub kind: String,
    /// What became of it.
    pub outcome: ImportOutcome,
}

/// What an import did, or would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Each session of the file, in its order.
    pub items: Vec<ImportedItem>,
    /// Remembered ends taken over.
    pub tombstones: u64,
    /// Whether nothing was changed because only a report was asked for.
    pub dry_run: bool,
}

/// Why a file as a whole was not imported or exported. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// The service is draining or stopped.
    #[error("the service is shutting down and takes no file; try again when it runs")]
    Stopping,
    /// The file is damaged, newer, or none of ours.
    #[error("{}: {problem}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file could not be written.
    #[error("{} was not written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
