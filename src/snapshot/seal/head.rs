//! What stands before the frames: what they are, and the name of their key.

use super::{MAGIC, VERSION};
use crate::snapshot::FileError;
use crate::snapshot::preamble::{PREAMBLE_BYTES, preamble, version};

/// Bytes of preamble and header.
pub(super) const HEAD_BYTES: usize = 52;
/// Random bytes of the nonces of one file.
pub(super) const NONCE_BYTES: usize = 19;
/// Bytes that name a key.
const KEY_ID_BYTES: usize = 8;

/// Who guards the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealing {
    /// A checksum: anybody may read and write such a file.
    None,
    /// A key.
    Key { id: [u8; KEY_ID_BYTES], nonce: [u8; NONCE_BYTES] },
}

/// Preamble and header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sealing: Sealing,
    pub(super) compressed: bool,
}

impl Head {
    /// The bytes in a file.
    pub(super) fn bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = preamble(&MAGIC, VERSION);
        let (sealing, id, nonce) = match self.sealing {
            Sealing::None => (0, [0; KEY_ID_BYTES], [0; NONCE_BYTES]),
            Sealing::Key { id, nonce } => (1, id, nonce),
        };
        bytes.extend([sealing, u8::from(self.compressed), 0, 0]);
        bytes.extend(id);
        bytes.extend(nonce);
        bytes.push(0);
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        // As many as the layout says, which a golden file holds.
        bytes.first_chunk().copied().unwrap_or([0; HEAD_BYTES])
    }

    /// Reads them; `bytes` are all from the start on, fewer than [`HEAD_BYTES`] where the file ends.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, FileError> {
        let number = |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        version(bytes, &MAGIC, VERSION)?;
        let (Some(told), Some(sum)) = (bytes.get(..HEAD_BYTES - 4), number(HEAD_BYTES - 4)) else {
            return Err(FileError::Truncated);
        };
        if crc32c::crc32c(told) != sum {
            return Err(damaged("the header does not fit its checksum"));
        }
        let header = told.get(PREAMBLE_BYTES..).and_then(<[u8]>::first_chunk);
        header.and_then(Self::of).ok_or_else(|| damaged("the header says what no version 1 says"))
    }

    fn of(header: &[u8; HEAD_BYTES - PREAMBLE_BYTES - 4]) -> Option<Self> {
        let [sealing, compressed, 0, 0, rest @ .., 0] = header else { return None };
        let (id, nonce) = (*rest.first_chunk()?, *rest.last_chunk()?);
        let sealing = match sealing {
            0 if rest.iter().all(|byte| *byte == 0) => Sealing::None,
            1 => Sealing::Key { id, nonce },
            _ => return None,
        };
        match compressed {
            0 => Some(Self { sealing, compressed: false }),
            1 => Some(Self { sealing, compressed: true }),
            _ => None,
        }
    }
}

fn damaged(detail: &str) -> FileError {
    FileError::Damaged { offset: 0, detail: detail.to_owned() }
}
