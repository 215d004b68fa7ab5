//! What a start would restore of a folder.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::convert::{Converted, into_output, into_place};
use super::options::Watched;
use super::over::Input;
use super::pass::pass;
use super::{FileError, Options, Verified};
use crate::actor::restore::JournalCut;
use crate::config::Format;
use crate::snapshot::{self, Chain, StdLayer, chain, generations, journals};

/// A running service may put another snapshot in the place of one that is being read, and write to a journal.
const TRIES: usize = 8;

/// The newest valid snapshot of a folder with the journals that go on from it: what a start would restore.
///
/// What the journals hold of sessions is kept in memory.
#[non_exhaustive]
pub struct Newest {
    /// The snapshot; `None` where the folder holds journals alone, since the beginning of all.
    pub path: Option<PathBuf>,
    /// What it holds once the journals are laid over. Size, seal and compression are the snapshot's own.
    pub file: Verified,
    /// What is wrong with newer snapshots, newest first: what they held and no journal holds is not restored.
    pub skipped: Vec<FileError>,
    /// The journals that are laid over, oldest first.
    pub journals: Vec<PathBuf>,
    /// Where they end before their end, if they do: what came after is not restored.
    pub journal_cut: Option<JournalCut>,
    chain: Chain,
}

impl Newest {
    /// Writes it into a new file, as [`convert`](super::convert) does. Its time is that of the last frame that was laid over.
    ///
    /// # Errors
    /// [`FileError`]: `to` is not there.
    pub fn convert(
        &self,
        to: impl AsRef<Path>,
        format: Format,
        mut options: Options<'_>,
    ) -> Result<Converted, FileError> {
        let mut input = self.input(&mut options)?;
        into_place(&mut input, self.place(), to.as_ref(), format, &options)
    }

    /// Writes it into any output, as [`write_to`](super::write_to) does.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Write`] names `output` as the path.
    pub fn write_to(
        &self,
        output: &mut dyn Write,
        format: Format,
        mut options: Options<'_>,
    ) -> Result<Converted, FileError> {
        let mut input = self.input(&mut options)?;
        into_output(&mut input, self.place(), output, format, &options)
    }

    fn input<'a>(&self, options: &mut Options<'a>) -> Result<Input<'_, 'a>, FileError> {
        let file = self.path.as_deref().map(|path| Watched::open(path, options)).transpose()?;
        Ok(Input { file, chain: &self.chain })
    }

    /// What an error is about.
    fn place(&self) -> &Path {
        self.path.as_deref().or(self.journals.first().map(PathBuf::as_path)).unwrap_or(Path::new(""))
    }
}

impl std::fmt::Debug for Newest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, file, skipped, journals, journal_cut, .. } = self;
        let mut shown = f.debug_struct("Newest");
        shown.field("path", path).field("file", file).field("skipped", skipped);
        shown.field("journals", journals).field("journal_cut", journal_cut).finish_non_exhaustive()
    }
}

/// Finds what a start would restore of a folder, without taking the folder's lock.
///
/// Beside a running service the last write to a journal may be told as cut short: it is under way.
///
/// # Errors
/// [`FileError::Newer`] when a newer release wrote the first file that is not damaged, or a journal that goes on from it;
/// [`FileError::Sealed`] when its key is not among those of `options` (of which nothing else counts here),
/// [`FileError::Unbuilt`], [`FileError::NoneValid`], [`FileError::JournalAlone`], [`FileError::NoFile`], [`FileError::Read`].
pub fn newest(folder: impl AsRef<Path>, options: Options<'_>) -> Result<Newest, FileError> {
    let folder = folder.as_ref();
    let mut found = look(folder, &options);
    for _ in 0..TRIES {
        match &found {
            // A running service has removed it meanwhile, and has newer ones.
            Err(FileError::Read { source, path }) if source.kind() == io::ErrorKind::NotFound && path != folder => {}
            // Or its first snapshot came between two looks.
            Err(FileError::JournalAlone { .. }) => {}
            _ => break,
        }
        found = look(folder, &options);
    }
    found
}

fn look(folder: &Path, options: &Options<'_>) -> Result<Newest, FileError> {
    let mut skipped = Vec::new();
    for file in generations(&StdLayer, folder).map_err(FileError::reading(folder))? {
        let chain = settled(folder, options, file.number)?;
        match restorable(Some(file.path), chain, options) {
            Ok(newest) => return Ok(Newest { skipped, ..newest }),
            Err(
                error @ (FileError::Newer { .. }
                | FileError::Read { .. }
                | FileError::Sealed { .. }
                | FileError::Unbuilt { .. }),
            ) => return Err(error),
            Err(damage) => skipped.push(damage),
        }
    }
    let first = journals(&StdLayer, folder).map_err(FileError::reading(folder))?.into_iter().next();
    let mut alone = None;
    if let Some(first) = first {
        alone = Some(FileError::JournalAlone { path: first.path });
        if first.generation == 0 {
            let chain = settled(folder, options, 0)?;
            // Beside damaged snapshots journals count only where they make up for all of them.
            if skipped.is_empty() || chain.is_whole() {
                match restorable(None, chain, options) {
                    Ok(newest) => return Ok(Newest { skipped, ..newest }),
                    Err(damage) => alone = Some(damage),
                }
            }
        }
    }
    let path = folder.to_owned();
    let mut older = skipped.into_iter();
    match (older.next(), alone) {
        (Some(newest), _) => Err(FileError::NoneValid { path, source: Box::new(newest), older: older.collect() }),
        (None, Some(alone)) => Err(alone),
        (None, None) => Err(FileError::NoFile { path }),
    }
}

/// The journals that go on from a generation, read until what looks like damage is none of a write under way.
fn settled(folder: &Path, options: &Options<'_>, generation: u64) -> Result<Chain, FileError> {
    let read = || {
        let files = journals(&StdLayer, folder).map_err(FileError::reading(folder))?;
        chain(&StdLayer, &options.wrap, &files, generation).map_err(|(path, error)| FileError::of(&path, error))
    };
    let mut known = read()?;
    for _ in 0..TRIES {
        if known.is_whole() {
            break;
        }
        let again = read()?;
        let same = (again.next_frame(), &again.cut) == (known.next_frame(), &known.cut);
        known = again;
        if same {
            break;
        }
    }
    Ok(known)
}

/// Checks a snapshot with its journals; the error of one that a start would refuse.
fn restorable(path: Option<PathBuf>, chain: Chain, options: &Options<'_>) -> Result<Newest, FileError> {
    let mut reading = Options::opened_with(&options.wrap);
    let file = path.as_deref().map(|path| Watched::open(path, &mut reading)).transpose()?;
    let about = path.clone().or_else(|| chain.files.first().map(|(file, _)| file.path.clone())).unwrap_or_default();
    let verified = pass(&mut Input { file, chain: &chain }, &reading, |_, _| Ok(()));
    let verified = verified.map_err(|error: snapshot::FileError| FileError::of(&about, error))?;
    if let Some(finding) = verified.findings.into_iter().next() {
        return Err(FileError::Record { path: about, index: finding.index, detail: finding.detail });
    }
    Ok(Newest {
        path,
        file: Verified { findings: Vec::new(), ..verified },
        skipped: Vec::new(),
        journals: chain.files.iter().map(|(file, _)| file.path.clone()).collect(),
        journal_cut: chain.cut.clone().map(JournalCut::from),
        chain,
    })
}
