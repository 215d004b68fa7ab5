//! The file of a folder that a start would restore.

use std::io;
use std::path::{Path, PathBuf};

use super::{FileError, Options, Verified, verify};
use crate::snapshot::{StdLayer, generations};

/// The newest valid file of a folder.
#[derive(Debug)]
#[non_exhaustive]
pub struct Newest {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub file: Verified,
    /// What is wrong with newer ones, newest first: what they held is not in `path`.
    pub skipped: Vec<FileError>,
}

/// Finds the newest valid snapshot in a folder, as a start would, without taking the folder's lock.
///
/// # Errors
/// [`FileError::Newer`] when a newer release wrote the first file that is not damaged, [`FileError::Sealed`] when its key is
/// not among those of `options` (of which nothing else counts here), [`FileError::Unbuilt`], [`FileError::NoneValid`],
/// [`FileError::NoFile`], [`FileError::Read`].
pub fn newest(folder: impl AsRef<Path>, options: Options<'_>) -> Result<Newest, FileError> {
    let folder = folder.as_ref();
    let mut skipped = Vec::new();
    for file in generations(&StdLayer, folder).map_err(FileError::reading(folder))? {
        match verify(&file.path, Options::opened_with(&options.wrap)) {
            Ok(verified) if verified.is_restorable() => return Ok(Newest { path: file.path, file: verified, skipped }),
            Ok(verified) => skipped.extend(verified.findings.into_iter().next().map(|finding| FileError::Record {
                path: file.path,
                index: finding.index,
                detail: finding.detail,
            })),
            // A running service has removed its oldest one meanwhile.
            Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(
                error @ (FileError::Newer { .. }
                | FileError::Read { .. }
                | FileError::Sealed { .. }
                | FileError::Unbuilt { .. }),
            ) => return Err(error),
            Err(damage) => skipped.push(damage),
        }
    }
    let path = folder.to_owned();
    let mut older = skipped.into_iter();
    match older.next() {
        None => Err(FileError::NoFile { path }),
        Some(newest) => Err(FileError::NoneValid { path, source: Box::new(newest), older: older.collect() }),
    }
}
