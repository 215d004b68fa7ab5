//! Writes a new generation: under another name first, then named, each step made durable.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::{About, Folder, GenerationFile};
use crate::config::Format;
use crate::snapshot::writer::{FileHeader, Summary, Writer};
use crate::snapshot::{WriteError, wrapped};

const BUFFER_BYTES: usize = 256 << 10;

/// A generation that was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// What it holds.
    pub(crate) summary: Summary,
}

impl Folder {
    /// Writes the next generation with what `fill` puts in, and gives it back once it would outlive a power cut.
    ///
    /// Its number is greater than any in the folder, damaged ones included, and nothing is overwritten. `created_at` is
    /// the wall clock in microseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`WriteError`] of `fill` or of a step. The older generations are as they were and nothing half-written stays.
    /// When the very last step fails, syncing the folder, the new file is there, whole, and may not outlive a power cut.
    pub(crate) fn write(
        &self,
        format: Format,
        created_at: u64,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>,
    ) -> Result<Written, WriteError> {
        self.write_as(self.next_generation()?, format, created_at, fill)
    }

    /// The same under a number that [`Folder::next_generation`] gave.
    ///
    /// # Errors
    /// As [`Folder::write`].
    pub(crate) fn write_as(
        &self,
        number: u64,
        format: Format,
        created_at: u64,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>,
    ) -> Result<Written, WriteError> {
        let mut known = self.known.lock();
        let file = GenerationFile::new(&self.path, number, format);
        let header = FileHeader::new(format, created_at, number);
        let half = file.half_written();
        let summary = self.write_half(&half, header, fill).and_then(|summary| {
            self.layer.rename(&half, &file.path).map_err(WriteError::io("rename the file"))?;
            Ok(summary)
        });
        let summary = summary.inspect_err(|_| {
            // The first error is the one to tell; what cannot be removed now is removed when the folder is opened.
            drop(self.layer.remove(&half));
        })?;
        self.layer.sync_folder(&self.path).map_err(WriteError::io("sync the folder"))?;
        known.insert(file.path.clone(), About { is_whole: Some(true), begun: Some(created_at) });
        Ok(Written { path: file.path, bytes: summary.bytes, summary })
    }

    fn write_half(
        &self,
        half: &Path,
        header: FileHeader,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>,
    ) -> Result<Summary, WriteError> {
        let created = self.layer.create(half).or_else(|error| match error.kind() {
            // A write that failed before could not remove what it began. The folder's lock is held, so nobody is at it.
            io::ErrorKind::AlreadyExists => self.layer.remove(half).and_then(|()| self.layer.create(half)),
            _ => Err(error),
        });
        let file = created.map_err(WriteError::io("create the file"))?;
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, file);
        let summary = wrapped(&mut output, &self.wrap, |output| {
            let mut writer = Writer::new(output, header, self.options.entries)?;
            fill(&mut writer)?;
            writer.finish()
        })?;
        output.get_mut().sync().map_err(WriteError::io("sync the file"))?;
        Ok(summary)
    }
}
