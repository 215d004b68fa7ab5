//! Removes the oldest generations, with the journals that go on from them.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::superseded::{self, Fate};
use super::{About, Folder, GenerationFile, JournalFile, Known};
use crate::config::MAX_GENERATIONS;
use crate::snapshot::{FileError, header};

impl Folder {
    /// Keeps the newest `keep` valid generations, at least one, and with `since` also those that were begun then or later;
    /// removes valid ones beyond that with the journals that go on from them, and gives the former.
    ///
    /// More than [`MAX_GENERATIONS`] are never kept. A damaged, newer or foreign file, or one whose key is missing, is neither
    /// counted nor removed; nor is a journal of that sort, or the generation that it goes on from. A damaged journal
    /// is noted for [`Folder::quarantine`].
    ///
    /// What this process wrote or restored is valid. Any other file is read to find out, once, and only where it is to be
    /// counted among the newest or to be removed: how old one is its header tells.
    ///
    /// # Errors
    /// [`io::Error`] of the first step that failed; what was to be removed after it is still there.
    pub(crate) fn retain(&self, keep: usize, since: Option<u64>) -> io::Result<Vec<GenerationFile>> {
        let mut known = self.known.lock();
        let (files, keep) = (self.generations()?, keep.max(1));
        if files.len() <= keep {
            return Ok(Vec::new());
        }
        let (mut found, mut oldest, mut beyond) = (0, None, BTreeSet::new());
        for file in &files {
            let counts = match found < keep {
                true => self.is_whole(file, &mut known),
                // Whether it can be read is asked when it is to go.
                false => since.is_none() || self.begun(file, &mut known).is_some(),
            };
            if !counts {
                continue;
            }
            found += 1;
            let is_young = |since| self.begun(file, &mut known).is_some_and(|begun| begun >= since);
            if found > keep && (found > MAX_GENERATIONS || !since.is_some_and(is_young)) {
                beyond.insert(file.path.clone());
            } else {
                oldest = Some(file.number);
            }
        }
        let Some(oldest) = oldest else { return Ok(Vec::new()) };
        let journals = self.journals()?;
        let mut going = Going { folder: self, removed: Vec::new(), damaged: Vec::new(), changed: false };
        let first = files.last().map_or(0, |file| file.number);
        going.without_snapshot(superseded::between(&journals, 0, first.min(oldest)))?;
        // Oldest first, so that a failure half-way leaves no gap.
        for (place, file) in files.iter().enumerate().rev() {
            let next = place.checked_sub(1).and_then(|later| files.get(later)).map_or(u64::MAX, |later| later.number);
            let group = superseded::between(&journals, file.number, next.min(oldest));
            if beyond.contains(&file.path) && self.is_whole(file, &mut known) {
                going.with_snapshot(file, group)?;
            } else {
                going.carried(group)?;
            }
        }
        let Going { removed, damaged, changed, .. } = going;
        for file in &removed {
            known.remove(&file.path);
        }
        drop(known);
        if changed {
            self.layer.sync_folder(&self.path)?;
        }
        let mut noted = self.damaged.lock();
        noted.extend(damaged);
        noted.sort();
        noted.dedup();
        Ok(removed)
    }

    /// Whether a generation is valid; read to its end where that is not known.
    fn is_whole(&self, file: &GenerationFile, known: &mut Known) -> bool {
        let is_known = known.get(&file.path).and_then(|about| about.is_whole);
        is_known.unwrap_or_else(|| {
            let read = self.verify(file).map(|summary| summary.header.created_at);
            learn(known, file, &read);
            if read.is_ok() {
                known.entry(file.path.clone()).or_default().is_whole = Some(true);
            }
            read.is_ok()
        })
    }

    /// When a generation was begun, as it says itself; `None` for one that cannot be opened.
    fn begun(&self, file: &GenerationFile, known: &mut Known) -> Option<u64> {
        match known.get(&file.path) {
            Some(About { is_whole: Some(false), .. }) => None,
            Some(About { begun: Some(begun), .. }) => Some(*begun),
            _ => {
                let read =
                    self.open_file(file).and_then(|mut opened| header(&mut opened)).map(|header| header.created_at);
                learn(known, file, &read);
                read.ok()
            }
        }
    }
}

/// Notes what reading a file has told. One that could not be read is asked again.
fn learn(known: &mut Known, file: &GenerationFile, read: &Result<u64, FileError>) {
    match read {
        Ok(begun) => known.entry(file.path.clone()).or_default().begun = Some(*begun),
        Err(FileError::Io { .. }) => {}
        Err(_) => known.entry(file.path.clone()).or_default().is_whole = Some(false),
    }
}

/// What goes.
struct Going<'a> {
    folder: &'a Folder,
    removed: Vec<GenerationFile>,
    damaged: Vec<PathBuf>,
    changed: bool,
}

impl Going<'_> {
    /// A generation with the journals up to the next one; where one of those stays all of it does that is not in memory.
    fn with_snapshot(&mut self, file: &GenerationFile, group: &[JournalFile]) -> io::Result<()> {
        let Some(fates) = self.folder.fates(group, file.number) else { return self.carried(group) };
        self.journals(fates)?;
        self.folder.layer.remove(&file.path)?;
        self.changed = true;
        self.removed.push(file.clone());
        Ok(())
    }

    /// Journals that stand before all generations: those of the beginning of all need none.
    fn without_snapshot(&mut self, group: &[JournalFile]) -> io::Result<()> {
        match group.first() {
            Some(first) if first.generation == 0 => {
                let fates = self.folder.fates(group, 0);
                match fates {
                    Some(fates) => self.journals(fates),
                    None => self.carried(group),
                }
            }
            _ => self.carried(group),
        }
    }

    /// Of journals whose generation stays, or is not there, those alone whose every change is in memory.
    fn carried(&mut self, group: &[JournalFile]) -> io::Result<()> {
        let group = group.iter().filter(|file| self.folder.is_carried(file));
        self.journals(group.map(|file| (file.path.clone(), Fate::Goes)).collect())
    }

    fn journals(&mut self, fates: Vec<(PathBuf, Fate)>) -> io::Result<()> {
        // The newest first, and all before their generation: whatever is left of a chain is the beginning of one.
        for (path, fate) in fates.into_iter().rev() {
            match fate {
                Fate::Goes => {
                    self.folder.layer.remove(&path)?;
                    self.folder.carried.lock().remove(&path);
                    self.changed = true;
                }
                Fate::Aside => self.damaged.push(path),
            }
        }
        Ok(())
    }
}
