//! Removes the oldest generations.

use std::io;

use super::{Folder, GenerationFile};

impl Folder {
    /// Keeps the newest `keep` valid generations, at least one, and removes valid ones that are older, and the
    /// journals before all that is kept; gives the former.
    ///
    /// A damaged, newer or foreign file, or one whose key is missing, is neither counted nor removed. What this process wrote or restored is valid;
    /// any other file is read to find out.
    ///
    /// # Errors
    /// [`io::Error`] of the first step that failed; what was to be removed after it is still there.
    pub(crate) fn retain(&self, keep: usize) -> io::Result<Vec<GenerationFile>> {
        let mut valid = self.valid.lock();
        let files = self.generations()?;
        if files.len() <= keep.max(1) {
            return Ok(Vec::new());
        }
        let mut found: Vec<_> = Vec::new();
        for file in files {
            if valid.contains(&file.path) || self.verify(&file).is_ok() {
                valid.insert(file.path.clone());
                found.push(file);
            }
        }
        // Oldest first, so that a failure half-way leaves no gap.
        let mut removed = found.split_off(keep.max(1).min(found.len()));
        removed.reverse();
        for file in &removed {
            self.layer.remove(&file.path)?;
            valid.remove(&file.path);
        }
        let journals = match found.last() {
            Some(oldest) => self.remove_journals_before(oldest.number)?,
            None => 0,
        };
        if !removed.is_empty() || journals > 0 {
            self.layer.sync_folder(&self.path)?;
        }
        Ok(removed)
    }
}
