//! What a service holds, as plain maps: the one side is what clients were told, the other what a restart finds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::snapshot::{
    self, FileError, FileLayer, Folder, GenerationFile, Item, ReadOptions, RecordError, Replay, SessionRef,
    entries_codec,
};
use crate::state::Entries;

/// Entries of a session with its revision.
pub(super) type Held = Arc<(u64, BTreeMap<String, String>)>;

/// Sessions and remembered ends by their digests.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) sessions: BTreeMap<[u8; 32], Held>,
    pub(super) ended: BTreeSet<[u8; 32]>,
}

/// What a restart finds.
pub(super) struct Loaded {
    /// Zero in an empty folder.
    pub(super) generation: u64,
    pub(super) plain: Plain,
    /// Damaged files that it passed over.
    pub(super) skipped: usize,
}

impl Plain {
    /// How this differs from what was promised, in few words.
    pub(super) fn unlike(&self, other: &Self) -> String {
        let differ = |digest: &&[u8; 32]| self.sessions.get(*digest) != other.sessions.get(*digest);
        let all: BTreeSet<_> = self.sessions.keys().chain(other.sessions.keys()).collect();
        let (sessions, ends) = (all.into_iter().filter(differ).count(), self.ended.symmetric_difference(&other.ended));
        format!("{sessions} sessions and {} ends differ", ends.count())
    }
}

/// Opens the folder and reads its newest valid file, as a service does that starts.
pub(super) fn load(layer: Arc<dyn FileLayer>, folder: &Path) -> Result<Loaded, String> {
    let folder = Folder::open(folder, layer, entries_codec()).map_err(|error| error.to_string())?;
    let found = folder.newest(|file| read(&folder, Some(file))).map_err(|error| error.to_string())?;
    let skipped = found.skipped.len();
    let (generation, plain) = match found.file {
        Some((file, plain)) => (file.number, plain),
        None => (0, read(&folder, None).map_err(|error| error.to_string())?),
    };
    Ok(Loaded { generation, plain, skipped })
}

/// A snapshot with the journals that go on from it, or those since the beginning of all.
fn read(folder: &Folder, file: Option<&GenerationFile>) -> Result<Plain, FileError> {
    let chain = folder.chain(file.map_or(0, |file| file.number)).map_err(|(_, error)| error)?;
    if let Some(cut) = chain.cut.filter(|cut| cut.lost) {
        return Err(FileError::Record { index: 0, detail: cut.detail });
    }
    let mut plain = Plain::default();
    if let Some(file) = file {
        snapshot(folder, file, &chain.replay, &mut plain)?;
    }
    let refused = |detail| FileError::Record { index: 0, detail };
    for record in chain.replay.others() {
        plain.add(&record.map_err(refused)?.borrowed()).map_err(refused)?;
    }
    plain.ended.extend(chain.replay.tombstones().map(|record| record.digest));
    Ok(plain)
}

impl Plain {
    fn add(&mut self, record: &SessionRef<'_>) -> Result<(), String> {
        let entries = Entries::from_packed(record.entries).map_err(|error| error.to_string())?;
        let entries = entries.iter().map(|entry| (entry.key.to_owned(), entry.value.to_string())).collect();
        self.sessions.insert(record.digest, Arc::new((record.revision, entries)));
        Ok(())
    }
}

fn snapshot(folder: &Folder, file: &GenerationFile, replay: &Replay, plain: &mut Plain) -> Result<(), FileError> {
    let options = ReadOptions { entries: entries_codec(), accept_edited: false };
    let summary = snapshot::read(&mut folder.open_file(file)?, &options, &mut |item| {
        match item {
            Item::Session(record) => match replay.over(record) {
                None => plain.add(record).map_err(RecordError)?,
                Some(Ok(Some(record))) => plain.add(&record.borrowed()).map_err(RecordError)?,
                Some(Ok(None)) => {}
                Some(Err(detail)) => return Err(RecordError(detail)),
            },
            Item::Events(_) => {}
            Item::Tombstone(tombstone) if replay.outlives(tombstone) => {}
            Item::Tombstone(tombstone) => drop(plain.ended.insert(tombstone.digest)),
        }
        Ok(())
    })?;
    match summary.header.generation == file.number {
        true => Ok(()),
        false => Err(FileError::Record { index: 0, detail: "it has the number of another file".to_owned() }),
    }
}
