//! Chooses the generation to restore from.

use super::{About, Folder, GenerationFile};
use crate::snapshot::writer::Summary;
use crate::snapshot::{FileError, RestoreError, verify};

/// The newest valid generation.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// The file and what was made of it; `None` in an empty folder.
    pub(crate) file: Option<(GenerationFile, T)>,
    /// Newer files that are damaged, newest first. With any, what they held is rolled back: the service is degraded.
    pub(crate) skipped: Vec<(GenerationFile, FileError)>,
}

impl Folder {
    /// Finds the newest generation that is whole: `take` reads each candidate to its end, and leaves nothing behind of one
    /// that it refuses. Changes nothing on disk.
    ///
    /// # Errors
    /// [`RestoreError::Newer`] when a newer release wrote the first file that is not damaged: falling back would drop
    /// what it holds without saying so; [`RestoreError::Sealed`] and [`RestoreError::Unbuilt`] likewise. [`RestoreError::NoneValid`] when files are there and none is whole.
    /// [`RestoreError::Io`] when a file cannot be read, as opposed to being damaged.
    pub(crate) fn newest<T>(
        &self,
        mut take: impl FnMut(&GenerationFile) -> Result<T, FileError>,
    ) -> Result<Found<T>, RestoreError> {
        let files = self.generations().map_err(|source| RestoreError::Io { path: self.path.clone(), source })?;
        let mut skipped: Vec<(GenerationFile, FileError)> = Vec::new();
        for file in files {
            match take(&file) {
                Ok(taken) => {
                    *self.damaged.lock() = skipped.iter().map(|(damaged, _)| damaged.path.clone()).collect();
                    let about = About { is_whole: Some(true), begun: None };
                    self.known.lock().insert(file.path.clone(), about);
                    return Ok(Found { file: Some((file, taken)), skipped });
                }
                Err(FileError::NewerVersion { found, supported }) => {
                    return Err(RestoreError::Newer { path: file.path, found, supported });
                }
                // As with a newer version: what is older is not what was there last.
                Err(FileError::Sealed { key }) => return Err(RestoreError::Sealed { path: file.path, key }),
                Err(FileError::Unbuilt { feature }) => return Err(RestoreError::Unbuilt { path: file.path, feature }),
                Err(FileError::Io { source }) => return Err(RestoreError::Io { path: file.path, source }),
                Err(damage) => skipped.push((file, damage)),
            }
        }
        if skipped.is_empty() { Ok(Found { file: None, skipped }) } else { Err(RestoreError::NoneValid { skipped }) }
    }

    /// Reads one generation to its end and checks it. Who copied a file here under a number of their own meant it, so the
    /// name need not fit what the header says.
    pub(in crate::snapshot) fn verify(&self, file: &GenerationFile) -> Result<Summary, FileError> {
        verify(&mut self.open_file(file)?, &self.options)
    }
}
