//! Reads the records of many blocks at once: one thread reads the file, others build from the records, and what they
//! built is handed on in the file's order, so that the first flaw of a file is the one that is told.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use super::reader::{Block, blocks};
use super::records::records;
use crate::snapshot::reader::Item;
use crate::snapshot::stream::Source;
use crate::snapshot::writer::Summary;
use crate::snapshot::{FileError, RecordError};

/// Blocks that wait in a lane or have left it, beside the one that is worked on: a lane that is held up has others wait
/// for it last.
const WAITING: usize = 4;
/// The most bytes of blocks on their way; one that is larger goes alone.
const MOST_BYTES: usize = 64 << 20;

/// Reads a whole file: each of `builders` runs on a thread of its own, `each` on this one, in the file's order.
pub(in crate::snapshot) fn scan<T: Send, B: FnMut(Item<'_>) -> Result<T, RecordError> + Send>(
    source: &mut Source<'_>,
    builders: Vec<B>,
    each: &mut dyn FnMut(T) -> Result<(), RecordError>,
) -> Result<Summary, FileError> {
    thread::scope(|scope| {
        let lanes = builders.into_iter().map(|build| Lane::start(scope, build)).collect::<io::Result<Vec<_>>>()?;
        let mut road = Road { lanes, each, sent: 0, taken: 0, bytes: 0, refused: false };
        let outcome = blocks(source, &mut |block| road.send(block));
        // What is still on its way comes earlier in the file than what ended the reading.
        while !road.refused && road.taken < road.sent {
            road.take()?;
        }
        outcome
    })
}

/// A thread that builds, and the way there and back.
struct Lane<T> {
    blocks: SyncSender<Block>,
    built: Receiver<Built<T>>,
}

/// What came of a block: all of it, or what stands before the first flaw.
struct Built<T> {
    block: Block,
    built: Vec<T>,
    outcome: Result<(), FileError>,
}

impl<T: Send> Lane<T> {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        mut build: impl FnMut(Item<'_>) -> Result<T, RecordError> + Send + 'scope,
    ) -> io::Result<Self>
    where
        T: 'scope,
    {
        let (blocks, waiting) = sync_channel::<Block>(WAITING);
        let (done, built) = sync_channel(WAITING);
        thread::Builder::new().name("restore".to_owned()).spawn_scoped(scope, move || {
            for block in waiting {
                let mut built = Vec::with_capacity(usize::try_from(block.records).unwrap_or_default());
                let outcome = records(&block, &mut |item| {
                    built.push(build(item)?);
                    Ok(())
                });
                // Whoever reads has met an error and gone.
                if done.send(Built { block, built, outcome }).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { blocks, built })
    }
}

/// All lanes; blocks take them in turn, so that they come back in order.
struct Road<'a, T> {
    lanes: Vec<Lane<T>>,
    each: &'a mut dyn FnMut(T) -> Result<(), RecordError>,
    sent: usize,
    taken: usize,
    /// Of blocks on their way.
    bytes: usize,
    refused: bool,
}

impl<T> Road<'_, T> {
    /// Sends a block off, once there is room; gives back the buffer of another.
    fn send(&mut self, block: Block) -> Result<Vec<u8>, FileError> {
        let mut spare = Vec::new();
        let most = self.lanes.len() * WAITING;
        while self.taken < self.sent
            && (self.sent - self.taken >= most || self.bytes + block.payload.len() > MOST_BYTES)
        {
            spare = self.take()?;
        }
        let lane = self.lanes.get(self.sent % self.lanes.len().max(1)).ok_or_else(stopped)?;
        self.bytes += block.payload.len();
        self.sent += 1;
        lane.blocks.send(block).map_err(|_| stopped())?;
        Ok(spare)
    }

    /// Takes what was built from the next block.
    fn take(&mut self) -> Result<Vec<u8>, FileError> {
        let lane = self.lanes.get(self.taken % self.lanes.len().max(1)).ok_or_else(stopped)?;
        let taken = lane.built.recv().map_err(|_| stopped()).and_then(|Built { block, built, outcome }| {
            self.taken += 1;
            self.bytes -= block.payload.len();
            for (index, built) in (block.before + 1..).zip(built) {
                (self.each)(built).map_err(|RecordError(detail)| FileError::Record { index, detail })?;
            }
            outcome.map(|()| block.payload)
        });
        self.refused |= taken.is_err();
        taken
    }
}

fn stopped() -> FileError {
    io::Error::other("a thread that restores has failed").into()
}
