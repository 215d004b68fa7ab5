//! Reads a file that may be wrapped; what comes out is the file of one of the formats.

use std::io::{self, Read};

use super::compress::Unpacker;
use super::frames::{FRAME_HEAD, LAST};
use super::guard::{Guard, MOST_TAG_BYTES};
use super::head::{HEAD_BYTES, Head, Sealing};
use super::{MAGIC, PART_BYTES};
use crate::config::Wrap;
use crate::snapshot::FileError;

/// The most bytes of a frame's content: what does not compress gets a little larger.
const MOST_FRAME_BYTES: usize = PART_BYTES + PART_BYTES / 128 + 64 + MOST_TAG_BYTES;

/// A file whose wrapping is taken off as it is read. Of a file without any it is the file itself.
///
/// What is wrong with the wrapping comes as an [`io::Error`] with a [`FileError`] inside, which `FileError::from` takes out.
pub(crate) struct Opened<R> {
    input: R,
    frames: Option<Frames>,
    /// Bytes that come next.
    part: Vec<u8>,
    at: usize,
}

struct Frames {
    head: Head,
    guard: Guard,
    unpacker: Option<Unpacker>,
    frame: Vec<u8>,
    number: u32,
    /// Where the next frame starts.
    offset: u64,
    ended: bool,
}

/// Begins to read a file.
///
/// # Errors
/// [`FileError::Sealed`] where the key is missing; [`FileError::Unbuilt`]; [`FileError::NewerVersion`],
/// [`FileError::Damaged`], [`FileError::Truncated`] and [`FileError::Io`], of the first bytes.
pub(crate) fn open<R: Read>(mut input: R, wrap: &Wrap) -> Result<Opened<R>, FileError> {
    let mut part = Vec::new();
    (&mut input).take(MAGIC.len() as u64).read_to_end(&mut part)?;
    if part != MAGIC {
        let cut = !part.is_empty() && MAGIC.starts_with(&part);
        return if cut { Err(FileError::Truncated) } else { Ok(Opened { input, frames: None, part, at: 0 }) };
    }
    (&mut input).take((HEAD_BYTES - MAGIC.len()) as u64).read_to_end(&mut part)?;
    let head = Head::read(&part)?;
    part.clear();
    let guard = Guard::reading(&head, wrap)?;
    let unpacker = if head.compressed { Some(Unpacker::new()?) } else { None };
    let frames =
        Frames { head, guard, unpacker, frame: Vec::new(), number: 0, offset: HEAD_BYTES as u64, ended: false };
    Ok(Opened { input, frames: Some(frames), part, at: 0 })
}

impl<R> Opened<R> {
    /// Whether there is anything around the format's own bytes.
    pub(crate) fn is_wrapped(&self) -> bool {
        self.frames.is_some()
    }

    /// Whether it is compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.head.compressed)
    }

    /// The name of the key that it is sealed under.
    pub(crate) fn sealed_under(&self) -> Option<String> {
        match self.frames.as_ref()?.head.sealing {
            Sealing::None => None,
            Sealing::Key { id, .. } => Some(id.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    /// Whether there are keys, and it is not sealed under the one that writes.
    pub(crate) fn is_behind(&self, wrap: &Wrap) -> bool {
        #[cfg(feature = "seal")]
        if let Some(keys) = &wrap.keys {
            return self.sealed_under() != Some(keys.writing().to_string());
        }
        let _ = wrap;
        false
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut rest = self.part.get(self.at..).unwrap_or_default();
            if !rest.is_empty() || buffer.is_empty() {
                let length = rest.read(buffer)?;
                self.at += length;
                return Ok(length);
            }
            let Some(frames) = &mut self.frames else { return self.input.read(buffer) };
            if frames.ended {
                return Ok(0);
            }
            (self.at, frames.ended) = (0, true);
            self.part.clear();
            match frames.next(&mut self.input, &mut self.part) {
                Ok(last) => frames.ended = last,
                Err(error) => {
                    // Nothing of a frame that is refused, and nothing after it, is handed on.
                    self.part.clear();
                    return Err(match error {
                        FileError::Io { source } => source,
                        refused => io::Error::other(refused),
                    });
                }
            }
        }
    }
}

impl Frames {
    /// Reads the next frame; gives whether it is the last.
    fn next(&mut self, input: &mut dyn Read, part: &mut Vec<u8>) -> Result<bool, FileError> {
        let Self { offset, frame, .. } = self;
        let damaged = |detail: &str| FileError::Damaged { offset: *offset, detail: detail.to_owned() };
        frame.clear();
        input.take(FRAME_HEAD as u64).read_to_end(frame)?;
        let (Some(length), Some(sum)) = (frame.first_chunk::<4>(), frame.get(4..).and_then(<[u8]>::first_chunk)) else {
            return Err(FileError::Truncated);
        };
        let told = u32::from_le_bytes(*length);
        let (length, last) = ((told & !LAST) as usize, told & LAST != 0);
        if crc32c::crc32c(&told.to_le_bytes()) != u32::from_le_bytes(*sum) || length > MOST_FRAME_BYTES {
            return Err(damaged("the length of a frame does not fit its checksum"));
        }
        frame.clear();
        input.take(length as u64).read_to_end(frame)?;
        if frame.len() < length {
            return Err(FileError::Truncated);
        }
        if !self.guard.open(self.number, last, frame) {
            return Err(damaged("a frame does not open: it was changed, or is not in its place"));
        }
        match &mut self.unpacker {
            Some(unpacker) => unpacker.unpack(frame, part).map_err(|detail| damaged(&detail))?,
            None => std::mem::swap(frame, part),
        }
        if part.len() > PART_BYTES || part.is_empty() && !last {
            return Err(damaged("a frame is too large, or empty"));
        }
        *offset += (FRAME_HEAD + length) as u64;
        match (last, self.number.checked_add(1)) {
            (true, _) if input.read(&mut [0])? > 0 => {
                let detail = "the file goes on after its last frame".to_owned();
                Err(FileError::Damaged { offset: *offset, detail })
            }
            (true, _) => Ok(true),
            (false, Some(next)) => {
                self.number = next;
                Ok(false)
            }
            (false, None) => {
                Err(FileError::Damaged { offset: *offset, detail: "there are too many frames".to_owned() })
            }
        }
    }
}
