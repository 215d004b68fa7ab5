//! A frame: what one write makes durable, all of it or nothing.

use std::io;

use super::records::JournalItem;
use super::sealed::FrameSeal;
use super::{JournalHeader, SECTOR};
use crate::snapshot::{MAX_RECORD_BYTES, RecordError};

/// The first bytes of a frame.
pub(super) const MARK: [u8; 4] = *b"\xf5JFR";
/// What stands before the payload.
pub(super) const HEAD_BYTES: usize = 32;
/// The most bytes of a payload: a record of the largest size after others.
pub(super) const MOST_PAYLOAD: usize = MAX_RECORD_BYTES + (64 << 20);

/// A frame that is being filled.
pub(crate) struct Frame {
    /// Room for the head, then the payload.
    bytes: Vec<u8>,
}

impl Frame {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEAD_BYTES] }
    }

    /// Adds an item. One that is refused is not in the frame, which can be continued without it.
    pub(crate) fn put(&mut self, item: &JournalItem<'_>) -> Result<(), RecordError> {
        item.put(&mut self.bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() <= HEAD_BYTES
    }

    /// Bytes of its payload so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - HEAD_BYTES
    }

    /// Empties it for the next one; what a large one took is given back.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(HEAD_BYTES);
        self.bytes.shrink_to(1 << 20);
    }

    /// The bytes to write, up to the end of their last sector.
    ///
    /// # Errors
    /// [`io::Error`] when it cannot be sealed.
    pub(super) fn finish(
        &mut self,
        number: u64,
        written_at: u64,
        header: &JournalHeader,
        seal: &FrameSeal,
    ) -> io::Result<&[u8]> {
        let salt = header.salt;
        let length = self.len() + seal.more();
        let told = Head { length: length as u32, number, written_at, checksum: 0 };
        seal.seal(number, &told.associated(header), &mut self.bytes, HEAD_BYTES)?;
        let payload = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
        let head = Head { checksum: crc32c::crc32c_append(salt, payload), ..told }.encode(salt);
        if let Some(place) = self.bytes.get_mut(..HEAD_BYTES) {
            place.copy_from_slice(&head);
        }
        self.bytes.resize(padded(self.bytes.len() as u64) as usize, 0);
        Ok(&self.bytes)
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u32,
    pub(super) number: u64,
    /// Wall clock, microseconds since the Unix epoch.
    pub(super) written_at: u64,
    pub(super) checksum: u32,
}

impl Head {
    /// What a sealed payload is bound to: its place in this very file.
    pub(super) fn associated(&self, header: &JournalHeader) -> Vec<u8> {
        let mut associated = self.length.to_le_bytes().to_vec();
        for number in [self.number, self.written_at, header.generation, header.segment, header.first_frame] {
            associated.extend(number.to_le_bytes());
        }
        associated.extend(header.created_at.to_le_bytes());
        associated
    }

    fn encode(self, salt: u32) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        let parts: [&[u8]; 5] = [
            &MARK,
            &self.length.to_le_bytes(),
            &self.number.to_le_bytes(),
            &self.written_at.to_le_bytes(),
            &self.checksum.to_le_bytes(),
        ];
        let mut at = 0;
        for part in parts {
            if let Some(place) = head.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        }
        let sum = crc32c::crc32c_append(salt, head.get(..at).unwrap_or_default());
        if let Some(place) = head.get_mut(at..) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        head
    }

    /// `None` for what is no frame's head.
    pub(super) fn decode(bytes: &[u8], salt: u32) -> Option<Self> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let (told, sum) = head.split_last_chunk::<4>()?;
        if !head.starts_with(&MARK) || crc32c::crc32c_append(salt, told) != u32::from_le_bytes(*sum) {
            return None;
        }
        let short =
            |at: usize| head.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes));
        let long =
            |at: usize| head.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
        Some(Self { length: short(4)?, number: long(8)?, written_at: long(16)?, checksum: short(24)? })
    }
}

/// The first multiple of a sector from there on.
pub(super) const fn padded(at: u64) -> u64 {
    at.next_multiple_of(SECTOR)
}
