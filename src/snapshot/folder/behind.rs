//! A file that is written on a thread of its own, while what comes next is made on this one.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::snapshot::WriteError;
use crate::snapshot::layer::LayerFile;

const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait for the disk; with one more each in making and in writing, all the memory there is.
const WAITING: usize = 32;
/// After so many bytes they are made durable, which sets the disk to work at once and not only at the end.
const SYNC_BYTES: usize = 64 << 20;

/// Fills a file and makes it outlive a power cut. Where writing failed, that is the error, whatever `fill` made of it.
pub(super) fn write_behind<T>(
    file: Box<dyn LayerFile>,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, WriteError>,
) -> Result<T, WriteError> {
    let (pieces, waiting) = sync_channel(WAITING);
    let (written, spare) = sync_channel(WAITING);
    thread::scope(|scope| {
        let disk = thread::Builder::new().name("snapshot".to_owned());
        let disk = disk.spawn_scoped(scope, move || write(file, waiting, &written)).map_err(io("start a thread"))?;
        let mut ahead = Ahead { piece: Vec::with_capacity(PIECE_BYTES), pieces, spare };
        let filled = fill(&mut ahead).and_then(|filled| ahead.flush().map_err(io("write the file")).map(|()| filled));
        // The other thread ends with the last piece.
        drop(ahead);
        let mut file = disk.join().unwrap_or_else(|_| Err(io("write the file")(stopped())))?;
        let filled = filled?;
        file.sync().map_err(io("sync the file"))?;
        Ok(filled)
    })
}

/// Writes pieces as they come.
fn write(
    mut file: Box<dyn LayerFile>,
    waiting: Receiver<Vec<u8>>,
    written: &SyncSender<Vec<u8>>,
) -> Result<Box<dyn LayerFile>, WriteError> {
    let mut bytes = 0;
    for mut piece in waiting {
        file.write_all(&piece).map_err(io("write the file"))?;
        bytes += piece.len();
        if bytes >= SYNC_BYTES {
            file.sync().map_err(io("sync the file"))?;
            bytes = 0;
        }
        piece.clear();
        // Too many, or nobody needs it any more.
        drop(written.try_send(piece));
    }
    Ok(file)
}

/// Collects pieces and hands them over.
struct Ahead {
    piece: Vec<u8>,
    pieces: SyncSender<Vec<u8>>,
    /// Pieces that were written, to be filled again.
    spare: Receiver<Vec<u8>>,
}

impl Write for Ahead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        let (now, _) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.piece.len()));
        self.piece.extend_from_slice(now);
        Ok(now.len())
    }

    /// Hands over what there is; what the other thread makes of it shows at the end.
    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let next = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES));
        self.pieces.send(mem::replace(&mut self.piece, next)).map_err(|_| stopped())
    }
}

fn stopped() -> io::Error {
    io::Error::other("the thread that writes has stopped")
}

fn io(step: &'static str) -> impl FnOnce(io::Error) -> WriteError {
    move |source| WriteError::Io { step, source }
}
