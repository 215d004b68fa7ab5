//! Journals: what one says of itself, and how far it is whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::options::Watched;
use super::{FileError, Options};
use crate::snapshot::{
    self, JOURNAL_MAGIC, JOURNAL_VERSION, JournalItem, JournalRead, Rest, StdLayer, is_blank, is_journal_name,
    read_journal,
};
use crate::time::Timestamp;

/// How often a journal that looks damaged is read again, because a running service may be writing to it.
const TRIES: usize = 8;

/// A journal: what changed after a snapshot was begun, appended as it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Journal {
    /// The version of its format.
    pub version: u32,
    /// The number of the snapshot that it goes on from; zero for the beginning of all.
    pub generation: u64,
    /// Its number among the journals of that generation, from zero.
    pub segment: u64,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// The release that wrote it.
    pub release: String,
    /// The name of the key that its frames are sealed under, as [`KeyRing::ids`](crate::KeyRing::ids) tells them.
    pub sealed_under: Option<String>,
    /// The number of its first frame. They are numbered through all journals that go on from one another.
    pub first_frame: u64,
    /// Whole frames in it: what one write made durable is one.
    pub frames: u64,
    /// The number of the frame that would come next.
    pub next_frame: u64,
    /// When the last whole frame was written; the file, where it has none.
    pub written_at: Timestamp,
    /// What the whole frames hold.
    pub records: Records,
    /// Bytes of header and whole frames.
    pub used: u64,
    /// Its size; room for frames to come is filled with zeros.
    pub bytes: u64,
    /// What stands after the last whole frame.
    pub rest: JournalRest,
}

impl Journal {
    /// Whether everything in it that was acknowledged can be read, as far as one file tells.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !matches!(self.rest, JournalRest::Damaged)
    }
}

/// Records of a journal, by their sort. One session may have many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Records {
    /// Sessions as they were, whole.
    pub sessions: u64,
    /// What changed in large sessions.
    pub changes: u64,
    /// What was appended to event logs, and trimmed from them.
    pub events: u64,
    /// Last uses.
    pub last_uses: u64,
    /// Ends.
    pub ends: u64,
}

impl Records {
    const fn count(&mut self, item: &JournalItem<'_>) {
        *match item {
            JournalItem::Session(_) => &mut self.sessions,
            JournalItem::Delta(_) => &mut self.changes,
            JournalItem::Growth(_) | JournalItem::Trim(_) => &mut self.events,
            JournalItem::Touch(_) => &mut self.last_uses,
            JournalItem::Tombstone(_) => &mut self.ends,
        } += 1;
    }
}

/// What stands in a journal after its last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalRest {
    /// Nothing.
    Clean,
    /// A write that a crash cut short, or that is under way: it was never acknowledged. Damage to the last write looks alike.
    CutShort,
    /// Frames that cannot be read or that follow on one that cannot, or one that does not open: what was written there is lost.
    Damaged,
}

/// Whether a file is a journal: by its first bytes, or by its name, since a crash or damage may have taken those.
///
/// # Errors
/// [`FileError::Read`].
pub fn is_journal(path: impl AsRef<Path>) -> Result<bool, FileError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(FileError::reading(path))?;
    let mut start = Vec::new();
    file.take(JOURNAL_MAGIC.len() as u64).read_to_end(&mut start).map_err(FileError::reading(path))?;
    Ok(start == JOURNAL_MAGIC || is_journal_name(path))
}

/// Reads a journal as far as it is whole, and tells what it holds. Of `options` keys and progress count.
///
/// A write cut short and damage in the frames are no errors: [`Journal::rest`] tells them. Whether it has its place among
/// the other journals of its folder is for [`newest`](super::newest) to say.
///
/// # Errors
/// [`FileError`] when the header is not as it was written, a newer release wrote it, its key was not given, or it cannot be
/// read; [`FileError::Unbegun`] for one that has no header yet.
pub fn journal(path: impl AsRef<Path>, mut options: Options<'_>) -> Result<Journal, FileError> {
    let path = path.as_ref();
    let mut input = Watched::open(path, &mut options)?;
    let (mut read, mut records) = once(&mut input, &options).map_err(|error| about(path, error))?;
    // While it was read, frames may have been written over zeros that had been read already.
    for _ in 0..TRIES {
        if read.rest != Rest::Damaged {
            break;
        }
        input.rewind().map_err(FileError::reading(path))?;
        let again = once(&mut input, &options).map_err(|error| about(path, error))?;
        let same = again.0 == read;
        (read, records) = again;
        if same {
            break;
        }
    }
    let JournalRead { header, frames, next_frame, written_at, bytes: used, rest } = read;
    Ok(Journal {
        version: JOURNAL_VERSION,
        generation: header.generation,
        segment: header.segment,
        begun_at: Timestamp::from_micros(header.created_at),
        release: header.service,
        sealed_under: header.seal.as_ref().map(|seal| seal.key()),
        first_frame: header.first_frame,
        frames,
        next_frame,
        written_at: Timestamp::from_micros(written_at),
        records,
        used,
        bytes: Watched::bytes(&input).max(used),
        rest: match rest {
            Rest::Clean => JournalRest::Clean,
            Rest::Torn => JournalRest::CutShort,
            Rest::Damaged => JournalRest::Damaged,
        },
    })
}

fn once(input: &mut Watched<'_>, options: &Options<'_>) -> Result<(JournalRead, Records), snapshot::FileError> {
    let mut records = Records::default();
    let mut count = |item: JournalItem<'_>| {
        records.count(&item);
        Ok(())
    };
    let read = read_journal(&mut *input, &options.wrap, u64::MAX, &mut count)?;
    std::io::copy(input, &mut std::io::sink())?;
    Ok((read, records))
}

fn about(path: &Path, error: snapshot::FileError) -> FileError {
    use snapshot::FileError::{Damaged, Empty, NotOurs, Truncated};
    let headless = matches!(error, Empty | Truncated | NotOurs | Damaged { .. });
    if headless && is_journal_name(path) && is_blank(&StdLayer, path).unwrap_or(false) {
        return FileError::Unbegun { path: path.to_owned() };
    }
    FileError::of(path, error)
}
