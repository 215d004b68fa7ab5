//! Reads the binary format, a block at a time: everything that lies around the records.

use std::mem;

use serde::Deserialize;

use super::{BLOCK_BYTES, MAGIC, RECORD_HEAD, Tag};
use crate::config::Format;
use crate::snapshot::preamble::{PREAMBLE_BYTES, version};
use crate::snapshot::record::{HeaderRecord, TrailerRecord, TrailerRecordV1, check};
use crate::snapshot::stream::Source;
use crate::snapshot::writer::{FileHeader, Summary};
use crate::snapshot::{FileError, MAX_RECORD_BYTES, VERSION, codec};

/// The most bytes of a block: one record of the largest size after a block's worth of small ones.
const MOST_BLOCK_BYTES: usize = MAX_RECORD_BYTES + RECORD_HEAD + BLOCK_BYTES;
const HEAD_BYTES: usize = 12;

/// Records that lie together, their checksum found right. Nothing of them is decoded yet.
pub(super) struct Block {
    /// Where it lies in the file.
    pub(super) start: u64,
    /// The version of the file.
    pub(super) version: u32,
    /// The records before its first one.
    pub(super) before: u64,
    /// How many of its records are in their place, from the first on.
    pub(super) records: u64,
    pub(super) payload: Vec<u8>,
}

/// Records met so far.
#[derive(Clone, Copy, Default)]
struct Met {
    sessions: u64,
    events: u64,
    tombstones: u64,
}

/// Reads a whole file, hands each block on, and checks counts and checksum at the end. `each` gives back a buffer for
/// the next block.
///
/// What it hands on comes earlier in the file than what it then returns an error for.
pub(super) fn blocks(
    source: &mut Source<'_>,
    each: &mut dyn FnMut(Block) -> Result<Vec<u8>, FileError>,
) -> Result<Summary, FileError> {
    let mut payload = Vec::new();
    let header = head(source, &mut payload)?;
    let mut met = Met::default();
    loop {
        let (start, checksum) = (source.offset(), source.checksum());
        next_block(source, &mut payload)?;
        if let Some((Tag::Trailer, bytes, [])) = split(&payload) {
            let trailer = match header.version {
                1 => decode(bytes, start).map(of_version_1)?,
                _ => decode(bytes, start)?,
            };
            return ended(source, met, start, header, &trailer, checksum);
        }
        let before = met;
        let flaw = met.count(header.version, &payload);
        let (before, records) = (before.records(), met.records() - before.records());
        payload = each(Block { start, version: header.version, before, records, payload: mem::take(&mut payload) })?;
        if let Some(flaw) = flaw {
            return Err(damaged(start, flaw));
        }
    }
}

impl Met {
    const fn records(self) -> u64 {
        self.sessions + self.events + self.tombstones
    }

    /// Counts the records of a block; tells what is wrong with the order of those that it does not count.
    fn count(&mut self, version: u32, mut payload: &[u8]) -> Option<&'static str> {
        while !payload.is_empty() {
            let Some((tag, _, rest)) = split(payload) else { return Some("a record does not fit") };
            match tag {
                Tag::Session if self.tombstones > 0 => return Some("a session stands after the tombstones"),
                Tag::Session if self.events > 0 => return Some("a session stands after the events"),
                Tag::Session => self.sessions += 1,
                Tag::Events if version == 1 => return Some("version 1 has no events"),
                Tag::Events if self.tombstones > 0 => return Some("events stand after the tombstones"),
                Tag::Events => self.events += 1,
                Tag::Tombstone => self.tombstones += 1,
                Tag::Header | Tag::Trailer => return Some("a record is out of its place"),
            }
            payload = rest;
        }
        None
    }
}

/// Reads the header alone.
pub(in crate::snapshot) fn header(source: &mut Source<'_>) -> Result<FileHeader, FileError> {
    head(source, &mut Vec::new())
}

fn head(source: &mut Source<'_>, block: &mut Vec<u8>) -> Result<FileHeader, FileError> {
    source.take(PREAMBLE_BYTES, block)?;
    let version = version(block, &MAGIC, VERSION)?;
    let start = source.offset();
    next_block(source, block)?;
    let header: HeaderRecord = match split(block) {
        Some((Tag::Header, bytes, [])) => decode(bytes, start)?,
        _ => return Err(damaged(start, "the first block holds no header")),
    };
    check(&header).map_err(|detail| damaged(start, &detail))?;
    let HeaderRecord { created_at, generation, service } = header;
    Ok(FileHeader { version, format: Format::Bincode, created_at, generation, service })
}

fn of_version_1(trailer: TrailerRecordV1) -> TrailerRecord {
    let TrailerRecordV1 { sessions, tombstones, checksum } = trailer;
    TrailerRecord { sessions, events: 0, tombstones, checksum }
}

/// Replaces `block` by the payload of the next block.
fn next_block(source: &mut Source<'_>, block: &mut Vec<u8>) -> Result<(), FileError> {
    let start = source.offset();
    source.take(HEAD_BYTES, block)?;
    let (Some(length), Some(sum), Some(head_sum)) = (number(block, 0), number(block, 4), number(block, 8)) else {
        return Err(FileError::Truncated);
    };
    let told = block.get(..8).unwrap_or_default();
    let length = length as usize;
    if crc32c::crc32c(told) != head_sum || length == 0 || length > MOST_BLOCK_BYTES {
        return Err(damaged(start, "the head of a block does not fit its checksum"));
    }
    source.take(length, block)?;
    if block.len() < length {
        return Err(FileError::Truncated);
    }
    if crc32c::crc32c(block) != sum {
        return Err(damaged(start, "a block does not fit its checksum"));
    }
    Ok(())
}

fn ended(
    source: &mut Source<'_>,
    met: Met,
    start: u64,
    header: FileHeader,
    trailer: &TrailerRecord,
    checksum: u32,
) -> Result<Summary, FileError> {
    let Met { sessions, events, tombstones } = met;
    if source.peek()?.is_some() {
        return Err(damaged(source.offset(), "the file goes on after its trailer"));
    }
    if (trailer.sessions, trailer.events, trailer.tombstones) != (sessions, events, tombstones) {
        return Err(damaged(start, "the counts do not fit"));
    }
    if trailer.checksum != checksum {
        return Err(damaged(start, "the file does not fit its checksum"));
    }
    Ok(Summary { header, sessions, events, tombstones, bytes: source.offset() })
}

/// The first record of a payload, and what follows it.
pub(super) fn split(payload: &[u8]) -> Option<(Tag, &[u8], &[u8])> {
    let (&tag, rest) = payload.split_first()?;
    let length = number(rest, 0)? as usize;
    let (bytes, after) = rest.get(4..)?.split_at_checked(length)?;
    Some((Tag::of(tag)?, bytes, after))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], start: u64) -> Result<T, FileError> {
    codec::decode(bytes).map_err(|detail| FileError::Damaged { offset: start, detail })
}

fn damaged(offset: u64, detail: &str) -> FileError {
    FileError::Damaged { offset, detail: detail.to_owned() }
}
