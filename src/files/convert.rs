//! Writing a file in the other format.

use std::io::{self, Write};
use std::path::Path;

use super::options::Watched;
use super::over::Input;
use super::pass::pass;
use super::{FileError, Options, Verified};
use crate::config::Format;
use crate::snapshot::{
    self, Chain, FileHeader, Item, RecordError, Summary, WriteError, Writer, entries_codec, wrapped, write_new,
};

/// A file that was written from another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// The file that was read.
    pub read: Verified,
    /// The bytes that were written.
    pub bytes: u64,
}

/// Writes what the file `from` holds into a new file `to`, in the format asked for; the same format makes a checked copy.
///
/// The time and the generation in the header stay those of `from`, because deadlines count from there. `to` is written
/// for its owner alone, and never over a file that is there. An edited file is written only if each of its sessions could
/// be restored: the new one carries counts and a checksum, and nobody would look again. What was sealed is written in the
/// clear unless [`Options::seal`] asks for a seal, and never compressed.
///
/// # Errors
/// [`FileError`]: `to` is not there.
pub fn convert(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    format: Format,
    mut options: Options<'_>,
) -> Result<Converted, FileError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let mut input = Input { file: Some(Watched::open(from, &mut options)?), chain: &Chain::default() };
    into_place(&mut input, from, to, format, &options)
}

/// As [`convert`], into any output. Whether `from` is whole is known at its end only: [`verify`](super::verify) it first,
/// or throw away on an error what was written.
///
/// # Errors
/// [`FileError`]; [`FileError::Write`] names `output` as the path.
pub fn write_to(
    from: impl AsRef<Path>,
    output: &mut dyn Write,
    format: Format,
    mut options: Options<'_>,
) -> Result<Converted, FileError> {
    let from = from.as_ref();
    let mut input = Input { file: Some(Watched::open(from, &mut options)?), chain: &Chain::default() };
    into_output(&mut input, from, output, format, &options)
}

/// Writes a new file from what was found at `from`.
pub(super) fn into_place(
    input: &mut Input<'_, '_>,
    from: &Path,
    to: &Path,
    format: Format,
    options: &Options<'_>,
) -> Result<Converted, FileError> {
    let written = write_new(to, |output| copy(input, output, format, options));
    written.map_err(|stop| stop.about(from, to))
}

/// The same, into any output.
pub(super) fn into_output(
    input: &mut Input<'_, '_>,
    from: &Path,
    output: &mut dyn Write,
    format: Format,
    options: &Options<'_>,
) -> Result<Converted, FileError> {
    copy(input, output, format, options).map_err(|stop| stop.about(from, Path::new("output")))
}

/// What ended a copy.
enum Stop {
    Read(snapshot::FileError),
    Write(WriteError),
    Io(io::Error),
}

impl Stop {
    fn about(self, from: &Path, to: &Path) -> FileError {
        let path = to.to_owned();
        match self {
            Self::Read(error) => FileError::of(from, error),
            Self::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => FileError::Exists { path },
            Self::Write(error) => FileError::Write { path, source: error.into() },
            Self::Io(error) => FileError::Write { path, source: error.into() },
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn copy(
    input: &mut Input<'_, '_>,
    output: &mut dyn Write,
    format: Format,
    options: &Options<'_>,
) -> Result<Converted, Stop> {
    let wrap = options.output()?;
    let mut read = None;
    let summary = wrapped(output, &wrap, |output| {
        let (whole, summary) = fill(input, output, format, options)?;
        read = Some(whole);
        Ok::<_, Stop>(summary)
    })?;
    let read = read.ok_or_else(|| io::Error::other("nothing was read"))?;
    Ok(Converted { read, bytes: summary.bytes })
}

fn fill(
    input: &mut Input<'_, '_>,
    output: &mut dyn Write,
    format: Format,
    options: &Options<'_>,
) -> Result<(Verified, Summary), Stop> {
    let (mut created_at, mut generation) = (input.chain.written_at(), 0);
    if let Some(file) = &mut input.file {
        let mut opened = snapshot::open(&mut *file, &options.wrap).map_err(Stop::Read)?;
        let header = snapshot::header(&mut opened).map_err(Stop::Read)?;
        (created_at, generation) = (created_at.max(header.created_at), header.generation);
        file.rewind().map_err(|source| Stop::Read(source.into()))?;
    }
    let header = FileHeader::new(format, created_at, generation);
    let mut writer = Writer::new(output, header, entries_codec()).map_err(Stop::Write)?;
    let mut failed = None;
    let read = pass(input, options, |item, _| {
        let written = match item {
            Item::Session(record) => writer.session(record),
            Item::Events(record) => writer.events(record),
            Item::Tombstone(record) => writer.tombstone(record),
        };
        written.map_err(|error| {
            failed = Some(error);
            RecordError("it was not written".to_owned())
        })
    });
    if let Some(error) = failed {
        return Err(Stop::Write(error));
    }
    let read = read.map_err(Stop::Read)?;
    if let Some(finding) = read.findings.first().filter(|_| options.accept_edited) {
        let (index, detail) = (finding.index, finding.detail.clone());
        return Err(Stop::Read(snapshot::FileError::Record { index, detail }));
    }
    let summary = writer.finish().map_err(Stop::Write)?;
    Ok((read, summary))
}
