//! Writes frames.

use std::io::{self, Write};

use super::compress::Packer;
use super::guard::Guard;
use super::{PART_BYTES, head};
use crate::config::Wrap;

/// The bit of a frame's length that says it is the last one.
pub(super) const LAST: u32 = 1 << 31;
/// Bytes before a frame's content.
pub(super) const FRAME_HEAD: usize = 8;

/// Cuts what is written into parts, and frames them. Without [`Framer::finish`] a file is cut off, and refused as such.
pub(super) struct Framer<'a> {
    output: &'a mut dyn Write,
    guard: Guard,
    packer: Option<Packer>,
    part: Vec<u8>,
    frame: Vec<u8>,
    number: u32,
    bytes: u64,
}

impl<'a> Framer<'a> {
    /// Begins a file.
    pub(super) fn new(output: &'a mut dyn Write, wrap: &Wrap) -> io::Result<Self> {
        let (head, guard) = Guard::writing(wrap)?;
        let packer = if wrap.compress { Some(Packer::new()?) } else { None };
        output.write_all(&head.bytes())?;
        let part = Vec::with_capacity(PART_BYTES);
        Ok(Self { output, guard, packer, part, frame: Vec::new(), number: 0, bytes: head::HEAD_BYTES as u64 })
    }

    /// Ends the file and flushes the output; gives its bytes.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.put(true)?;
        self.output.flush()?;
        Ok(self.bytes)
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        self.frame.clear();
        match &mut self.packer {
            Some(packer) => packer.pack(&self.part, &mut self.frame)?,
            None => self.frame.extend(&self.part),
        }
        self.guard.seal(self.number, last, &mut self.frame)?;
        let length = u32::try_from(self.frame.len()).map_err(io::Error::other)? | if last { LAST } else { 0 };
        let length = length.to_le_bytes();
        self.output.write_all(&length)?;
        self.output.write_all(&crc32c::crc32c(&length).to_le_bytes())?;
        self.output.write_all(&self.frame)?;
        self.bytes += (FRAME_HEAD + self.frame.len()) as u64;
        self.part.clear();
        // A number that was used twice would give the key away.
        self.number = self.number.checked_add(1).ok_or_else(|| io::Error::other("the file has too many frames"))?;
        Ok(())
    }
}

impl Write for Framer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full part goes once there is more, so that the last one is known.
        if self.part.len() >= PART_BYTES && !bytes.is_empty() {
            self.put(false)?;
        }
        let taken = bytes.get(..PART_BYTES - self.part.len()).unwrap_or(bytes);
        self.part.extend(taken);
        Ok(taken.len())
    }

    /// What was written stays until its frame is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
