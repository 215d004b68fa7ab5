//! Appends frames to a journal, each durable before the next.

use std::io;

use super::frame::{Frame, padded};
use super::sealed::FrameSeal;
use super::{JournalHeader, SECTOR};
use crate::config::Wrap;
use crate::snapshot::WriteError;
use crate::snapshot::error::is_no_space;
use crate::snapshot::layer::LayerFile;

/// Filled with zeros ahead: at first, at most, and at least where the disk is all but full.
const RESERVE: u64 = 256 << 10;
const MOST_RESERVE: u64 = 4 << 20;
const LEAST_RESERVE: u64 = 8 << 10;

/// A journal that is being written.
pub(crate) struct JournalWriter {
    file: Box<dyn LayerFile>,
    header: JournalHeader,
    seal: FrameSeal,
    /// Where the next frame goes.
    end: u64,
    /// Up to here there are zeros, or what was written.
    reserved: u64,
    /// How much was reserved last; half as much as is reserved next.
    reserve: u64,
    next_frame: u64,
}

impl JournalWriter {
    /// Begins a file that was just created; its name is made durable by whoever did that.
    pub(in crate::snapshot) fn begin(
        file: Box<dyn LayerFile>,
        header: JournalHeader,
        wrap: &Wrap,
    ) -> Result<Self, WriteError> {
        let (record, seal) = FrameSeal::writing(wrap).map_err(WriteError::io("seal the journal"))?;
        let header = JournalHeader { seal: record, ..header };
        let head = header.encode().map_err(|detail| WriteError::Record { index: 0, detail })?;
        let next_frame = header.first_frame;
        let mut writer = Self { file, header, seal, end: SECTOR, reserved: 0, reserve: RESERVE, next_frame };
        let write = |writer: &mut Self| {
            writer.file.write_at(0, &head)?;
            writer.reserved = SECTOR;
            writer.fill(RESERVE)?;
            writer.file.sync()
        };
        write(&mut writer).map_err(WriteError::io("begin the journal"))?;
        Ok(writer)
    }

    /// Bytes of the file that hold something.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// The number of the next frame.
    pub(crate) fn next_frame(&self) -> u64 {
        self.next_frame
    }

    /// Writes a frame, which is durable once [`JournalWriter::sync`] is done.
    ///
    /// # Errors
    /// [`io::Error`]: whether any of it is in the file is not known, and nothing more may be written.
    pub(crate) fn write(&mut self, frame: &mut Frame, written_at: u64) -> io::Result<()> {
        let bytes = frame.finish(self.next_frame, written_at, &self.header, &self.seal)?;
        self.file.write_at(self.end, bytes)?;
        self.end = padded(self.end + bytes.len() as u64);
        self.reserved = self.reserved.max(self.end);
        self.next_frame += 1;
        Ok(())
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// As [`JournalWriter::write`]. It must not be tried again: the system may have forgotten what it could not write.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Fills the file with zeros ahead where little is left of them, so that a later sync has only bytes to write; whether it
    /// did. Where there is no space it does not, and asks for less the next time.
    ///
    /// # Errors
    /// [`io::Error`]; the file is as good as before.
    pub(crate) fn make_room(&mut self) -> io::Result<bool> {
        if self.reserved - self.end >= self.reserve / 4 {
            return Ok(false);
        }
        let next = (self.reserve * 2).min(MOST_RESERVE);
        match self.fill(next).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.reserve = next;
                Ok(true)
            }
            Err(error) if is_no_space(&error) => {
                self.reserve = (next / 4).max(LEAST_RESERVE / 2);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Fills in pieces: what there was space for is used.
    fn fill(&mut self, bytes: u64) -> io::Result<()> {
        let (zeros, end) = (vec![0; bytes.min(RESERVE) as usize], self.reserved + bytes);
        while self.reserved < end {
            let piece = zeros.get(..(end - self.reserved) as usize).unwrap_or(&zeros);
            self.file.write_at(self.reserved, piece)?;
            self.reserved += piece.len() as u64;
        }
        Ok(())
    }
}
