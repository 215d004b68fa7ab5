//! Reads one journal file, frame by frame, up to the first that is not as it was written.

use std::io;

use super::frame::{HEAD_BYTES, Head, MOST_PAYLOAD, padded};
use super::records::{JournalItem, items};
use super::sealed::FrameSeal;
use super::{JournalHeader, SECTOR};
use crate::config::Wrap;
use crate::snapshot::FileError;

/// What one file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) header: JournalHeader,
    /// Frames that were handed on.
    pub(crate) frames: u64,
    /// The number of the frame that would come next.
    pub(crate) next_frame: u64,
    /// When the last one was written; the file itself, where there is none.
    pub(crate) written_at: u64,
    /// Up to here it was read.
    pub(crate) bytes: u64,
    /// What stands after that, where it is not zeros alone.
    pub(crate) rest: Rest,
}

/// What follows the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Clean,
    /// Bytes, and no whole frame among them: a write that a crash cut short, and that nobody was told of.
    Torn,
    /// Later frames, whole: what lies before them was damaged after it had been written.
    Damaged,
}

/// Reads a journal and hands on the items of its frames below `end`, a frame's either all or none.
///
/// # Errors
/// [`FileError`] when the header is not as it was written, is newer, or wants a key. What follows it never fails.
pub(crate) fn read(
    input: &mut dyn io::Read,
    wrap: &Wrap,
    end: u64,
    each: &mut dyn FnMut(JournalItem<'_>) -> Result<(), String>,
) -> Result<Read, FileError> {
    let mut sector = Vec::new();
    fill(input, SECTOR as usize, &mut sector)?;
    let header = JournalHeader::decode(&sector)?;
    let seal = FrameSeal::reading(wrap, header.seal.as_ref())?;
    let (first, created_at) = (header.first_frame, header.created_at);
    let mut found =
        Read { header, frames: 0, next_frame: first, written_at: created_at, bytes: SECTOR, rest: Rest::Clean };
    let (mut block, mut room) = (Vec::new(), Vec::new());
    while found.next_frame < end {
        // A frame is read whole before anything of it is handed on.
        let Some(head) = next(input, &found, &mut block)? else {
            found.rest = rest(input, &found, &block)?;
            break;
        };
        let payload = block.get(HEAD_BYTES..HEAD_BYTES + head.length as usize).unwrap_or_default();
        let opened = seal.open(head.number, &head.associated(&found.header), payload, &mut room);
        let whole = opened.filter(|payload| items(payload, &mut |_| Ok(())).is_ok());
        let Some(payload) = whole else {
            // Its checksum holds, so this is what was written: by a release that knows more, or by nobody of ours.
            found.rest = Rest::Damaged;
            break;
        };
        if items(payload, each).is_err() {
            found.rest = Rest::Damaged;
            break;
        }
        found.frames += 1;
        found.next_frame += 1;
        found.written_at = found.written_at.max(head.written_at);
        found.bytes += padded((HEAD_BYTES + head.length as usize) as u64);
    }
    Ok(found)
}

/// Replaces `block` by the next frame's sectors; `None` when they hold none, and then as much as was read of them.
fn next(input: &mut dyn io::Read, found: &Read, block: &mut Vec<u8>) -> io::Result<Option<Head>> {
    block.clear();
    fill(input, SECTOR as usize, block)?;
    let salt = found.header.salt;
    let Some(head) = Head::decode(block, salt).filter(|head| head.number == found.next_frame) else { return Ok(None) };
    let length = head.length as usize;
    if length > MOST_PAYLOAD {
        return Ok(None);
    }
    let whole = padded((HEAD_BYTES + length) as u64) as usize;
    fill(input, whole - block.len().min(whole), block)?;
    let payload = block.get(HEAD_BYTES..HEAD_BYTES + length);
    Ok(payload.filter(|payload| crc32c::crc32c_append(salt, payload) == head.checksum).map(|_| head))
}

/// Looks at what follows the last whole frame, `block` being the beginning of it.
fn rest(input: &mut dyn io::Read, found: &Read, block: &[u8]) -> io::Result<Rest> {
    let mut rest = Rest::Clean;
    let mut buffer = block.to_vec();
    loop {
        if buffer.is_empty() {
            return Ok(rest);
        }
        for sector in buffer.chunks(SECTOR as usize) {
            if sector.iter().any(|byte| *byte != 0) {
                rest = Rest::Torn;
            }
            // A head that is whole is enough: one write comes after another has become durable.
            if Head::decode(sector, found.header.salt).is_some_and(|head| head.number > found.next_frame) {
                return Ok(Rest::Damaged);
            }
        }
        buffer.clear();
        fill(input, 256 << 10, &mut buffer)?;
    }
}

/// Appends as many bytes, or as many as there are.
fn fill(input: &mut dyn io::Read, bytes: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    io::Read::read_to_end(&mut io::Read::take(input, bytes as u64), buffer).map(drop)
}
