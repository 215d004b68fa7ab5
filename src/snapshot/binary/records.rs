//! Reads the records of a block: each is borrowed from its bytes, checked by the rules, and handed on.

use super::Tag;
use super::reader::{self, Block, blocks, split};
use crate::snapshot::reader::Item;
use crate::snapshot::record::{EventsRef, SessionRecordV1, SessionRef, TombstoneRecord, check};
use crate::snapshot::stream::Source;
use crate::snapshot::writer::Summary;
use crate::snapshot::{FileError, RecordError};

/// Reads a whole file and hands each record on, in order.
pub(in crate::snapshot) fn scan(
    source: &mut Source<'_>,
    each: &mut dyn FnMut(Item<'_>) -> Result<(), RecordError>,
) -> Result<Summary, FileError> {
    blocks(source, &mut |block| {
        records(&block, each)?;
        Ok(block.payload)
    })
}

/// Hands on the records of a block that are in their place.
pub(super) fn records(
    block: &Block,
    each: &mut dyn FnMut(Item<'_>) -> Result<(), RecordError>,
) -> Result<(), FileError> {
    let mut rest = block.payload.as_slice();
    for index in block.before + 1..=block.before + block.records {
        let Some((tag, bytes, after)) = split(rest) else { break };
        let refused = |detail| FileError::Record { index, detail };
        let taken = match tag {
            Tag::Session => {
                let record = session(block, bytes)?;
                check(&record).map_err(refused)?;
                each(Item::Session(&record))
            }
            Tag::Events => {
                let record: EventsRef<'_> = reader::decode(bytes, block.start)?;
                check(&record).map_err(refused)?;
                each(Item::Events(&record))
            }
            _ => {
                let record: TombstoneRecord = reader::decode(bytes, block.start)?;
                check(&record).map_err(refused)?;
                each(Item::Tombstone(&record))
            }
        };
        taken.map_err(|RecordError(detail)| refused(detail))?;
        rest = after;
    }
    Ok(())
}

/// A session as the file's version wrote it, in the form of today.
fn session<'a>(block: &Block, bytes: &'a [u8]) -> Result<SessionRef<'a>, FileError> {
    if block.version == 1 {
        return reader::decode::<SessionRecordV1<&str, &[u8]>>(bytes, block.start).map(Into::into);
    }
    reader::decode(bytes, block.start)
}
