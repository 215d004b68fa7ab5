//! Removes the oldest generations.

use std::io;

use super::{Folder, GenerationFile};
use crate::config::MAX_GENERATIONS;
use crate::snapshot::header;

impl Folder {
    /// Keeps the newest `keep` valid generations, at least one, and with `since` also those that were begun then or later;
    /// removes valid ones beyond that and the journals before all that is kept, and gives the former.
    ///
    /// More than [`MAX_GENERATIONS`] valid ones are never kept. A damaged, newer or foreign file, or one whose key is missing,
    /// is neither counted nor removed. What this process wrote or restored is valid; any other file is read to find out.
    ///
    /// # Errors
    /// [`io::Error`] of the first step that failed; what was to be removed after it is still there.
    pub(crate) fn retain(&self, keep: usize, since: Option<u64>) -> io::Result<Vec<GenerationFile>> {
        let mut valid = self.valid.lock();
        let files = self.generations()?;
        if files.len() <= keep.max(1) {
            return Ok(Vec::new());
        }
        let mut removed: Vec<_> = Vec::new();
        let (mut found, mut oldest) = (0, None);
        for file in files {
            if !valid.contains_key(&file.path) {
                let Ok(summary) = self.verify(&file) else { continue };
                valid.insert(file.path.clone(), Some(summary.header.created_at));
            }
            found += 1;
            let is_young = |since| self.begun(&file, &mut valid).is_some_and(|begun| begun >= since);
            if found > keep.max(1) && (found > MAX_GENERATIONS || !since.is_some_and(is_young)) {
                removed.push(file);
            } else {
                oldest = Some(file.number);
            }
        }
        // Oldest first, so that a failure half-way leaves no gap.
        removed.reverse();
        for file in &removed {
            self.layer.remove(&file.path)?;
            valid.remove(&file.path);
        }
        let journals = match oldest {
            Some(oldest) => self.remove_journals_before(oldest)?,
            None => 0,
        };
        if !removed.is_empty() || journals > 0 {
            self.layer.sync_folder(&self.path)?;
        }
        Ok(removed)
    }

    /// When a valid generation was begun, as it says itself.
    fn begun(&self, file: &GenerationFile, valid: &mut super::Valid) -> Option<u64> {
        let known = valid.get_mut(&file.path)?;
        if known.is_none() {
            *known = header(&mut self.open_file(file).ok()?).ok().map(|header| header.created_at);
        }
        *known
    }
}
