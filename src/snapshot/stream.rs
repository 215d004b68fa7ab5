//! Byte streams that count and sum what passes through them.

use std::io::{self, BufRead, BufReader, Read, Write};

/// Small: what is longer, as a block is, is read past it and not copied twice.
const BUFFER_BYTES: usize = 16 << 10;
/// The most memory that one piece keeps for the next.
pub(super) const KEPT_BYTES: usize = 1 << 20;

/// Where a file is written to.
pub(super) struct Sink<'a> {
    output: &'a mut dyn Write,
    bytes: u64,
    checksum: u32,
}

impl<'a> Sink<'a> {
    pub(super) fn new(output: &'a mut dyn Write) -> Self {
        Self { output, bytes: 0, checksum: 0 }
    }

    /// Writes all of `bytes`.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Bytes written so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// crc32c of the bytes written so far.
    pub(super) const fn checksum(&self) -> u32 {
        self.checksum
    }
}

/// How a line ended.
pub(super) enum LineEnd {
    /// With its line break.
    Whole,
    /// With the file; an empty one is the end itself.
    Cut,
    /// Not within the bytes allowed.
    TooLong,
}

/// Where a file is read from.
pub(super) struct Source<'a> {
    input: BufReader<&'a mut dyn Read>,
    offset: u64,
    checksum: u32,
}

impl<'a> Source<'a> {
    pub(super) fn new(input: &'a mut dyn Read) -> Self {
        Self { input: BufReader::with_capacity(BUFFER_BYTES, input), offset: 0, checksum: 0 }
    }

    /// The next byte, left where it is; `None` at the end.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Replaces `buffer` by the next `length` bytes, or by fewer at the end of the file.
    ///
    /// The buffer grows with what is there, so a length that lies allocates nothing.
    pub(super) fn take(&mut self, length: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        buffer.shrink_to(KEPT_BYTES);
        (&mut self.input).take(length as u64).read_to_end(buffer)?;
        self.passed(buffer);
        Ok(())
    }

    /// Replaces `buffer` by the next line without its line break.
    pub(super) fn line(&mut self, most: usize, buffer: &mut Vec<u8>) -> io::Result<LineEnd> {
        buffer.clear();
        buffer.shrink_to(KEPT_BYTES);
        (&mut self.input).take(most as u64 + 1).read_until(b'\n', buffer)?;
        self.passed(buffer);
        if buffer.last() == Some(&b'\n') {
            buffer.pop();
            return Ok(LineEnd::Whole);
        }
        Ok(if buffer.len() > most { LineEnd::TooLong } else { LineEnd::Cut })
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
    }

    /// Bytes read so far.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// crc32c of the bytes read so far.
    pub(super) const fn checksum(&self) -> u32 {
        self.checksum
    }
}
