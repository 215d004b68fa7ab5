//! How a file is read.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use super::FileError;
use crate::config::Wrap;

/// The most sessions and owners that an inspection lists.
const MOST_LISTED: usize = 1_000;

/// How far the reading of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes read so far.
    pub read: u64,
    /// Bytes of the file when it was opened.
    pub total: u64,
}

/// How to read a file or a folder. The default takes no edited files, lists the ten largest and names nobody.
#[must_use]
pub struct Options<'a> {
    pub(super) accept_edited: bool,
    pub(super) largest: usize,
    pub(super) names: bool,
    /// The keys; nothing is compressed.
    pub(super) wrap: Wrap,
    pub(super) seal: bool,
    progress: Option<Box<dyn FnMut(Progress) + 'a>>,
}

impl<'a> Options<'a> {
    /// Takes a JSON file that was edited by hand: counts and checksum are not looked at, each session still is.
    pub fn accept_edited(mut self, accept_edited: bool) -> Self {
        self.accept_edited = accept_edited;
        self
    }

    /// How many of the largest sessions and owners an inspection lists, up to 1,000. Default 10.
    pub fn largest(mut self, largest: usize) -> Self {
        self.largest = largest.min(MOST_LISTED);
        self
    }

    /// Whether an inspection tells ids and names of owned sessions, and who their owners are. Default false.
    ///
    /// They are names, not secrets (an anonymous session's id is a secret, and no file holds it), but they may still be
    /// personal. Values are never told; a JSON export shows them.
    pub fn names(mut self, names: bool) -> Self {
        self.names = names;
        self
    }

    /// Opens sealed files with any of these keys.
    #[cfg(feature = "seal")]
    pub fn keys(mut self, keys: crate::KeyRing) -> Self {
        self.wrap.keys = Some(keys);
        self
    }

    /// Whether [`convert`](super::convert) and [`write_to`](super::write_to) seal what they write, under the first of the
    /// keys. Default false: what they are for is to make a file that can be read.
    #[cfg(feature = "seal")]
    pub fn seal(mut self, seal: bool) -> Self {
        self.seal = seal;
        self
    }

    /// The default, with these keys.
    pub(super) fn opened_with(wrap: &Wrap) -> Self {
        Self { wrap: wrap.clone(), ..Self::default() }
    }

    /// What is put around a file that is written.
    pub(super) fn output(&self) -> io::Result<Wrap> {
        #[cfg(feature = "seal")]
        if self.seal && self.wrap.keys.is_none() {
            return Err(io::Error::other("it was to be sealed, and there are no keys; give them with `Options::keys`"));
        }
        Ok(if self.seal { self.wrap.clone() } else { Wrap::default() })
    }

    /// Is called as the file is read, about every 256 KiB and at its end.
    pub fn progress(mut self, progress: impl FnMut(Progress) + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { accept_edited: false, largest: 10, names: false, wrap: Wrap::default(), seal: false, progress: None }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accept_edited, largest, names, wrap, seal, .. } = self;
        let mut shown = f.debug_struct("Options");
        shown
            .field("accept_edited", accept_edited)
            .field("largest", largest)
            .field("names", names)
            .field("wrap", wrap)
            .field("seal", seal);
        shown.finish_non_exhaustive()
    }
}

/// A file that tells how far it has been read.
pub(super) struct Watched<'a> {
    file: File,
    at: Progress,
    progress: Option<Box<dyn FnMut(Progress) + 'a>>,
}

impl<'a> Watched<'a> {
    /// Opens the file at `path`; takes the callback out of `options`.
    pub(super) fn open(path: &Path, options: &mut Options<'a>) -> Result<Self, FileError> {
        let file = File::open(path).map_err(FileError::reading(path))?;
        let about = file.metadata().map_err(FileError::reading(path))?;
        if about.is_dir() {
            return Err(FileError::reading(path)(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self { file, at: Progress { read: 0, total: about.len() }, progress: options.progress.take() })
    }

    /// Bytes read since the start.
    pub(super) fn bytes(&self) -> u64 {
        self.at.read
    }

    /// Goes back to the start.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        self.at.read = 0;
        self.file.rewind()
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.at.read += read as u64;
        if let Some(progress) = &mut self.progress {
            progress(self.at);
        }
        Ok(read)
    }
}
