//! The journals that go on from one snapshot, read one after the other.

use std::path::{Path, PathBuf};

use super::latest::Replay;
use super::reader::{Read, Rest, read};
use super::{JournalHeader, JournalItem, SECTOR};
use crate::config::Wrap;
use crate::snapshot::folder::JournalFile;
use crate::snapshot::{FileError, FileLayer};

/// What a chain of journals holds.
#[derive(Default)]
pub(crate) struct Chain {
    pub(crate) replay: Replay,
    /// The files that were read, oldest first.
    pub(crate) files: Vec<(JournalFile, Read)>,
    /// Where it ended before its end.
    pub(crate) cut: Option<Cut>,
}

/// Where a chain was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) path: PathBuf,
    pub(crate) detail: String,
    /// Whether what came after had been acknowledged; else it is a write that a crash cut short.
    pub(crate) lost: bool,
}

impl Chain {
    /// The number of the frame that goes on with it.
    pub(crate) fn next_frame(&self) -> Option<u64> {
        self.files.last().map(|(_, read)| read.next_frame)
    }

    /// Whether nothing of it that was acknowledged is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.cut.as_ref().is_none_or(|cut| !cut.lost)
    }

    /// When the last frame was written: wall clock, microseconds since the Unix epoch; zero where there is none.
    pub(crate) fn written_at(&self) -> u64 {
        self.files.iter().map(|(_, read)| read.written_at).max().unwrap_or_default()
    }
}

/// A file of which the header is known.
struct Headed<'a> {
    file: &'a JournalFile,
    header: JournalHeader,
}

/// Reads the chain that begins with `generation`: `files` are those of the folder, oldest first.
///
/// # Errors
/// [`FileError::NewerVersion`], [`FileError::Sealed`], [`FileError::Unbuilt`] and [`FileError::Io`], and of which file; whatever else is wrong ends the chain and is told in `cut`.
pub(crate) fn chain(
    layer: &dyn FileLayer,
    wrap: &Wrap,
    files: &[JournalFile],
    generation: u64,
) -> Result<Chain, (PathBuf, FileError)> {
    let mut replay = Replay::default();
    let chain = walk(layer, wrap, files, generation, &mut |item| replay.take(item))?;
    Ok(Chain { replay, ..chain })
}

/// The same, with nothing kept of what the files hold but what `each` makes of it.
///
/// # Errors
/// As [`chain`].
pub(in crate::snapshot) fn walk(
    layer: &dyn FileLayer,
    wrap: &Wrap,
    files: &[JournalFile],
    generation: u64,
    each: &mut dyn FnMut(JournalItem<'_>),
) -> Result<Chain, (PathBuf, FileError)> {
    let mut chain = Chain::default();
    let mut headed = Vec::new();
    for file in files.iter().filter(|file| file.generation >= generation) {
        match header(layer, wrap, file) {
            Ok(header) => headed.push(Headed { file, header }),
            Err(error) if is_final(&error) => {
                return Err((file.path.clone(), error));
            }
            // Its creation may have been cut short, and then nothing was written to it. If more is missing than that,
            // the next file tells by its first frame.
            Err(_) if is_blank(layer, &file.path).map_err(|error| (file.path.clone(), error))? => {}
            Err(error) => {
                let cut = Cut { path: file.path.clone(), detail: error.to_string(), lost: true };
                chain.cut.get_or_insert(cut);
            }
        }
    }
    let unreadable = chain.cut.take();
    let mut files = headed.into_iter().peekable();
    if let Some(first) = files.peek()
        && first.file.generation != generation
    {
        let detail = format!("what was journaled since generation {generation} is missing before it");
        chain.cut = Some(Cut { path: first.file.path.clone(), detail, lost: true });
        return Ok(chain);
    }
    while let Some(Headed { file, header }) = files.next() {
        if let Some(expected) = chain.next_frame()
            && header.first_frame > expected
        {
            let detail = format!("the frames from {expected} to {} are missing before it", header.first_frame);
            chain.cut = Some(Cut { path: file.path.clone(), detail, lost: true });
            return Ok(chain);
        }
        let end = files.peek().map_or(u64::MAX, |next| next.header.first_frame);
        let mut take = |item: JournalItem<'_>| {
            each(item);
            Ok(())
        };
        let found = layer.open(&file.path).map_err(FileError::from);
        let found = found.and_then(|mut input| read(&mut input, wrap, end, &mut take));
        let found = found.map_err(|error| (file.path.clone(), error))?;
        let is_last = files.peek().is_none();
        let rest = found.rest;
        let at = found.bytes;
        chain.files.push((file.clone(), found));
        let cut = |detail: &str, lost| {
            let detail = format!("{detail} at byte {at}");
            Some(Cut { path: file.path.clone(), detail, lost })
        };
        // Whether anything is missing before a file that follows, that one tells.
        match rest {
            Rest::Torn if is_last => chain.cut = cut("the last write was cut short", false),
            Rest::Damaged if is_last => chain.cut = cut("the journal is damaged", true),
            _ => {}
        }
    }
    if chain.is_whole() && unreadable.is_some() {
        chain.cut = unreadable;
    }
    Ok(chain)
}

/// Whether an error says that a file may be as good as it was: nothing is restored without it.
const fn is_final(error: &FileError) -> bool {
    use FileError::{Io, NewerVersion, Sealed, Unbuilt};
    matches!(error, NewerVersion { .. } | Sealed { .. } | Unbuilt { .. } | Io { .. })
}

fn header(layer: &dyn FileLayer, wrap: &Wrap, file: &JournalFile) -> Result<JournalHeader, FileError> {
    let header = read(&mut layer.open(&file.path)?, wrap, 0, &mut |_| Ok(()))?.header;
    if (header.generation, header.segment) != (file.generation, file.segment) {
        let detail = "the header is that of another file".to_owned();
        return Err(FileError::Damaged { offset: 0, detail });
    }
    Ok(header)
}

/// Whether a file holds nothing after its first sector.
///
/// # Errors
/// [`FileError::Io`].
pub(crate) fn is_blank(layer: &dyn FileLayer, path: &Path) -> Result<bool, FileError> {
    let mut input = layer.open(path)?;
    let mut buffer = Vec::new();
    let mut skip = SECTOR as usize;
    loop {
        buffer.clear();
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut input, 256 << 10), &mut buffer)?;
        if buffer.is_empty() {
            return Ok(true);
        }
        if buffer.iter().skip(skip).any(|byte| *byte != 0) {
            return Ok(false);
        }
        skip = 0;
    }
}
