//! What becomes of journals once nothing that is kept goes on from what they go on from.

use std::path::PathBuf;

use super::{Folder, JournalFile};
use crate::snapshot::journal::{Chain, Rest, is_blank, walk};

/// What becomes of one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Everything in it is in a later generation.
    Goes,
    /// Damaged, or behind damage: it is put aside.
    Aside,
}

impl Folder {
    /// Notes that everything in these journals is in memory.
    pub(crate) fn carries<'a>(&self, journals: impl IntoIterator<Item = &'a JournalFile>) {
        self.carried.lock().extend(journals.into_iter().map(|file| file.path.clone()));
    }

    /// Whether everything in a journal is in memory.
    pub(super) fn is_carried(&self, file: &JournalFile) -> bool {
        self.carried.lock().contains(&file.path)
    }

    /// What is to become of the journals that go on from a valid generation up to the next one, oldest first; `None` where
    /// one of them may be as good as it was and is not for this process to read.
    ///
    /// What this process does not carry is read to find out.
    pub(super) fn fates(&self, group: &[JournalFile], generation: u64) -> Option<Vec<(PathBuf, Fate)>> {
        let mut walked = Chain::default();
        if !group.iter().all(|file| self.is_carried(file)) {
            walked = walk(&*self.layer, &self.wrap, group, generation, &mut |_| {}).ok()?;
        }
        let fate = |file: &JournalFile| {
            let goes = self.is_carried(file) || is_read(&walked, file) || is_blank(&*self.layer, &file.path).ok()?;
            Some((file.path.clone(), if goes { Fate::Goes } else { Fate::Aside }))
        };
        group.iter().map(fate).collect()
    }
}

impl Chain {
    /// The journals of which all that counts was read.
    pub(crate) fn read(&self) -> impl Iterator<Item = &JournalFile> {
        self.files.iter().map(|(file, _)| file).filter(|file| is_read(self, file))
    }
}

/// Whether all of a file was read that counts. What follows damage counts unless a later file says otherwise.
fn is_read(chain: &Chain, file: &JournalFile) -> bool {
    let place = chain.files.iter().position(|(read, _)| read == file);
    place.and_then(|place| chain.files.get(place)).is_some_and(|(_, read)| {
        let is_last = place == chain.files.len().checked_sub(1);
        !(is_last && read.rest == Rest::Damaged)
    })
}

/// Those that go on from generations from `first` on and before `end`, of journals that are sorted.
pub(super) fn between(journals: &[JournalFile], first: u64, end: u64) -> &[JournalFile] {
    let place = |generation| journals.partition_point(|file| file.generation < generation);
    journals.get(place(first)..place(end)).unwrap_or_default()
}
