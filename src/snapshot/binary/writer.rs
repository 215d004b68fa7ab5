//! Writes the binary format, a block at a time.

use serde::Serialize;

use super::{BLOCK_BYTES, MAGIC, RECORD_HEAD, Tag};
use crate::snapshot::preamble::preamble;
use crate::snapshot::record::{EventsRef, HeaderRecord, SessionRef, TombstoneRecord, TrailerRecord};
use crate::snapshot::stream::Sink;
use crate::snapshot::writer::{Fault, Summary};
use crate::snapshot::{MAX_RECORD_BYTES, VERSION, codec};

/// Collects records into blocks.
pub(in crate::snapshot) struct BinaryWriter<'a> {
    sink: Sink<'a>,
    block: Vec<u8>,
}

impl<'a> BinaryWriter<'a> {
    /// Begins a file.
    pub(in crate::snapshot) fn new(sink: Sink<'a>, header: &HeaderRecord) -> Result<Self, Fault> {
        let mut writer = Self { sink, block: Vec::with_capacity(BLOCK_BYTES) };
        writer.sink.put(&preamble(&MAGIC, VERSION))?;
        writer.add(Tag::Header, header)?;
        writer.close_block()?;
        Ok(writer)
    }

    pub(in crate::snapshot) fn session(&mut self, record: &SessionRef<'_>) -> Result<(), Fault> {
        self.add(Tag::Session, record)
    }

    pub(in crate::snapshot) fn events(&mut self, record: &EventsRef<'_>) -> Result<(), Fault> {
        self.add(Tag::Events, record)
    }

    pub(in crate::snapshot) fn tombstone(&mut self, record: &TombstoneRecord) -> Result<(), Fault> {
        self.add(Tag::Tombstone, record)
    }

    /// Ends the file; gives its bytes.
    pub(in crate::snapshot) fn finish(mut self, summary: &Summary) -> Result<u64, Fault> {
        self.close_block()?;
        let trailer = TrailerRecord {
            sessions: summary.sessions,
            events: summary.events,
            tombstones: summary.tombstones,
            checksum: self.sink.checksum(),
        };
        self.add(Tag::Trailer, &trailer)?;
        self.close_block()?;
        self.sink.flush()?;
        Ok(self.sink.bytes())
    }

    fn add<T: Serialize>(&mut self, tag: Tag, record: &T) -> Result<(), Fault> {
        let start = self.block.len();
        // A record that is refused leaves the block as it was.
        let bytes = match self.append(tag, record) {
            Ok(bytes) => bytes,
            Err(fault) => {
                self.block.truncate(start);
                return Err(fault);
            }
        };
        if self.block.len() < BLOCK_BYTES {
            return Ok(());
        }
        // Full: what was there before goes first, so that a large record has a block of its own.
        if start > 0 && bytes >= BLOCK_BYTES / 2 {
            let last = self.block.split_off(start);
            self.close_block()?;
            self.block = last;
        }
        self.close_block()
    }

    fn append<T: Serialize>(&mut self, tag: Tag, record: &T) -> Result<usize, Fault> {
        let start = self.block.len();
        self.block.extend([tag as u8, 0, 0, 0, 0]);
        codec::encode(record, &mut self.block).map_err(Fault::Record)?;
        let bytes = self.block.len() - start - RECORD_HEAD;
        let length = u32::try_from(bytes).ok().filter(|_| bytes <= MAX_RECORD_BYTES).ok_or(Fault::TooLarge(bytes))?;
        if let Some(place) = self.block.get_mut(start + 1..start + RECORD_HEAD) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        Ok(bytes)
    }

    fn close_block(&mut self) -> Result<(), Fault> {
        if self.block.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(self.block.len()).map_err(|_| Fault::TooLarge(self.block.len()))?;
        let mut head = length.to_le_bytes().to_vec();
        head.extend(crc32c::crc32c(&self.block).to_le_bytes());
        head.extend(crc32c::crc32c(&head).to_le_bytes());
        self.sink.put(&head)?;
        self.sink.put(&self.block)?;
        self.block.clear();
        // One large session must not hold its memory for the rest of the file.
        self.block.shrink_to(2 * BLOCK_BYTES);
        Ok(())
    }
}
